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
        return not self.failed and not any(c.blocking and not c.passed and c.severity == dg.AssetCheckSeverity.ERROR for c in self.checks)


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
    """

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        externals: Mapping[dg.AssetKey, Callable[[str], str | None]],
        on_event: Callable[[dg.DagsterEvent], None] = lambda _: None,
    ) -> None:
        self._definitions = definitions
        self._instance = instance
        self._on_event = on_event
        self._job = definitions.resolve_implicit_global_asset_job_def()
        self.nodes: dict[dg.AssetKey, Node] = nodes_of(list(definitions.resolve_asset_graph().assets_defs), externals)
        self.ledger = Ledger(instance)

    def staleness(self) -> Staleness:
        """What is stale now."""
        return Staleness(self.nodes, self.ledger, calendar(self._instance))

    def update(self, days: Iterable[date], also: Callable[[Staleness], Mapping[dg.AssetKey, frozenset[Day]]] = lambda _: {}) -> Report:
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
            wave = self._wave(state, state.stale, report)
            if not wave and not asked:
                asked = True
                wave = dict(also(state))
            if not wave:
                report.waiting = {
                    key: self._waits_for(state, key, report) for key in state.stale if key not in report.failed
                }
                return report
            for batch in self._batches(wave):
                self._execute(batch, report)

    def _wave(self, state: Staleness, stale: Mapping[dg.AssetKey, frozenset[Day]], report: Report) -> dict[dg.AssetKey, frozenset[Day]]:
        return {key: days for key, days in stale.items() if key not in report.failed and not self._waits_for(state, key, report)}

    def _waits_for(self, state: Staleness, key: dg.AssetKey, report: Report) -> str:
        node = self.nodes[key]
        if blocked := sorted(state.blocked_by(key)):
            return f"waits for {', '.join(k.to_user_string() for k in blocked)}"
        failed = sorted({dep for dep in node.deps if dep in report.failed or self._is_blocked(dep)})
        return f"a blocking check of {', '.join(k.to_user_string() for k in failed)} failed" if failed else ""

    def _is_blocked(self, key: dg.AssetKey) -> bool:
        return key in self.nodes and bool(failed_blocking_checks(self._definitions, self._instance, key))

    def _batches(self, wave: Mapping[dg.AssetKey, frozenset[Day]]) -> list[_Batch]:
        """Group a wave into runs: what has no days is one; assets with the same days are one for each range of days."""
        together: dict[frozenset[dg.AssetKey], set[Day]] = defaultdict(set)
        for key, days in wave.items():
            together[self.nodes[key].together & frozenset(wave)] |= days
        by_days: dict[frozenset[Day], set[dg.AssetKey]] = defaultdict(set)
        for keys, days in together.items():
            by_days[frozenset(days)] |= keys
        order = calendar(self._instance)
        batches = []
        for days, keys in by_days.items():
            if None in days:
                batches.append(_Batch(frozenset(keys), None, None))
            else:
                batches += [_Batch(frozenset(keys), first, last) for first, last in _ranges([d for d in order if d in days], order)]
        return sorted(batches, key=lambda b: (b.first or "", sorted(b.keys)))

    def _execute(self, batch: _Batch, report: Report) -> None:
        run_id = str(uuid.uuid4())
        tags = {PROCESS_TAG: process_tag() or ""}
        if batch.first is not None and batch.last is not None:
            tags |= {_RANGE_START: batch.first, _RANGE_END: batch.last}
        collect = _Collector(report, batch, self._job)

        def on_entry(entry: dg.EventLogEntry, _cursor: object = None) -> None:
            if entry.dagster_event is not None:
                collect(entry.dagster_event)
                self._on_event(entry.dagster_event)

        self._instance.add_event_listener(run_id, on_entry)
        result = self._job.execute_in_process(
            instance=self._instance, asset_selection=sorted(batch.keys), tags=tags, run_id=run_id, raise_on_error=False
        )
        report.run_ids.append(run_id)
        if not result.success:
            collect.failed(sorted(batch.keys))


class _Collector:
    """Gathers from a run's events what a report needs."""

    def __init__(self, report: Report, batch: _Batch, job: dg.JobDefinition) -> None:
        self._report = report
        self._batch = batch
        self._done: dict[dg.AssetKey, int] = defaultdict(int)
        self._by_step: dict[str, set[dg.AssetKey]] = defaultdict(set)

    def __call__(self, event: dg.DagsterEvent) -> None:
        step = event.step_key or ""
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            self._done[event.asset_key] += 1
            self._by_step[step].add(event.asset_key)
        elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            self._report.checks.append(event.asset_check_evaluation_data)
        elif event.event_type == DagsterEventType.STEP_SUCCESS:
            keys = tuple(sorted(self._by_step[step]))
            days = max((self._done[key] for key in keys), default=0)
            self._report.steps.append(Done(keys, days, event.step_success_data.duration_ms / 1000))
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            error = event.step_failure_data.error
            cause = error
            while cause and cause.cause:
                cause = cause.cause
            self._report.steps.append(Done(tuple(sorted(self._by_step[step])), 0, 0.0, cause.message.strip() if cause else step))

    def failed(self, keys: Sequence[dg.AssetKey]) -> None:
        """Note, for each asset of the batch that was not written, why."""
        errors = [step.error for step in self._report.steps if step.error]
        for key in keys:
            if not self._done[key]:
                self._report.failed[key] = errors[-1] if errors else "the run failed"


def failed_blocking_checks(definitions: dg.Definitions, instance: dg.DagsterInstance, key: dg.AssetKey) -> list[dg.AssetCheckKey]:
    """Blocking checks of an asset whose newest evaluation failed with severity ERROR."""
    graph = definitions.resolve_asset_graph()
    keys = [k for k in graph.get_check_keys_for_assets({key}) if graph.get(k).blocking]
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys) if keys else {}
    failed = []
    for check_key, record in records.items():
        evaluation = record.event.dagster_event.asset_check_evaluation_data if record.event and record.event.dagster_event and record.event.dagster_event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION else None
        if evaluation and not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            failed.append(check_key)
    return failed


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
