"""Differences between a view's newest rows and what its online table holds.

Both come as streams in key order and are merged. Memory is bounded by a few batches. Matching within a batch
is vectorised.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.errors import DataError
from ml_platform.features.online.columns import micros
from ml_platform.features.sync.digests import Digests, key_codes, row_digests
from ml_platform.features.sync.sorted_batches import Cursor, Entity, in_key_order
from ml_platform.features.sync.state import ADDED, CHANGED, DELETED, SETTLED, state_schema
from ml_platform.use_case import FeatureView, SyncGuard

__all__ = ["Comparison", "Counts", "Sink", "Spread", "match_keys", "spreads_of"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass
class Counts:
    """Entities by what the sync has to do with them.

    ``known`` are those that the base held; ``known_changed`` those of them that differ. ``kept`` are entities
    of which the store has a newer event than the warehouse; they stay as they are.
    """

    rows: int = 0
    added: int = 0
    changed: int = 0
    deleted: int = 0
    unchanged: int = 0
    kept: int = 0
    known: int = 0

    @property
    def shipped(self) -> int:
        """Rows to write or delete."""
        return self.added + self.changed + self.deleted


@dataclass
class Spread:
    """The figures that a guard wants to know of one column; extremes only when it has a range."""

    ranged: bool
    nulls: int = 0
    nans: int = 0
    low: Any = None
    high: Any = None

    def see(self, values: pa.Array) -> None:
        """Take in more values."""
        self.nulls += values.null_count
        if not self.ranged:
            return
        if pa.types.is_floating(values.type):
            self.nans += pc.sum(pc.is_nan(values)).as_py() or 0
        low, high = pc.min_max(values).as_py().values()
        if low is not None:
            self.low = low if self.low is None else min(low, self.low)
            self.high = high if self.high is None else max(high, self.high)


def spreads_of(guard: SyncGuard) -> dict[str, Spread]:
    """Figures that a guard wants to know, by column, of no value yet."""
    guarded = {*guard.max_null_share, *guard.ranges}
    return {name: Spread(ranged=name in guard.ranges) for name in sorted(guarded)}


class Sink(Protocol):
    """A destination of rows."""

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows."""


@dataclass
class Comparison:
    """One pass over the warehouse's rows and the base; afterwards, what to ship and the state it leaves.

    Args:
        view: what is compared.
        key_fields: the Arrow fields of the keys, as the warehouse gives them.
        base_complete: whether the sync that wrote the base shipped all of it.
        as_of: entities whose stored event is later than this are not missed.
        changes: where rows to write go, with their ``_version``; None: only count.
        deletes: where keys to delete go, with their ``_version``.
        state: where the new state goes.
        base_recent: whether the store could still lose what that sync shipped; its rows then keep their fate,
            so that they are shipped again if this sync does not come to its end.
    """

    view: FeatureView
    key_fields: Sequence[pa.Field]
    base_complete: bool
    as_of: dt.datetime | None = None
    changes: Sink | None = None
    deletes: Sink | None = None
    state: Sink | None = None
    base_recent: bool = False
    counts: Counts = field(default_factory=Counts)
    entities: Entity = field(default_factory=Entity)
    spreads: dict[str, Spread] = field(default_factory=dict)
    newest_us: int | None = None

    def run(self, newest: Iterator[pa.RecordBatch], base: Iterator[pa.RecordBatch]) -> Iterator[int]:
        """Compare, giving the number of the warehouse's rows seen after each step.

        A column ``_mark`` of the rows goes into the state and nowhere else.

        Raises:
            DataError: the warehouse's rows are not in key order, or a list holds a null.
        """
        names = self.view.entity
        self._columns = ("event_timestamp", *self.view.features)
        self._state_schema = state_schema(self.key_fields)
        self.spreads = spreads_of(self.view.guard)
        ours = Cursor(in_key_order(newest, names, self._columns, self.entities), names)
        theirs = Cursor(base, names)
        while ours.fill() | theirs.fill():
            bound = min(cursor.last for cursor in (ours, theirs) if cursor.batch is not None)
            self._merge(ours.take(bound), theirs.take(bound))
            yield self.counts.rows

    def _merge(self, rows: pa.RecordBatch | None, base: pa.RecordBatch | None) -> None:
        if rows is None:
            if base is not None:
                self._gone(base)
            return
        self._see(rows)
        events = (
            rows.column("event_timestamp")
            .cast(pa.timestamp("us", tz=_zone(rows)))
            .cast(pa.int64())
            .to_numpy()
        )
        digests = row_digests(rows, self._columns)
        self.newest_us = max(
            int(events.max()), self.newest_us if self.newest_us is not None else int(events.max())
        )
        if base is None:
            fates = np.full(len(events), ADDED, np.int8)
            self.counts.added += len(events)
            self._ship(rows, None, events)
            self._remember([self._entries(rows, events, events, digests, fates, _marks(rows))])
            return
        match = match_keys(rows, base, self.view.entity)
        self._compare(rows, base, match, events, digests)

    def _compare(
        self, rows: pa.RecordBatch, base: pa.RecordBatch, match: Ints, events: Ints, digests: Digests
    ) -> None:
        known = match >= 0
        at = np.where(known, match, 0)
        stored = {
            name: base.column(name).to_numpy(zero_copy_only=False)[at]
            for name in ("event_us", "version", "digest", "fate")
        }
        live = base.column("live").to_numpy(zero_copy_only=False)[at] & known
        settled = self.base_complete | (stored["fate"] == SETTLED)
        same = live & (digests == stored["digest"])
        kept = live & settled & (events < stored["event_us"])
        unchanged = same & settled
        again = same & ~settled
        new = ~live | (~settled & (stored["fate"] == ADDED))
        ship = ~(kept | unchanged)
        staying = stored["fate"] if self.base_recent else np.full(len(events), SETTLED)
        fates = np.where(ship, np.where(new, ADDED, CHANGED), staying).astype(np.int8)
        higher = np.where(known, np.maximum(events, stored["version"] + 1), events)
        versions = np.where(ship & ~again, higher, stored["version"])
        entries = self._entries(
            rows,
            np.where(kept, stored["event_us"], events),
            versions,
            np.where(kept, stored["digest"], digests),
            fates,
            np.where(kept, _marks(base)[at], _marks(rows)),
        )
        counts = self.counts
        counts.known += int((live & ~new).sum())
        counts.kept += int(kept.sum())
        counts.unchanged += int(unchanged.sum())
        counts.added += int((ship & new).sum())
        counts.changed += int((ship & ~new).sum())
        self._ship(rows, ship, versions)
        missed = np.ones(base.num_rows, bool)
        missed[match[known]] = False
        rest = [] if not missed.any() else [self._departed(base.filter(pa.array(missed)))]
        self._remember([entries, *rest])

    def _gone(self, base: pa.RecordBatch) -> None:
        self._remember([self._departed(base)])

    def _departed(self, base: pa.RecordBatch) -> pa.RecordBatch:
        """The entries of entities that the warehouse does not have, and their deletion."""
        live = base.column("live").to_numpy(zero_copy_only=False)
        fate = base.column("fate").to_numpy()
        settled = self.base_complete | (fate == SETTLED)
        later = live & settled & (base.column("event_us").to_numpy() > _as_of_us(self.as_of))
        delete = ~later & (live | ~settled)
        counts = self.counts
        counts.known += int((live & (settled | (fate != ADDED))).sum())
        counts.kept += int(later.sum())
        counts.deleted += int(delete.sum())
        if self.deletes is not None and delete.any():
            doomed = base.filter(pa.array(delete))
            keys = [doomed.column(name) for name in self.view.entity]
            self.deletes.add(
                pa.RecordBatch.from_arrays([*keys, doomed.column("version")], [*self.view.entity, "_version"])
            )
        columns = {name: base.column(name) for name in self._state_schema.names if name != "_mark"}
        columns["_mark"] = pa.array(_marks(base))  # a state of an earlier release has none
        columns["live"] = pa.array(later)
        staying = fate if self.base_recent else np.full(len(fate), SETTLED)
        columns["fate"] = pa.array(np.where(delete, DELETED, staying).astype(np.int8))
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=self._state_schema)

    def _see(self, rows: pa.RecordBatch) -> None:
        self.counts.rows += rows.num_rows
        for name, spread in self.spreads.items():
            spread.see(rows.column(name))
        for name in self._columns:
            values = rows.column(name)
            if pa.types.is_nested(values.type) and values.flatten().null_count:
                raise DataError(
                    f"view {self.view.name}: a list of {name} holds a null, which no store can keep; fill it"
                )

    def _ship(self, rows: pa.RecordBatch, chosen: Mask | None, versions: Ints) -> None:
        if self.changes is None or (chosen is not None and not chosen.any()):
            return
        names = [name for name in rows.schema.names if name != "_mark"]
        columns = [rows.column(name) for name in names]
        shipped = pa.RecordBatch.from_arrays([*columns, pa.array(versions)], [*names, "_version"])
        self.changes.add(shipped if chosen is None or chosen.all() else shipped.filter(pa.array(chosen)))

    def _entries(
        self,
        rows: pa.RecordBatch,
        events: Ints,
        versions: Ints,
        digests: Digests,
        fates: npt.NDArray[np.int8],
        marks: Digests,
    ) -> pa.RecordBatch:
        keys = [rows.column(name) for name in self.view.entity]
        rest = [
            pa.array(events),
            pa.array(versions),
            pa.array(digests),
            pa.repeat(pa.scalar(value=True), len(events)),
            pa.array(fates),
            pa.array(marks),
        ]
        return pa.RecordBatch.from_arrays([*keys, *rest], schema=self._state_schema)

    def _remember(self, entries: list[pa.RecordBatch]) -> None:
        if self.state is None:
            return
        if len(entries) == 1:
            self.state.add(entries[0])
            return
        table = pa.Table.from_batches(entries).sort_by([(name, "ascending") for name in self.view.entity])
        for batch in table.combine_chunks().to_batches():
            self.state.add(batch)


def match_keys(rows: pa.RecordBatch, base: pa.RecordBatch, names: Sequence[str]) -> Ints:
    """For each row, the position of its key in ``base``, or -1."""
    ours, theirs = ([batch.column(name) for name in names] for batch in (rows, base))
    if len(ours[0]) == len(theirs[0]) and all(a.equals(b) for a, b in zip(ours, theirs, strict=True)):
        return np.arange(len(ours[0]))
    left, right = key_codes(ours, theirs)
    positions: Ints = np.full(int(max(left.max(), right.max())) + 1, -1, np.int64)
    positions[right] = np.arange(len(right))
    matched: Ints = positions[left]
    return matched


def _marks(rows: pa.RecordBatch) -> Digests:
    if "_mark" not in rows.schema.names:
        return np.zeros(rows.num_rows, np.uint64)
    marks: Digests = rows.column("_mark").to_numpy()
    return marks


def _zone(rows: pa.RecordBatch) -> str | None:
    zone: str | None = rows.schema.field("event_timestamp").type.tz
    return zone


def _as_of_us(as_of: dt.datetime | None) -> int:
    return np.iinfo(np.int64).max if as_of is None else micros(as_of)
