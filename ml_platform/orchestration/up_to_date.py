"""Brings everything that is stale up to date, in this process, wave by wave.

A wave is all that is stale and waits for nothing stale. After each the staleness is asked anew, so what turns out
unchanged rebuilds nothing behind it.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import dagster as dg
from dagster import DagsterEventType

from ml_platform.orchestration.calendar import calendar, extend_calendar
from ml_platform.orchestration.home import PROCESS_TAG, process_tag
from ml_platform.orchestration.ledger import Ledger
from ml_platform.orchestration.nodes import Node, nodes_of
from ml_platform.orchestration.staleness import Day, Staleness
from ml_platform.orchestration.state import check_states

__all__ = ["Done", "Report", "Updater"]

_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"


@dataclass(frozen=True)
class Done:
    """One finished step: its assets and days, seconds, and what it said of itself."""

    keys: tuple[dg.AssetKey, ...]
    days: int
    seconds: float
    error: str = ""


@dataclass
class Report:
    """What an update did."""

    steps: list[Done] = field(default_factory=list)
    checks: list[dg.AssetCheckEvaluation] = field(default_factory=list)
    failed: dict[dg.AssetKey, str] = field(default_factory=dict)
    waiting: dict[dg.AssetKey, str] = field(default_factory=dict)
    new_days: list[str] = field(default_factory=list)
    run_ids: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing failed: neither a step nor a blocking check."""
        return not self.failed and not any(
            c.blocking and not c.passed and c.severity == dg.AssetCheckSeverity.ERROR for c in self.checks
        )


@dataclass(frozen=True)
class _Batch:
    keys: frozenset[dg.AssetKey]
    first: str | None
    last: str | None


class Updater:
    """Plans and executes waves until nothing is stale that can be built.

    Args:
        definitions: the assets, with resources bound.
        instance: where runs are recorded.
        externals: see :func:`~ml_platform.orchestration.nodes.nodes_of`.
        on_event: called with each Dagster event as it happens.
        log_level: of Dagster's log on the console; the event log has everything anyway.
    """

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        externals: Mapping[dg.AssetKey, Callable[[str], str | None]],
        on_event: Callable[[dg.DagsterEvent], None] = lambda _: None,
        log_level: str = "CRITICAL",
    ) -> None:
        self._definitions = definitions
        self._instance = instance
        self._on_event = on_event
        self._run_config = {"loggers": {"console": {"config": {"log_level": log_level}}}}
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self.nodes: dict[dg.AssetKey, Node] = nodes_of(
            list(definitions.resolve_asset_graph().assets_defs), externals
        )
        self.ledger = Ledger(instance)

    def staleness(self) -> Staleness:
        """What is stale now."""
        return Staleness(self.nodes, self.ledger, calendar(self._instance))

    def update(
        self,
        days: Iterable[date],
        also: Callable[[Staleness], Mapping[dg.AssetKey, frozenset[Day]]] = lambda _: {},
    ) -> Report:
        """Bring everything up to date.

        Args:
            days: the days of the data; the calendar is extended by them.
            also: asked once when nothing else is stale: what to build although its inputs have not changed (a due
                retraining).
        """
        report = Report(new_days=extend_calendar(self._instance, days))
        asked = False
        while True:
            state = self.staleness()
            wave = {
                key: days
                for key, days in state.ready.items()
                if key not in report.failed and not self._blocked(key)
            }
            if not wave and not asked:
                asked = True
                wave = dict(also(state))
            if not wave:
                waiting = {
                    key: self._waits_for(state, key) for key in state.stale if key not in report.failed
                }
                report.waiting = {key: reason for key, reason in waiting.items() if reason}
                return report
            for batch in self._batches(wave):
                self._execute(batch, report)

    def _blocked(self, key: dg.AssetKey) -> list[dg.AssetKey]:
        """Upstream assets of which a blocking check failed."""
        deps = [
            dep for dep in self.nodes[key].deps if dep in self.nodes and dep not in self.nodes[key].together
        ]
        return [dep for dep in deps if failed_blocking_checks(self._definitions, self._instance, dep)]

    def _waits_for(self, state: Staleness, key: dg.AssetKey) -> str:
        before = sorted(
            {dep.to_user_string() for day in state.stale[key] for dep in state.waits_for(key, day)}
        )
        if before:
            return f"waits for {', '.join(before)}"
        blocked = ", ".join(dep.to_user_string() for dep in self._blocked(key))
        return f"is not made: a blocking check of {blocked} failed" if blocked else ""

    def _batches(self, wave: Mapping[dg.AssetKey, frozenset[Day]]) -> list[_Batch]:
        """Group a wave into runs: what has no days is one; assets with the same days are one for each range of days."""
        together: dict[frozenset[dg.AssetKey], set[Day]] = defaultdict(set)
        for key, days in wave.items():
            together[self.nodes[key].together & frozenset(wave)] |= days
        by_days: dict[frozenset[Day], set[dg.AssetKey]] = defaultdict(set)
        for keys, stale in together.items():
            by_days[frozenset(stale)] |= keys
        order = calendar(self._instance)
        batches = []
        for days, assets in by_days.items():
            if None in days:
                batches.append(_Batch(frozenset(assets), None, None))
            else:
                batches += [
                    _Batch(frozenset(assets), first, last)
                    for first, last in _ranges([d for d in order if d in days], order)
                ]
        return sorted(batches, key=lambda b: (b.first or "", sorted(b.keys)))

    def _execute(self, batch: _Batch, report: Report) -> None:
        run_id = str(uuid.uuid4())
        tags = {PROCESS_TAG: process_tag() or ""}
        if batch.first is not None and batch.last is not None:
            tags |= {_RANGE_START: batch.first, _RANGE_END: batch.last}
        collect = _Collector()

        def on_entry(entry: dg.EventLogEntry, _cursor: object = None) -> None:
            if entry.dagster_event is not None:
                collect(entry.dagster_event)
                self._on_event(entry.dagster_event)

        self._instance.add_event_listener(run_id, on_entry)
        result = self._job.execute_in_process(
            run_config=self._run_config,
            instance=self._instance,
            asset_selection=sorted(batch.keys),
            tags=tags,
            run_id=run_id,
            raise_on_error=False,
        )
        report.run_ids.append(run_id)
        report.steps += collect.steps
        report.checks += collect.checks
        for key in sorted(batch.keys - collect.made):
            halves = [] if result.success else self._halves(key, batch)
            if not halves:
                report.failed[key] = collect.error or "it was skipped: something that it is built with failed"
            for half in halves:
                self._execute(half, report)

    def _halves(self, key: dg.AssetKey, batch: _Batch) -> list[_Batch]:
        """Raw days of which one cannot be read are loaded by halves: one bad file does not hold up the rest."""
        if self.nodes[key].external is None or batch.first == batch.last:
            return []
        order = calendar(self._instance)
        first, last = order.index(str(batch.first)), order.index(str(batch.last))
        middle = (first + last) // 2
        return [
            _Batch(frozenset({key}), order[a], order[b]) for a, b in ((first, middle), (middle + 1, last))
        ]


class _Collector:
    """Gathers from a run's events what a report needs."""

    def __init__(self) -> None:
        self.steps: list[Done] = []
        self.checks: list[dg.AssetCheckEvaluation] = []
        self.error = ""
        self._days: dict[dg.AssetKey, int] = defaultdict(int)
        self._by_step: dict[str, set[dg.AssetKey]] = defaultdict(set)

    @property
    def made(self) -> frozenset[dg.AssetKey]:
        """The assets that were materialised."""
        return frozenset(self._days)

    def __call__(self, event: dg.DagsterEvent) -> None:
        step = event.step_key or ""
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            self._days[event.asset_key] += 1
            self._by_step[step].add(event.asset_key)
        elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            self.checks.append(event.asset_check_evaluation_data)
        elif event.event_type == DagsterEventType.STEP_SUCCESS:
            keys = tuple(sorted(self._by_step[step]))
            if not keys:  # a step of checks alone
                return
            days = max(self._days[key] for key in keys)
            self.steps.append(Done(keys, days, event.step_success_data.duration_ms / 1000))
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            self.error = error.message.strip() if error else f"step {step} failed"
            self.steps.append(Done(tuple(sorted(self._by_step[step])), 0, 0.0, self.error))


def failed_blocking_checks(
    definitions: dg.Definitions, instance: dg.DagsterInstance, key: dg.AssetKey
) -> list[dg.AssetCheckKey]:
    """Blocking checks of an asset whose newest evaluation failed with severity ERROR."""
    graph = definitions.resolve_asset_graph()
    keys = [k for k in graph.get_check_keys_for_assets({key}) if graph.get(k).blocking]
    states = check_states(instance, keys).values()
    return [
        state.key for state in states if not state.passed and state.severity == dg.AssetCheckSeverity.ERROR
    ]


def _ranges(days: Sequence[str], order: Sequence[str]) -> list[tuple[str, str]]:
    """Split days into ranges without a gap in the calendar."""
    position = {day: i for i, day in enumerate(order)}
    ranges: list[tuple[str, str]] = []
    for day in days:
        if ranges and position[day] == position[ranges[-1][1]] + 1:
            ranges[-1] = (ranges[-1][0], day)
        else:
            ranges.append((day, day))
    return ranges
