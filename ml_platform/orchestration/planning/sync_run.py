"""One sync of one view, asked for by a person, recorded like any other run."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from ml_platform.errors import NotFoundError
from ml_platform.orchestration.assets.online import SyncConfig
from ml_platform.orchestration.local.home import tags_of_process
from ml_platform.orchestration.planning.collecting import Collector, Failure
from ml_platform.orchestration.planning.ledger import INPUTS, VERSION, Ledger
from ml_platform.orchestration.planning.up_to_date import Report

__all__ = ["sync_now"]


def sync_now(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    view: str,
    config: SyncConfig,
    on_event: Callable[[dg.DagsterEvent], None] = lambda _: None,
) -> tuple[Report, Mapping[str, Any]]:
    """Materialise ``online/<view>``, as the launchpad of Dagster's pages does.

    Args:
        definitions: the assets, with resources bound.
        instance: where the run is recorded.
        view: name of a view that is synced.
        config: what may be said of one sync.
        on_event: called with each Dagster event as it happens.

    Returns:
        What was done and what failed, and the figures of the sync; none when it was not completed.

    Raises:
        NotFoundError: its relation was never built.
    """
    source = definitions.resolve_asset_graph().get(dg.AssetKey(["online", view])).parent_keys
    if not any(Ledger.of(instance).count(key) for key in source):
        raise NotFoundError(f"there is nothing to sync to {view} yet; run `ml-platform run` first")
    key, collect, run_id = dg.AssetKey(["online", view]), Collector(), str(uuid.uuid4())

    def on_entry(entry: dg.EventLogEntry, _cursor: object = None) -> None:
        if entry.dagster_event is not None:
            collect(entry.dagster_event)
            on_event(entry.dagster_event)

    instance.add_event_listener(run_id, on_entry)
    definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        run_config={
            "ops": {key.to_python_identifier(): {"config": config.model_dump()}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        instance=instance,
        asset_selection=[key],
        tags=tags_of_process("ml-platform features sync"),
        run_id=run_id,
        raise_on_error=False,
    )
    report = Report(steps=collect.steps, checks=collect.checks, run_ids=[run_id])
    if key not in collect.made:
        raised = [failure for failure, _ in collect.failures.values()]
        report.fail(key, raised[0] if raised else Failure("", f"run {run_id} did not get to it"))
    figures: dict[str, Any] = {}
    made = instance.get_latest_materialization_event(key) if key in collect.made else None
    if made is not None and made.asset_materialization is not None:
        figures = {
            name: value.value
            for name, value in made.asset_materialization.metadata.items()
            if "/" not in name and name not in (VERSION, INPUTS)
        }
    return report, figures
