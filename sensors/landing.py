"""Watches the landing folder: new days extend the calendar, new or changed files are loaded."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from ml_platform.orchestration.alerting import MAY_FAIL_TAG
from ml_platform.orchestration.planning.calendar import calendar, extend_calendar, range_tags, ranges
from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.nodes import nodes_of
from ml_platform.orchestration.planning.staleness import Staleness, digest
from ml_platform.orchestration.platform import Platform

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
"""Day to the digest of its files when they were last asked for, and in a range of how many days that was."""


def landing_sensor(platform: Platform) -> dg.SensorDefinition:
    """Requests a run for each range of days whose files are new or changed since they were loaded.

    A range that fails is asked for again by halves, so that one bad file does not hold up the rest; a day that
    failed alone waits for other files.
    """
    raw = list(platform.externals)

    @dg.sensor(
        name="landing",
        asset_selection=dg.AssetSelection.assets(*raw),
        minimum_interval_seconds=30,
        description="Loads what lands: new days, and days whose files changed.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        added = extend_calendar(context.instance, platform.landing_days())
        loading = RunsFilter(tags={LANDING_TAG: "load"}, statuses=_UNFINISHED)
        if at_work := context.instance.get_runs(loading, limit=1):
            return dg.SkipReason(f"run {at_work[0].run_id} is loading")
        stale = _stale(platform, context.instance)
        files = {day: found.files for day, found in stale.items()}
        asked: Asked = {day: (was[0], was[1]) for day, was in json.loads(context.cursor or "{}").items()}
        order = calendar(context.instance)
        requests = []
        for days in next_ranges(files, asked, order):
            asked |= {day: (files[day], len(days)) for day in days}
            requests.append(_request(days, sorted({key for day in days for key in stale[day].assets})))
        asked = {day: was for day, was in asked.items() if day in files}
        if not requests:
            waiting = f"{len(files)} days could not be loaded and wait for other files"
            return dg.SensorResult(
                skip_reason=waiting if files else "every day that landed is loaded", cursor=json.dumps(asked)
            )
        context.log.info("%d days added to the calendar, %d to load", len(added), len(files))
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(asked))

    return landing


def next_ranges(files: Mapping[str, str], asked: Asked, order: Sequence[str]) -> Iterator[list[str]]:
    """The ranges of days to ask for now.

    Args:
        files: stale day to a digest of its files.
        asked: what was asked for before.
        order: the calendar.
    """
    fresh = [day for day in order if day in files and asked.get(day, ("", 0))[0] != files[day]]
    yield from ranges(fresh, order)
    again: dict[int, list[str]] = {}
    for day in order:
        if day in files and day not in fresh and asked[day][1] > 1:
            again.setdefault(asked[day][1], []).append(day)
    for size, days in again.items():
        half = (size + 1) // 2
        for together in ranges(days, order):
            yield from (together[i : i + half] for i in range(0, len(together), half))


class _Stale(NamedTuple):
    """The raw assets of a day that are stale, and a digest of all the day's files.

    Of all, since those that could be loaded are stale no more after an attempt, and the day is to be as it was.
    """

    assets: list[dg.AssetKey]
    files: str


def _stale(platform: Platform, instance: dg.DagsterInstance) -> dict[str, _Stale]:
    """The days that are to be loaded."""
    externals = platform.externals
    definitions = list(platform.definitions.resolve_asset_graph().assets_defs)
    nodes = {key: node for key, node in nodes_of(definitions, externals).items() if key in externals}
    state = Staleness(nodes, Ledger(instance), calendar(instance))
    days = sorted({day for of_asset in state.stale.values() for day in of_asset if day is not None})
    return {
        day: _Stale(
            [key for key in sorted(nodes) if day in state.stale.get(key, ())],
            digest([state.inputs(key, day) for key in sorted(nodes)]),
        )
        for day in days
    }


def _request(days: Sequence[str], keys: Sequence[dg.AssetKey]) -> dg.RunRequest:
    tags = {LANDING_TAG: "load"}
    if len(days) == 1:
        return dg.RunRequest(asset_selection=keys, partition_key=days[0], tags=tags)
    # Its halves are asked for should it fail: only a day that fails alone is worth an alert.
    return dg.RunRequest(
        asset_selection=keys, tags=tags | range_tags(days[0], days[-1]) | {MAY_FAIL_TAG: "true"}
    )
