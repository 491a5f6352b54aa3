"""Hands failed runs and failed checks to the alert port."""

import dagster as dg
from dagster import DagsterEventType, EventRecordsFilter
from dagster._core.errors import DagsterAssetCheckFailedError

from ml_platform.monitoring.alerts.base import Alert
from ml_platform.orchestration.alerting import MAY_FAIL_TAG, assets_of_step, check_alert, failure_alert
from ml_platform.orchestration.assets.checks import was_evaluated
from ml_platform.orchestration.local.home import PROCESS_TAG
from ml_platform.orchestration.planning.collecting import Failure
from ml_platform.orchestration.platform import Platform

__all__ = ["check_failure_sensor", "run_failure_sensor"]

_AT_ONCE = 100


def run_failure_sensor(platform: Platform) -> dg.SensorDefinition:
    """One alert for each asset that a failed run did not make."""

    @dg.run_failure_sensor(
        name="run_failures", description="Alerts the owner of each asset that a run failed to make."
    )
    def run_failures(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        if MAY_FAIL_TAG in run.tags:
            return  # whoever started it says what failed
        for event in context.get_step_failure_events():
            failure = Failure.of(event.step_failure_data.error, event.message or "")
            if failure.kind == DagsterAssetCheckFailedError.__name__:
                continue  # the alert of the check says more
            for key in assets_of_step(platform, event.step_key or "", run.asset_selection):
                _send(platform, failure_alert(platform, key, failure.message, run.run_id))
        if not context.get_step_failure_events():
            for key in sorted(run.asset_selection or ()):
                _send(
                    platform,
                    failure_alert(
                        platform, key, context.failure_event.message or "the run failed", run.run_id
                    ),
                )

    return run_failures


def check_failure_sensor(platform: Platform) -> dg.SensorDefinition:
    """One alert for each check that was evaluated and failed; `ml-platform run` shows its own."""

    @dg.sensor(
        name="check_failures",
        minimum_interval_seconds=30,
        description="Alerts the owner of an asset whose check failed.",
    )
    def check_failures(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        # Evaluations from before the sensor was first turned on are history.
        if context.cursor is None:
            newest = context.instance.get_event_records(
                EventRecordsFilter(DagsterEventType.ASSET_CHECK_EVALUATION), limit=1
            )
            return dg.SensorResult(cursor=str(newest[0].storage_id if newest else 0))
        records = context.instance.get_event_records(
            EventRecordsFilter(DagsterEventType.ASSET_CHECK_EVALUATION, after_cursor=int(context.cursor)),
            limit=_AT_ONCE,
            ascending=True,
        )
        sent = 0
        for record in records:
            run = context.instance.get_run_by_id(record.event_log_entry.run_id)
            event = record.event_log_entry.get_dagster_event()
            evaluation = event.asset_check_evaluation_data
            shown = run is not None and PROCESS_TAG in run.tags
            if not shown and not evaluation.passed and was_evaluated(evaluation):
                _send(platform, check_alert(platform, evaluation, record.event_log_entry.run_id))
                sent += 1
        if not records:
            return dg.SkipReason("no new evaluations")
        context.log.info("%d evaluations, %d alerts", len(records), sent)
        return dg.SensorResult(cursor=str(records[-1].storage_id))

    return check_failures


def _send(platform: Platform, alert: Alert) -> None:
    with platform.backends() as backends:
        backends.alerts.send(alert)
