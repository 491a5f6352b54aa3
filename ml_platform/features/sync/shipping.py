"""Shipping the differences of a view to its online table; see :mod:`ml_platform.features.sync.run`."""

import contextlib
import datetime as dt
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.errors import ConflictError, StoreUnavailableError
from ml_platform.features.online.base import OnlineStore, Shipment
from ml_platform.features.online.columns import micros
from ml_platform.features.online.records import Completed, Mark, Record
from ml_platform.features.sync.comparison import Comparison
from ml_platform.features.sync.differences import Spool
from ml_platform.features.sync.pace import Pace
from ml_platform.features.sync.plan import Plan, apply_plan
from ml_platform.features.sync.state import state_key
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import FeatureView

__all__ = ["Shipping"]

ATTEMPTS = 3
PAUSE_CHECK_SECONDS = 1.0
PROGRESS_SECONDS = 5.0
LONGEST_LIFETIME_SECONDS = 20 * 365 * 86_400 - 1  # what Cassandra takes
SPARE_LIFETIME_SECONDS = 86_400  # servers count whole seconds, each by a clock of its own


class _RecordLostError(Exception):
    """A server crashed and lost the record that this sync had begun."""


class Shipping:
    """One sync's writes, from the state that it means to leave to the record that it is complete."""

    def __init__(
        self,
        view: FeatureView,
        store: OnlineStore,
        states: ObjectStore,
        plan: Plan,
        comparison: Comparison,
        spool: Spool,
        progress: Callable[[str], None],
    ) -> None:
        now = dt.datetime.now(dt.UTC)
        self._id = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        self._view = view
        self._store = store
        self._states = states
        self._plan = plan
        self._comparison = comparison
        self._spool = spool
        self._progress = progress
        ttl = plan.table.ttl_seconds if store.forgets else None
        self._table = replace(plan.table, state=self._id, complete=False, ttl_seconds=ttl)
        self._mark: Mark | None = None
        self._pause_seen_at = 0.0
        self._progress_at = time.monotonic()

    def run(self, pace: Pace) -> bool:
        """Ship; False when the view was paused before the end.

        Rows are shipped again when a server was restarted meanwhile: it may have lost what it had
        acknowledged.

        Raises:
            ConflictError: another sync took over.
            StoreUnavailableError: the store failed, or its servers kept restarting.
        """
        if self._paused():
            return False
        self._states.write(
            state_key(self._store.name, self._view.name, self._id), self._spool.state.rewound()
        )
        apply_plan(self._store, self._plan)
        for _ in range(ATTEMPTS):
            self._mark = self._store.mark()
            self._update(self._begun)
            try:
                if not self._ship(pace):
                    return False
                if not self._restarted():
                    self._update(self._done)
                    if not self._restarted():
                        self._forget_old_states()
                        return True
            except _RecordLostError:
                pass
            if self._comparison.base_recent:
                break  # what the last sync shipped may be lost as well; the next one ships both again
        self._mark = self._store.mark()
        self._update(self._begun)
        raise StoreUnavailableError(
            f"servers were restarted while view {self._view.name} was synced, and may have lost what they had"
            " acknowledged; sync again, which ships it again"
        )

    def _restarted(self) -> bool:
        return self._mark is not None and not self._mark.stood(self._store.mark())

    def _ship(self, pace: Pace) -> bool:
        total, shipped = self._spool.changes.rows + self._spool.deletes.rows, 0
        for file, write in ((self._spool.changes, self._put), (self._spool.deletes, self._remove)):
            for batch in file.read():
                for start in range(0, batch.num_rows, pace.batch_rows):
                    if self._paused():
                        return False
                    part = batch.slice(start, pace.batch_rows)
                    pace.write(part.num_rows, lambda part=part, write=write: write(part))  # type: ignore[misc]
                    shipped += part.num_rows
                    self._tell(shipped, total)
        return True

    def _put(self, part: pa.RecordBatch) -> None:
        versions = part.column("_version").to_numpy()
        self._store.put(
            self._table, Shipment(part.drop_columns(["_version"]), versions, self._lifetimes(part))
        )

    def _remove(self, part: pa.RecordBatch) -> None:
        self._store.remove(self._table, part.drop_columns(["_version"]), part.column("_version").to_numpy())

    def _lifetimes(self, part: pa.RecordBatch) -> npt.NDArray[np.int64] | None:
        """Seconds that each row is of use, at the newest event's time.

        Expiry itself is judged when reading.
        """
        if self._view.ttl is None:
            return None
        clock_us = min(micros(dt.datetime.now(dt.UTC)), self._comparison.newest_us or 0)
        events: npt.NDArray[np.int64] = part.column("event_timestamp").cast(pa.int64()).to_numpy()
        left = events // 1_000_000 + int(self._view.ttl.total_seconds()) - clock_us // 1_000_000
        left = np.maximum(left, 0) + SPARE_LIFETIME_SECONDS
        lifetimes: npt.NDArray[np.int64] = np.minimum(left, LONGEST_LIFETIME_SECONDS)
        return lifetimes

    def _begun(self, record: Record) -> Record:
        there = record.building if self._plan.builds else record.serving
        if there is not None and there.name == self._table.name:
            self._check_state(there.state, {self._plan.table.state, self._id})
        if not self._plan.builds:
            return replace(record, serving=self._table)
        abandoned = () if there is None or there.name == self._table.name else (there.name,)
        return replace(record, building=self._table, retired=(*record.retired, *abandoned))

    def _check_ours(self, record: Record) -> None:
        """Raise if the record does not say that this sync is under way."""
        table = record.building if self._plan.builds else record.serving
        state = table.state if table is not None and table.name == self._table.name else ""
        if state != self._id and self._restarted():
            raise _RecordLostError
        self._check_state(state, {self._id})

    def _check_state(self, state: str, expected: set[str]) -> None:
        if state not in expected:
            raise ConflictError(
                f"another sync of view {self._view.name} took over from this one, which had lost contact"
                " with the"
                " store; nothing is wrong with the rows, and that one completes them"
            )

    def _done(self, record: Record) -> Record:
        self._check_ours(record)
        counts = self._comparison.counts
        newest = self._comparison.newest_us
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        last = Completed(self._id, now, counts.rows, newest)
        table = replace(self._table, complete=True, mark=self._store.mark())
        if not self._plan.builds:
            return replace(record, serving=table, last=last)
        retired = (*record.retired, record.serving.name) if record.serving else record.retired
        return replace(record, serving=table, building=None, retired=retired, last=last)

    def _update(self, change: Callable[[Record], Record]) -> None:
        while True:
            record = self._store.record(self._view.name)
            changed = change(record)
            with contextlib.suppress(
                ConflictError
            ):  # somebody paused the view, or dropped its retired tables
                self._store.replace_record(record, changed)
                return

    def _paused(self) -> bool:
        if time.monotonic() - self._pause_seen_at < PAUSE_CHECK_SECONDS:
            return False
        self._pause_seen_at = time.monotonic()
        record = self._store.record(self._view.name)
        if self._mark is not None:
            self._check_ours(record)
        return record.paused

    def _tell(self, shipped: int, total: int) -> None:
        if time.monotonic() - self._progress_at > PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            self._progress(f"view {self._view.name}: shipped {shipped} of {total} rows")

    def _forget_old_states(self) -> None:
        keep = state_key(self._store.name, self._view.name, self._id)
        folder = state_key(self._store.name, self._view.name, "").removesuffix(".arrow")
        for info in list(self._states.list(folder)):
            if info.key != keep:
                self._states.delete(info.key)
