"""Decides, from what the graph recorded, whether a use case's model is due for a new training, and starts it."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.dagster_run import RunsFilter

from ml_platform.monitoring.retraining import Decision, count_new_labels, due, watched_metric
from ml_platform.orchestration.planning.calendars import Calendars
from ml_platform.orchestration.planning.ledger import Ledger, Partition
from ml_platform.orchestration.planning.nodes import nodes_of
from ml_platform.orchestration.planning.staleness import Staleness
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["RETRAINING_TAG", "due_datasets", "retraining_due", "retraining_sensor"]

RETRAINING_TAG = "ml_platform/retraining"
"""Run tag of automatic trainings: the name of the use case."""


def retraining_due(
    use_case: UseCase,
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    last_automatic: datetime | None = None,
) -> Decision:
    """Tell whether a new candidate is due.

    Args:
        use_case: whose declaration.
        instance: holds the records of the last snapshot and of performance.
        warehouse: where the labels are.
        last_automatic: when the last automatic training started, for the cool-down; None when a person asks, who may.
    """
    ledger = Ledger.of(instance)
    dataset = dg.AssetKey([use_case.name, "dataset"])
    snapshot = ledger.newest(dataset)
    if snapshot is None:
        return Decision(False, "there is no snapshot yet: the first is made as soon as its inputs are there")
    as_of = datetime.fromisoformat(str(ledger.metadata(dataset)["as_of"]))
    performance = {}
    for model in use_case.models:
        key = dg.AssetKey([use_case.name, model.name, "performance"])
        value = ledger.metadata(key).get(watched_metric(use_case, model))
        if value is not None and (ledger.newest(key) or 0) > snapshot:
            performance[model.name] = float(value)
    return due(
        use_case,
        count_new_labels(use_case, warehouse, as_of),
        performance,
        last_automatic,
        datetime.now(UTC),
    )


def due_datasets(
    use_cases: Sequence[UseCase],
    instance: dg.DagsterInstance,
    warehouse: Warehouse,
    say: Callable[[str], None],
) -> dict[dg.AssetKey, frozenset[Partition]]:
    """The datasets to export anew because a retraining is due; a person asks, so there is no cool-down."""
    due_now: dict[dg.AssetKey, frozenset[Partition]] = {}
    for use_case in use_cases:
        decision = retraining_due(use_case, instance, warehouse)
        say(f"{use_case.name}: retraining is {'due' if decision.due else 'not due'}: {decision.reason}")
        if decision.due:
            due_now[dg.AssetKey([use_case.name, "dataset"])] = frozenset({None})
    return due_now


def retraining_sensor(use_case: UseCase) -> dg.SensorDefinition:
    """Starts a training when one is due, at most one within the cool-down, however much data arrives."""
    trained = [path for model in use_case.models for path in ([model.name], [model.name, "champion"])]

    @dg.sensor(
        name=f"{use_case.name}_retraining",
        asset_selection=dg.AssetSelection.assets(
            *[[use_case.name, *path] for path in (["dataset"], *trained)]
        ),
        minimum_interval_seconds=60,
        description="Trains anew when enough labels were reported or performance fell, with a cool-down.",
        required_resource_keys={"warehouse"},
    )
    def retraining(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        if reason := _must_wait(context, dg.AssetKey([use_case.name, "dataset"])):
            yield dg.SkipReason(reason)
            return
        tags = {RETRAINING_TAG: use_case.name}
        last = next(iter(context.instance.get_run_records(RunsFilter(tags=tags), limit=1)), None)
        started = last.create_timestamp.astimezone(UTC) if last else None
        decision = retraining_due(use_case, context.instance, context.resources.warehouse, started)
        if not decision.due:
            yield dg.SkipReason(decision.reason)
            return
        context.log.info("%s: %s", use_case.name, decision.reason)
        # The key is the last automatic run: should a tick be evaluated twice, one training starts.
        yield dg.RunRequest(
            run_key=f"{use_case.name} after {last.dagster_run.run_id if last else 'none'}", tags=tags
        )

    return retraining


def _must_wait(context: dg.SensorEvaluationContext, dataset: dg.AssetKey) -> str:
    """The reason to decide later, if any: labels may be there before the features of their days are."""
    instance = context.instance
    if instance.event_log_storage.get_concurrency_info("warehouse").active_slot_count:
        return "the warehouse is at work"
    assets = list(context.repository_def.asset_graph.assets_defs) if context.repository_def else []
    waits_for = Staleness(nodes_of(assets), Ledger.of(instance), Calendars(instance)).waits_for(dataset, None)
    return f"waits for {', '.join(sorted(key.to_user_string() for key in waits_for))}" if waits_for else ""
