"""Last attempts: what was asked to be made after it was last made, and failed."""

from collections.abc import Collection

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from ml_platform.orchestration.planning.collecting import Failure

__all__ = ["failed_attempts"]


def failed_attempts(
    instance: dg.DagsterInstance, graph: AssetGraph, keys: Collection[dg.AssetKey]
) -> dict[dg.AssetKey, str]:
    """The message of the error that ended the last attempt to make an asset; of those whose last attempt failed.

    Args:
        instance: with the runs.
        graph: of the assets.
        keys: of the assets that are asked about; it costs a query of the runs that failed.
    """
    failed: dict[dg.AssetKey, str] = {}
    errors: dict[str, dict[str, str]] = {}
    for record in instance.get_asset_records(list(keys)) if keys else []:
        entry = record.asset_entry
        run_id, made = entry.last_run_id, entry.last_materialization_record
        if run_id is None or (made is not None and made.run_id == run_id):
            continue
        if run_id not in errors:
            errors[run_id] = _errors(instance, run_id)
        step = graph.get(entry.asset_key).assets_def.node_def.name
        if step in errors[run_id]:
            failed[entry.asset_key] = errors[run_id][step]
    return failed


def _errors(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """Step to the message of what it raised."""
    found = {}
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.STEP_FAILURE):
        event = entry.dagster_event
        if event is not None and event.step_key is not None:
            failure = Failure.of(event.step_failure_data.error, f"step {event.step_key} failed")
            found[event.step_key] = failure.message
    return found
