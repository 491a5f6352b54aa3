"""Monitoring of the released model, by the labels that have been reported since."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from ml_platform.datasets.labels_as_of import labels_as_of
from ml_platform.ingestion.source import RawSource
from ml_platform.models.releases.registry import Registry
from ml_platform.monitoring.drift import prediction_drift
from ml_platform.monitoring.performance import performance, performance_check, performance_plot
from ml_platform.monitoring.served import Served
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.figures import figure
from ml_platform.orchestration.assets.naming import (
    Materialized,
    asset_key,
    common,
    declaration_version,
    freshness_of,
)
from ml_platform.orchestration.assets.pictures import pictures
from ml_platform.orchestration.assets.predictions import prediction_key
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.predictions.table import BatchScoring, serving_sql
from ml_platform.storage.base import ObjectStore
from ml_platform.warehouse.base import Warehouse

__all__ = ["performance_asset"]

_DRIFT_DAYS = 7


def performance_asset(
    scoring: BatchScoring, calendar: Calendar, reports: Sequence[RawSource]
) -> dg.AssetsDefinition:
    """``<use_case>/<model>/performance``: how the predictions that served did, and whether they drift.

    Args:
        scoring: whose predictions.
        calendar: of their partitions.
        reports: the sources that the labels are made from.
    """
    key, predictions = prediction_key(scoring, "performance"), prediction_key(scoring, "predictions")
    use_case, label = scoring.use_case, scoring.dataset.label
    name = (scoring.owner.name, scoring.model.name)
    labels = [asset_key(label.relation)] if label else []
    checks = Checks(
        key,
        {
            "performance": "The metric that retraining watches keeps its limit, on newly reported labels.",
            "prediction_drift": f"Predictions of the last {_DRIFT_DAYS} days are spread as those of the test rows.",
        },
    )

    @dg.asset(
        key=key,
        deps=[predictions, *labels],
        code_version=declaration_version(use_case.retraining, label.model_dump_json() if label else ""),
        description="Metrics of the released predictions on days whose labels have been reported, day by day.",
        check_specs=checks.specs,
        freshness_policy=freshness_of(calendar.cadence),
        automation_condition=when_stale(),
        pool="warehouse",
        **common(use_case, "monitoring"),
    )
    @explained
    def performance_(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        registry: dg.ResourceParam[ObjectStore],
    ) -> Materialized:
        recording = Recording(context)
        releases, events_end = Registry(registry), recording.calendars.as_of(calendar)
        as_of = labels_as_of(reports, warehouse) or events_end
        rows = serving_sql(scoring, calendar.cadence, warehouse.dialect)
        served = Served(scoring.declared.relation, rows, scoring.dataset, scoring.model)
        trained = {r.version: r.manifest.train_window.end for r in releases.list(*name)}
        found = performance(served, warehouse, as_of=as_of, events_end=events_end, trained_until=trained)
        release, made = releases.current(*name), recording.built_keys(predictions)
        end = calendar.cadence.end(made[-1]) if made else events_end
        drift = prediction_drift(
            served,
            warehouse,
            release.manifest.test_predictions if release else None,
            release.version if release else None,
            first=end - timedelta(days=_DRIFT_DAYS),
            end=end,
        )
        outcomes = [performance_check(use_case, served, found), drift]
        recording.finish(key, recording.derived_version(key, None))
        return dg.MaterializeResult(
            metadata={
                "plots": pictures({"performance": performance_plot(found, served.task.watched)}),
                "rows judged": found.rows,
                "rows left out (in sample)": found.in_sample,
                **({} if found.share_known is None else {"labels known": figure(found.share_known)}),
                **{name: figure(value) for name, value in found.metrics.items()},
            },
            check_results=checks.results(outcomes),
        )

    return performance_
