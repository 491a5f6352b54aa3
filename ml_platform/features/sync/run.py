"""Syncs: what a feature view's model says now, shipped to the online store by difference.

A sync compares the newest row of each entity with what the last one left
(:mod:`ml_platform.features.sync.state`), judges the view's guard, and only then writes, in this order: the
state it means to leave; in the store's record, that this is under way; the rows; that it is complete. Killed
at any instant, the next sync ships what may be missing. It is the store's record alone that says which state
holds, so a store that was lost or restored from a backup is noticed, and filled anew in a table of its own.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from ml_platform.checks import CheckOutcome
from ml_platform.errors import CheckFailedError
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.columns import micros
from ml_platform.features.online.records import Record, Table
from ml_platform.features.sync.differences import Spool, compare, open_base
from ml_platform.features.sync.guards import guard_outcomes
from ml_platform.features.sync.newest import Source, source_of
from ml_platform.features.sync.pace import Pace
from ml_platform.features.sync.parity import parity
from ml_platform.features.sync.plan import Plan, plan_schema
from ml_platform.features.sync.shipping import Shipping
from ml_platform.features.sync.state import state_key
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.base import Warehouse

__all__ = ["SyncRefusedError", "SyncResult", "parity", "plan_sync", "preconditions", "sync_view"]

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]


class SyncRefusedError(CheckFailedError):
    """A precondition failed and nothing was shipped; ``outcomes`` are all of them."""

    def __init__(self, message: str, outcomes: list[CheckOutcome]) -> None:
        super().__init__(message)
        self.outcomes = outcomes


@dataclass(frozen=True)
class SyncResult:
    """The outcome of a sync.

    ``rows`` are the entities compared; ``kept`` those of which the store has a newer event than the
    warehouse. Staleness is how far the newest event online lies behind the end of the data (or
    the newest event of the warehouse), in seconds; None when there was none. Unless ``completed``, the view
    was paused: the next sync goes on.
    """

    view: str
    plan: str
    rows: int
    added: int
    changed: int
    deleted: int
    unchanged: int
    kept: int
    bytes: int
    seconds: float
    staleness_before: float | None
    staleness_after: float | None
    completed: bool
    checks: tuple[CheckOutcome, ...] = ()

    @property
    def shipped(self) -> int:
        """Rows written or deleted."""
        return self.added + self.changed + self.deleted

    @property
    def rows_per_second(self) -> float:
        """Rows shipped a second of the whole sync."""
        return self.shipped / self.seconds if self.seconds else 0.0


def plan_sync(
    view: FeatureView, warehouse: Warehouse, store: OnlineStore, states: ObjectStore, *, full: bool = False
) -> Plan:
    """Plan what a sync would do to the view's tables, without doing it. Raises as :func:`sync_view`."""
    return _plan(store, states, store.record(view.name), source_of(view, warehouse), full=full)


def preconditions(
    view: FeatureView,
    warehouse: Warehouse,
    store: OnlineStore,
    states: ObjectStore,
    *,
    data_end: dt.datetime | None = None,
    as_of: dt.datetime | None = None,
) -> list[CheckOutcome]:
    """Compute the preconditions of a sync and ship nothing.

    :func:`sync_view` computes them too, in its one pass.
    """
    record, source = store.record(view.name), source_of(view, warehouse)
    plan = _plan(store, states, record, source, full=False)
    with open_base(store, states, plan) as base:
        comparison = compare(source, warehouse, base, as_of=as_of)
    return guard_outcomes(view, record, comparison, data_end)


def sync_view(
    view: FeatureView,
    warehouse: Warehouse,
    store: OnlineStore,
    states: ObjectStore,
    *,
    as_of: dt.datetime | None = None,
    data_end: dt.datetime | None = None,
    full: bool = False,
    override: Collection[str] = (),
    rows_per_second: float | None = None,
    lock_timeout_seconds: float = 300.0,
    progress: Progress = logger.info,
) -> SyncResult:
    """Make the online store hold the newest row of each entity of the view.

    Entities that the warehouse no longer has are deleted. An entity of which the store has a newer event is
    left as it is. When nothing differs, nothing is written. Syncs of one view take turns.

    Args:
        view: what to sync.
        warehouse: that holds its relation; held only while the rows are compared, not while they are shipped.
        store: to sync to.
        states: where the states of syncs are kept; the same for every sync to this store.
        as_of: take only rows that had happened and were available at this moment (with a zone); None: all.
        data_end: end of the data (UTC), which freshness and staleness are measured against.
        full: fill a new table with everything, and switch to it; makes the store equal to the warehouse
            whatever it holds, older events included.
        override: names of preconditions that may fail in this run.
        rows_per_second: most rows to write a second; None: as fast as the store takes them well.
        lock_timeout_seconds: how long to wait for another sync of this view.
        progress: told what happens.

    Raises:
        SyncRefusedError: a precondition failed; nothing was shipped.
        LockTimeoutError: another sync of this view did not end in time.
        NotFoundError: there is no such relation.
        SchemaMismatchError: the relation has not the columns that the view needs, or of types that cannot be
            kept.
        StoreUnavailableError: the store failed; what was shipped stays, and the next sync ships the rest.
    """
    started = time.monotonic()
    with store.lock(view.name, lock_timeout_seconds), Spool() as spool:
        with warehouse.session():
            record, source = store.record(view.name), source_of(view, warehouse)
            plan = _plan(store, states, record, source, full=full)
            progress(plan.sentence)
            with open_base(store, states, plan) as base:
                comparison = compare(source, warehouse, base, as_of=as_of, spool=spool, progress=progress)
        outcomes = guard_outcomes(view, record, comparison, data_end)
        _refuse(view, outcomes, override)
        counts = comparison.counts
        settled = plan.action == "none" and plan.table.complete and not counts.shipped
        completed = settled or Shipping(view, store, states, plan, comparison, spool, progress).run(
            Pace(rows_per_second)
        )
    before, after = record.last.newest_us if record.last else None, comparison.newest_us
    result = SyncResult(
        view.name, plan.sentence,
        counts.rows, counts.added, counts.changed, counts.deleted, counts.unchanged, counts.kept,
        spool.bytes, time.monotonic() - started,
        _staleness(before, data_end, after), _staleness(after if completed else before, data_end, after),
        completed, tuple(outcomes),
    )  # fmt: skip
    progress(_summary(result))
    return result


def _plan(store: OnlineStore, states: ObjectStore, record: Record, source: Source, *, full: bool) -> Plan:
    def known(table: Table) -> bool:
        return bool(table.state) and states.stat(state_key(store.name, record.view, table.state)) is not None

    if record.building is not None and not known(record.building):
        record = replace(record, building=None, retired=(*record.retired, record.building.name))
    reason = "a full sync was asked for" if full else ""
    if record.serving is not None and not known(record.serving):
        reason = "there is no state of its last sync, so what it holds is not known"
    return plan_schema(record, source, rebuild=reason)


def _refuse(view: FeatureView, outcomes: list[CheckOutcome], override: Collection[str]) -> None:
    failed = [outcome for outcome in outcomes if not outcome.passed and outcome.name not in override]
    if failed:
        reasons = "; ".join(f"{outcome.name}: {outcome.description}" for outcome in failed)
        raise SyncRefusedError(f"view {view.name} was not synced, nothing was shipped: {reasons}", outcomes)


def _staleness(newest_us: int | None, data_end: dt.datetime | None, warehouse_us: int | None) -> float | None:
    if newest_us is None:
        return None
    measure = warehouse_us if warehouse_us is not None else newest_us
    if data_end is not None:
        measure = micros(data_end)
    return (measure - newest_us) / 1e6


def _summary(result: SyncResult) -> str:
    if not result.completed:
        return f"view {result.view}: paused; the next sync after it is resumed goes on"
    if not result.shipped:
        return f"view {result.view}: {result.rows} entities, nothing changed"
    return (
        f"view {result.view}: {result.added} added, {result.changed} changed, {result.deleted} deleted,"
        f" {result.unchanged} unchanged, in {result.seconds:.1f} s"
    )
