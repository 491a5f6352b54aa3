"""Comparing a view with its online table, and shipping the difference.

See :mod:`ml_platform.features.sync`.
"""

import contextlib
import datetime as dt
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.errors import ConflictError
from ml_platform.features.comparison import Comparison
from ml_platform.features.newest import Source
from ml_platform.features.online.base import Completed, OnlineStore, Record, Shipment
from ml_platform.features.online.columns import micros
from ml_platform.features.pace import Pace
from ml_platform.features.schema_plan import Plan, apply_plan
from ml_platform.features.sync_state import RowFile, open_state, state_key, state_schema
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.base import Warehouse

__all__ = ["Shipping", "Spool", "compare", "open_base"]

PAUSE_CHECK_SECONDS = 1.0
PROGRESS_SECONDS = 5.0
LONGEST_LIFETIME_SECONDS = 20 * 365 * 86_400 - 1  # what Cassandra takes


class Spool:
    """What a comparison found, on local disk, so that the warehouse need not be held while it is shipped."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def open(self, rows: pa.Schema, entity: tuple[str, ...]) -> None:
        """Make the files: for rows of this schema, of which ``entity`` are the keys."""
        keys = [rows.field(name) for name in entity]
        version = pa.field("_version", pa.int64())
        self.changes = self._stack.enter_context(RowFile(pa.schema([*rows, version])))
        self.deletes = self._stack.enter_context(RowFile(pa.schema([*keys, version])))
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ml-platform-")))
        self.state_path = folder / "state.arrow"
        self.state = self._stack.enter_context(RowFile.named(state_schema(keys), self.state_path))

    def finish(self) -> None:
        """Make what was added readable."""
        for file in (self.changes, self.deletes, self.state):
            file.finish()

    @property
    def bytes(self) -> int:
        """Bytes of the rows to ship."""
        return self.changes.bytes + self.deletes.bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@contextlib.contextmanager
def open_base(store: OnlineStore, states: ObjectStore, plan: Plan) -> Iterator[Iterator[pa.RecordBatch]]:
    """What the table of a plan holds, as far as is known: the state of the sync that last began on it."""
    if not plan.table.state:
        yield iter(())
        return
    with open_state(states, state_key(store.name, plan.view, plan.table.state)) as batches:
        yield batches


def compare(
    source: Source,
    warehouse: Warehouse,
    base: Iterator[pa.RecordBatch],
    base_complete: bool,
    *,
    as_of: dt.datetime | None = None,
    spool: Spool | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compare a view's newest rows with a base; the differences go to ``spool`` when there is one."""
    view = source.view
    sql, parameters = source.newest(as_of)
    told = time.monotonic()
    with warehouse.read(sql, parameters) as reader:
        schema = plain_schema(reader.schema)
        keys = [schema.field(name) for name in view.entity]
        comparison = Comparison(view, keys, base_complete, as_of)
        if spool is not None:
            spool.open(schema, view.entity)
            comparison.changes, comparison.deletes, comparison.state = (
                spool.changes,
                spool.deletes,
                spool.state,
            )
        for rows in comparison.run((batch.cast(schema) for batch in reader), base):
            if time.monotonic() - told > PROGRESS_SECONDS:
                progress(f"view {view.name}: compared {rows} entities")
                told = time.monotonic()
    if spool is not None:
        spool.finish()
    return comparison


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with microsecond UTC timestamps for event times, and each text type as plain text."""
    fields = []
    for field in schema:
        kind = field.type
        if field.name == "event_timestamp" and pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", tz="UTC")
        elif pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind):
            kind = pa.string()
        elif pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
            kind = pa.binary()
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)


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
        self._table = replace(plan.table, state=self._id, complete=False)
        self._pause_seen_at = 0.0
        self._progress_at = time.monotonic()

    def run(self, pace: Pace) -> bool:
        """Ship; False when the view was paused before the end."""
        if self._paused():
            return False
        self._states.write(state_key(self._store.name, self._view.name, self._id), self._spool.state_path)
        apply_plan(self._store, self._plan)
        self._update(self._begun)
        if not self._ship(pace):
            return False
        self._update(self._done)
        self._forget_old_states()
        return True

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
        lifetimes: npt.NDArray[np.int64] = np.clip(left, 1, LONGEST_LIFETIME_SECONDS)
        return lifetimes

    def _begun(self, record: Record) -> Record:
        if not self._plan.builds:
            return replace(record, serving=self._table)
        abandoned = record.building is not None and record.building.name != self._table.name
        retired = (*record.retired, record.building.name) if abandoned and record.building else record.retired
        return replace(record, building=self._table, retired=retired)

    def _done(self, record: Record) -> Record:
        counts = self._comparison.counts
        newest = self._comparison.newest_us
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        last = Completed(self._id, now, counts.rows, newest)
        table = replace(self._table, complete=True)
        if not self._plan.builds:
            return replace(record, serving=table, last=last)
        retired = (*record.retired, record.serving.name) if record.serving else record.retired
        return replace(record, serving=table, building=None, retired=retired, last=last)

    def _update(self, change: Callable[[Record], Record]) -> None:
        while True:
            record = self._store.record(self._view.name)
            with contextlib.suppress(
                ConflictError
            ):  # somebody paused the view, or dropped its retired tables
                self._store.replace_record(record, change(record))
                return

    def _paused(self) -> bool:
        if time.monotonic() - self._pause_seen_at < PAUSE_CHECK_SECONDS:
            return False
        self._pause_seen_at = time.monotonic()
        return self._store.record(self._view.name).paused

    def _tell(self, shipped: int, total: int) -> None:
        if time.monotonic() - self._progress_at > PROGRESS_SECONDS:
            self._progress_at = time.monotonic()
            self._progress(f"view {self._view.name}: shipped {shipped} of {total} rows")

    def _forget_old_states(self) -> None:
        keep = state_key(self._store.name, self._view.name, self._id)
        for info in list(
            self._states.list(state_key(self._store.name, self._view.name, "").removesuffix(".arrow"))
        ):
            if info.key != keep:
                self._states.delete(info.key)
