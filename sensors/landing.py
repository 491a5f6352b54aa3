"""Watches the landing folder: what lands extends the calendar of its source, new or changed files are loaded."""

import json
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from ml_platform.orchestration.alerting import MAY_FAIL_TAG
from ml_platform.orchestration.assets.naming import asset_key
from ml_platform.orchestration.assets.raw import calendar_of
from ml_platform.orchestration.planning.calendars import Calendars, range_tags, ranges
from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.nodes import nodes_of
from ml_platform.orchestration.planning.staleness import Staleness, extend_calendars
from ml_platform.orchestration.platform import Platform
from ml_platform.orchestration.stores import compare_stores

__all__ = ["LANDING_TAG", "landing_sensor", "next_ranges"]

LANDING_TAG = "ml_platform/landing"
"""Run tag of runs that load what landed."""

_UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

Asked = dict[str, tuple[str, int]]
"""Partition to the digest of its files when they were last asked for, and in a range of how many that was."""


def landing_sensor(platform: Platform) -> dg.SensorDefinition:
    """Requests a run for each range of a source's partitions whose files are new or changed since they were loaded.

    A range that fails is asked for again by halves, so that one bad file does not hold up the rest; a partition that
    failed alone waits for other files. Sources do not wait for each other.
    """

    @dg.sensor(
        name="landing",
        asset_selection=dg.AssetSelection.assets(*platform.externals),
        minimum_interval_seconds=10,
        description="Loads what lands: new partitions, and those whose files changed.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        instance = context.instance
        for line in compare_stores(platform, instance):
            context.log.warning(line)
        calendars = Calendars(instance)
        added = [new for c, keys in platform.landed().items() for new in calendars.extend(c, keys)]
        nodes = nodes_of(platform.definitions.resolve_asset_graph().assets_defs).values()
        extend_calendars(nodes, Ledger.of(instance), calendars)
        loading = RunsFilter(tags={LANDING_TAG: "load"}, statuses=_UNFINISHED)
        if at_work := instance.get_runs(loading, limit=1):
            return dg.SkipReason(f"run {at_work[0].run_id} is loading")
        asked_of: dict[str, Asked] = {
            name: {key: (was[0], was[1]) for key, was in asked.items()}
            for name, asked in json.loads(context.cursor or "{}").items()
        }
        calendar_by_key = {asset_key(source.relation): calendar_of(source) for source in platform.sources}
        requests: list[dg.RunRequest] = []
        waiting = 0
        for key, files in _stale(platform, instance).items():
            asked = asked_of.get(key.to_user_string(), {})
            found = list(next_ranges(files, asked, calendars.order(calendar_by_key[key])))
            for keys in found:
                asked |= {one: (files[one], len(keys)) for one in keys}
                requests.append(_request(key, keys))
            waiting += len(files) - sum(map(len, found))
            asked_of[key.to_user_string()] = {one: was for one, was in asked.items() if one in files}
        cursor = json.dumps({name: asked for name, asked in asked_of.items() if asked})
        if not requests:
            reason = f"{waiting} partitions could not be loaded and wait for other files"
            return dg.SensorResult(
                skip_reason=reason if waiting else "everything that landed is loaded", cursor=cursor
            )
        context.log.info(
            "%d partitions are new, %d runs load what is new or changed", len(added), len(requests)
        )
        return dg.SensorResult(run_requests=requests, cursor=cursor)

    return landing


def next_ranges(files: Mapping[str, str], asked: Asked, order: Sequence[str]) -> Iterator[list[str]]:
    """The ranges of partitions to ask for now.

    Args:
        files: stale partition to a digest of its files.
        asked: what was asked for before.
        order: of the calendar.
    """
    fresh = [key for key in order if key in files and asked.get(key, ("", 0))[0] != files[key]]
    yield from ranges(fresh, order)
    known = set(fresh)
    again: dict[int, list[str]] = {}
    for key in order:
        if key in files and key not in known and asked[key][1] > 1:
            again.setdefault(asked[key][1], []).append(key)
    for size, keys in again.items():
        half = (size + 1) // 2
        for together in ranges(keys, order):
            yield from (together[i : i + half] for i in range(0, len(together), half))


def _stale(platform: Platform, instance: dg.DagsterInstance) -> dict[dg.AssetKey, dict[str, str]]:
    """Raw assets to their partitions that are to be loaded, each with a digest of what would be loaded now."""
    externals = platform.externals
    definitions = platform.definitions.resolve_asset_graph().assets_defs
    nodes = {key: node for key, node in nodes_of(definitions, externals).items() if key in externals}
    state = Staleness(nodes, Ledger.of(instance), Calendars(instance))
    return {
        key: {one: state.inputs(key, one) for one in partitions if one is not None}
        for key, partitions in state.stale.items()
    }


def _request(key: dg.AssetKey, keys: Sequence[str]) -> dg.RunRequest:
    tags = {LANDING_TAG: "load"}
    if len(keys) == 1:
        return dg.RunRequest(asset_selection=[key], partition_key=keys[0], tags=tags)
    # Its halves are asked for should it fail: only a partition that fails alone is worth an alert.
    return dg.RunRequest(
        asset_selection=[key], tags=tags | range_tags(keys[0], keys[-1]) | {MAY_FAIL_TAG: "true"}
    )
