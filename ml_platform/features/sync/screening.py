"""The entities that a sync has to look at, found by their marks; all others are as the base says.

Two streams in key order are merged, as in :mod:`ml_platform.features.sync.comparison`, but the warehouse's is narrow:
keys, event times, marks, and what the guard judges. What is found is kept in memory, besides a byte an entity: it
is at most ``MOST`` entities, or else whole rows had better be compared.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.features.sync.comparison import Mask, Sink, Spread, match_keys, spreads_of
from ml_platform.features.sync.sorted_batches import Cursor, Entity, first_key, in_key_order
from ml_platform.features.sync.state import SETTLED
from ml_platform.use_case import FeatureView

__all__ = ["Entries", "Screening"]

MOST = 200_000


@dataclass
class Entries:
    """State entries in memory, in key order."""

    batches: list[pa.RecordBatch] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch) -> None:
        """Append entries."""
        self.batches.append(batch)


@dataclass
class Screening:
    """One pass over narrow rows and a base.

    Args:
        view: what is compared.
        base_complete: whether the sync that wrote the base shipped all of it.
        single: whether the rows are all of their relation, in which each entity is thought to have one.

    Afterwards: ``rows`` of the warehouse, ``same`` of them are as the base says; ``suspects`` are the keys of the
    others, and ``rest`` the base's entries that have to be looked at, with or without a suspect. ``possible`` is
    False when there are too many, or when entities have a tie, which only whole rows can break.
    """

    view: FeatureView
    base_complete: bool
    single: bool
    rows: int = 0
    same: int = 0
    newest_us: int | None = None
    entities: Entity = field(default_factory=Entity)
    spreads: dict[str, Spread] = field(default_factory=dict)
    suspects: list[tuple[Any, ...]] = field(default_factory=list)
    rest: list[pa.RecordBatch] = field(default_factory=list)
    possible: bool = True
    _staying: list[Mask] = field(default_factory=list)
    _looked_at: int = 0

    def run(self, narrow: Iterator[pa.RecordBatch], base: Iterator[pa.RecordBatch]) -> Iterator[int]:
        """Screen, giving the number of the warehouse's rows seen after each step."""
        names = self.view.entity
        self.spreads = spreads_of(self.view.guard)
        ours = Cursor(in_key_order(narrow, names, ("_mark",), self.entities), names)
        theirs = Cursor(base, names)
        while ours.fill() | theirs.fill():
            bound = min(cursor.last for cursor in (ours, theirs) if cursor.batch is not None)
            self._merge(ours.take(bound), theirs.take(bound))
            if self.entities.tied or (self.single and self.entities.incomplete) or self._looked_at > MOST:
                self.possible = False
                return
            yield self.rows

    def merge_into(
        self, state: Sink, base: Iterator[pa.RecordBatch], entries: Entries, *, recent: bool
    ) -> None:
        """Write the new state: the base's entries that stay, and new ``entries`` for the others.

        Args:
            state: where it goes.
            base: the same as was screened.
            entries: of the entities that were looked at, in key order.
            recent: whether entries that stay keep their fate; they are settled otherwise.
        """
        names = self.view.entity
        staying = np.concatenate(self._staying) if self._staying else np.zeros(0, bool)
        new, at = Cursor(iter(entries.batches), names), 0
        for batch in base:
            if not recent:
                settled = pa.array(np.full(batch.num_rows, SETTLED, np.int8))
                batch = batch.set_column(batch.schema.get_field_index("fate"), "fate", settled)  # noqa: PLW2901
            stays = staying[at : at + batch.num_rows]
            at += batch.num_rows
            state.add(_replaced(batch, stays, _up_to(new, first_key(batch, names, -1)), names))
        while new.fill() and new.batch is not None:
            state.add(new.batch)
            new.batch = None

    def _merge(self, rows: pa.RecordBatch | None, base: pa.RecordBatch | None) -> None:
        known = same = np.zeros(0, bool)
        at: npt.NDArray[np.int64] = np.zeros(0, np.int64)
        if rows is not None:
            self._see(rows)
            known = same = np.zeros(rows.num_rows, bool)
        if base is not None:
            live, settled = _flags(base, self.base_complete)
            staying = ~live & settled
            if rows is not None:
                match = match_keys(rows, base, self.view.entity)
                known, at = match >= 0, np.where(match >= 0, match, 0)
                marks = base.column("_mark").to_numpy()
                same = known & (live & settled)[at] & (marks[at] == rows.column("_mark").to_numpy())
                staying[at[known]] = same[known]
            self._staying.append(staying)
            self._look_at(base, ~staying)
        if rows is not None:
            self.same += int(same.sum())
            suspects = rows.filter(pa.array(~same))
            columns = [suspects.column(name).to_pylist() for name in self.view.entity]
            self.suspects.extend(zip(*columns, strict=True))
            self._looked_at += suspects.num_rows

    def _look_at(self, base: pa.RecordBatch, chosen: Mask) -> None:
        if chosen.any():
            self.rest.append(base.filter(pa.array(chosen)))
            self._looked_at += self.rest[-1].num_rows

    def _see(self, rows: pa.RecordBatch) -> None:
        self.rows += rows.num_rows
        newest = int(rows.column("event_timestamp").cast(pa.int64()).to_numpy().max())
        self.newest_us = newest if self.newest_us is None else max(newest, self.newest_us)
        for name, spread in self.spreads.items():
            spread.see(rows.column(name))


def _flags(base: pa.RecordBatch, complete: bool) -> tuple[Mask, Mask]:
    live = base.column("live").to_numpy(zero_copy_only=False)
    return live, complete | (base.column("fate").to_numpy() == SETTLED)


def _up_to(entries: Cursor, bound: tuple[Any, ...]) -> list[pa.RecordBatch]:
    found = []
    while entries.fill() and (part := entries.take(bound)) is not None:
        found.append(part)
    return found


def _replaced(
    batch: pa.RecordBatch, stays: Mask, entries: list[pa.RecordBatch], names: tuple[str, ...]
) -> pa.RecordBatch:
    """The entries that stay and new ones, in key order."""
    if not entries:
        return batch.filter(pa.array(stays))
    new = pa.Table.from_batches(entries)
    old_keys = pa.Table.from_batches([batch.select(list(names))]).filter(pa.array(~stays))
    both = pa.Table.from_batches([batch, *(entry.cast(batch.schema) for entry in entries)])
    if new.select(list(names)).equals(old_keys):  # each takes the place of one, which spares sorting
        order = np.arange(batch.num_rows)
        order[~stays] = batch.num_rows + np.arange(new.num_rows)
        merged = both.take(pa.array(order))
    else:
        chosen = np.append(stays, np.ones(new.num_rows, bool))
        merged = both.filter(pa.array(chosen)).sort_by([(name, "ascending") for name in names])
    joined: pa.RecordBatch = merged.combine_chunks().to_batches()[0]
    return joined
