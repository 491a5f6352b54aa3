"""Brings everything that is stale up to date, in this process, wave by wave.

A wave is all that is stale, and is made from nothing that is stale or may become so. After each the staleness is
asked anew, so what turns out unchanged rebuilds nothing behind it.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import dagster as dg
from dagster import DagsterEventType
from dagster._core.errors import DagsterAssetCheckFailedError

from ml_platform.orchestration.local.home import tags_of_process
from ml_platform.orchestration.planning.calendars import Calendar, Calendars, range_tags
from ml_platform.orchestration.planning.check_states import check_states
from ml_platform.orchestration.planning.collecting import Collector, Done, Failure, Made
from ml_platform.orchestration.planning.ledger import Ledger, Partition
from ml_platform.orchestration.planning.nodes import Node, nodes_of
from ml_platform.orchestration.planning.staleness import Staleness, extend_calendars
from ml_platform.orchestration.planning.waves import Batch, Wave, batches, first_of

__all__ = ["Report", "Updater"]

_SKIPPED = Failure("", "it was skipped: something that it is built with failed")
_AGAIN = Failure(
    "", "it is stale again as soon as it is made: what it records of its inputs is not what it reads"
)
_MOST_TIMES = 3


@dataclass
class Report:
    """The result of an update.

    ``failed`` says what each asset raised, a line for each partition that could not be read; ``stopped`` is why nothing
    more was tried, and empty otherwise; ``new`` are the partitions that landed, by calendar; ``made`` is what was
    materialised of each asset.
    """

    steps: list[Done] = field(default_factory=list)
    checks: list[dg.AssetCheckEvaluation] = field(default_factory=list)
    failed: dict[dg.AssetKey, str] = field(default_factory=dict)
    waiting: dict[dg.AssetKey, str] = field(default_factory=dict)
    new: dict[str, list[str]] = field(default_factory=dict)
    run_ids: list[str] = field(default_factory=list)
    made: dict[dg.AssetKey, Made] = field(default_factory=dict)
    stopped: str = ""
    tried: Counter[Batch] = field(default_factory=Counter)

    def fail(self, key: dg.AssetKey, failure: Failure) -> None:
        """Take note of an asset that could not be made, on some partitions of it if they are many."""
        lines = [*self.failed.get(key, "").splitlines(), *failure.message.splitlines()]
        self.failed[key] = "\n".join(dict.fromkeys(lines))
        if failure.of_lock:
            self.stopped = failure.message

    @property
    def ok(self) -> bool:
        """Tell whether all is up to date: nothing failed (no step, no check but warnings), nothing waits."""
        errors = (c for c in self.checks if not c.passed and c.severity == dg.AssetCheckSeverity.ERROR)
        return not (self.failed or self.waiting or any(errors))


class Updater:
    """Plans and executes waves until nothing is stale that can be built.

    Args:
        definitions: the assets, with resources bound.
        instance: where runs are recorded.
        externals: see :func:`~ml_platform.orchestration.planning.nodes.nodes_of`.
        on_event: called with each Dagster event as it happens.
        selection: the assets that are brought up to date; None: all.
        log_level: of Dagster's log on the console; the event log has everything anyway.
    """

    def __init__(
        self,
        definitions: dg.Definitions,
        instance: dg.DagsterInstance,
        externals: Mapping[dg.AssetKey, Callable[[str], str | None]],
        on_event: Callable[[dg.DagsterEvent], None] = lambda _: None,
        *,
        selection: Collection[dg.AssetKey] | None = None,
        log_level: str = "CRITICAL",
    ) -> None:
        self._definitions = definitions
        self._instance = instance
        self._on_event = on_event
        self._run_config = {"loggers": {"console": {"config": {"log_level": log_level}}}}
        self._job = definitions.resolve_implicit_global_asset_job_def()
        assets = list(definitions.resolve_asset_graph().assets_defs)
        nodes = nodes_of(assets, externals)
        self.nodes: dict[dg.AssetKey, Node] = {
            key: node for key, node in nodes.items() if selection is None or key in selection
        }
        self._step_of = {
            key: asset.node_def.name for asset in assets if asset.is_executable for key in asset.keys
        }
        self.ledger = Ledger.of(instance)

    def staleness(self, calendars: Calendars | None = None) -> Staleness:
        """The stale assets, as of now, by calendars that were read just now or are read here."""
        self.ledger.refresh()
        return Staleness(self.nodes, self.ledger, calendars or Calendars(self._instance))

    def update(
        self,
        landed: Mapping[Calendar, Iterable[str]],
        also: Callable[[Staleness], Mapping[dg.AssetKey, frozenset[Partition]]] = lambda _: {},
    ) -> Report:
        """Bring everything up to date.

        Args:
            landed: the partitions that landed, by the calendars of their sources, which are extended by them; what is
                derived from those follows.
            also: asked once when nothing else is stale: what to build although its inputs have not changed (a due
                retraining).

        Raises:
            KeyboardInterrupt: it was interrupted, or asked to end, while a step was at work.
        """
        calendars = Calendars(self._instance)
        report = Report(new={c.name: new for c, keys in landed.items() if (new := calendars.extend(c, keys))})
        asked = False
        while True:
            if report.run_ids:
                calendars = Calendars(self._instance)
                self.ledger.refresh()
            extend_calendars(self.nodes.values(), self.ledger, calendars)
            state = self.staleness(calendars)
            wave: Wave = {
                key: partitions
                for key, partitions in state.ready.items()
                if key not in report.failed and not self._blocked(key)
            }
            if not wave and not asked and not report.stopped:
                asked = True
                due = also(state)
                wave = {
                    key: partitions
                    for key, partitions in due.items()
                    if key in self.nodes and self._may_be_made(state, key, report)
                }
            if not wave or report.stopped:
                waiting = {
                    key: self._waits_for(state, key) for key in state.stale if key not in report.failed
                }
                report.waiting = {key: reason for key, reason in waiting.items() if reason}
                self.ledger.summarise()
                return report
            wave = first_of(wave, state, self.nodes)
            for batch in batches(wave, state, self.nodes, Calendars(self._instance)):
                if not report.stopped and not self._failed_before(batch, report):
                    self._execute(batch, report)

    def _may_be_made(self, state: Staleness, key: dg.AssetKey, report: Report) -> bool:
        """Tell whether it may be built although nothing about it changed: not from what waits or failed."""
        return not (key in report.failed or state.waits_for(key, None) or self._blocked(key))

    def _failed_before(self, batch: Batch, report: Report) -> bool:
        """Tell whether earlier partitions of it, from which it reads, failed; raw ones do not read each other."""
        return any(key in report.failed and self.nodes[key].external is None for key in batch.keys)

    def _blocked(self, key: dg.AssetKey) -> list[dg.AssetKey]:
        """Upstream assets of which a blocking check failed."""
        deps = [
            dep for dep in self.nodes[key].deps if dep in self.nodes and dep not in self.nodes[key].together
        ]
        return [dep for dep in deps if failed_blocking_checks(self._definitions, self._instance, dep)]

    def _waits_for(self, state: Staleness, key: dg.AssetKey) -> str:
        before = sorted(
            {dep.to_user_string() for one in state.stale[key] for dep in state.waits_for(key, one)}
        )
        if before:
            return f"waits for {', '.join(before)}"
        blocked = ", ".join(dep.to_user_string() for dep in self._blocked(key))
        return f"is not made: a blocking check of {blocked} failed" if blocked else ""

    def _execute(self, batch: Batch, report: Report) -> None:
        report.tried[batch] += 1
        if report.tried[batch] > _MOST_TIMES:
            for key in batch.keys:
                report.fail(key, _AGAIN)
            return
        run_id = str(uuid.uuid4())
        tags = tags_of_process("ml-platform run")
        if batch.first is not None and batch.last is not None:
            tags |= range_tags(batch.first, batch.last)
        collect = Collector()

        def on_entry(entry: dg.EventLogEntry, _cursor: object = None) -> None:
            if entry.dagster_event is not None:
                collect(entry.dagster_event)
                if entry.dagster_event.event_type != DagsterEventType.STEP_FAILURE:
                    self._on_event(entry.dagster_event)

        self._instance.add_event_listener(run_id, on_entry)
        self._job.execute_in_process(
            run_config=self._run_config,
            instance=self._instance,
            asset_selection=sorted(batch.keys),
            tags=tags,
            run_id=run_id,
            raise_on_error=False,
        )
        if collect.interrupted:  # Dagster keeps it to itself, so that the next run would just begin
            raise KeyboardInterrupt
        report.run_ids.append(run_id)
        self._note(batch, collect, report)

    def _note(self, batch: Batch, collect: Collector, report: Report) -> None:
        """Take note of what a run made, and of what failed; what input data held up is tried by halves."""
        report.steps += collect.steps
        report.checks += collect.checks
        for key, made in collect.materialized.items():
            report.made.setdefault(key, Made()).join(made)
        told: set[str] = set()
        for step, (late, said) in collect.failures.items():
            keys = {key for key in batch.keys if self._step_of[key] == step}
            if keys <= collect.made and late.kind != DagsterAssetCheckFailedError.__name__:
                # All that it makes was made, and then it failed; or it makes nothing, as a step of checks.
                for key in sorted(keys or batch.keys):
                    report.fail(key, late)
                self._on_event(said)
        for key in sorted(batch.keys - collect.made):
            failure, event = collect.failures.get(self._step_of[key], (_SKIPPED, None))
            halves = self._halves(key, batch) if failure.of_data else []
            if not halves:
                report.fail(key, failure)
                if event is not None and self._step_of[key] not in told:
                    told.add(self._step_of[key])
                    self._on_event(event)
            for half in halves:
                self._execute(half, report)

    def _halves(self, key: dg.AssetKey, batch: Batch) -> list[Batch]:
        """Raw partitions of which one cannot be read are loaded by halves: one bad file does not hold up the rest."""
        if self.nodes[key].external is None or batch.calendar is None or batch.first == batch.last:
            return []
        order = Calendars(self._instance).order(batch.calendar)
        first, last = order.index(str(batch.first)), order.index(str(batch.last))
        middle = (first + last) // 2
        return [
            Batch(frozenset({key}), batch.calendar, order[a], order[b])
            for a, b in ((first, middle), (middle + 1, last))
        ]


def failed_blocking_checks(
    definitions: dg.Definitions, instance: dg.DagsterInstance, key: dg.AssetKey
) -> list[dg.AssetCheckKey]:
    """Blocking checks of an asset whose newest evaluation failed with severity ERROR."""
    graph = definitions.resolve_asset_graph()
    keys = [k for k in graph.get_check_keys_for_assets({key}) if graph.get(k).blocking]
    states = check_states(instance, keys).values()
    return [state.key for state in states if state.stops]
