"""Record batches in key order: checked, one row a key, and cut at keys."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.errors import DataError
from ml_platform.features.sync.digests import row_digests

__all__ = ["Cursor", "Entity", "first_key", "in_key_order"]

Mask = npt.NDArray[np.bool_]


@dataclass
class Entity:
    """The faults of the keys of a stream.

    Rows without a key or an event time, and entities with a tie.
    """

    incomplete: int = 0
    tied: int = 0


def first_key(batch: pa.RecordBatch, names: Sequence[str], row: int = 0) -> tuple[Any, ...]:
    """The key of one row."""
    return tuple(batch.column(name)[row].as_py() for name in names)


def in_key_order(
    batches: Iterator[pa.RecordBatch], names: Sequence[str], columns: Sequence[str], seen: Entity
) -> Iterator[pa.RecordBatch]:
    """Pass rows on, one a key; of rows that tie for newest, the one with the greatest digest.

    Rows whose key or event time is null (or an empty text, which no store can key by) are left out and
    counted.

    Raises:
        DataError: the rows are not in ascending key order.
    """
    waiting: pa.RecordBatch | None = None
    for raw in batches:
        batch = _complete(raw, names, seen)
        if not batch.num_rows:
            continue
        if waiting is not None:
            last, first = first_key(waiting, names, waiting.num_rows - 1), first_key(batch, names)
            if last > first:
                raise DataError(
                    f"rows came out of key order: {first} after {last}; the query must order by {list(names)}"
                )
            if last < first:
                yield waiting
            else:
                batch = _joined([waiting, batch])
        waiting = _untied(batch, names, columns, seen)
    if waiting is not None:
        yield waiting


def _complete(batch: pa.RecordBatch, names: Sequence[str], seen: Entity) -> pa.RecordBatch:
    usable: Mask = np.ones(batch.num_rows, bool)
    for name in (*names, "event_timestamp"):
        values = batch.column(name)
        if values.null_count:
            usable &= values.is_valid().to_numpy(zero_copy_only=False)
        if pa.types.is_string(values.type) or pa.types.is_binary(values.type):
            usable &= pc.fill_null(pc.not_equal(pc.binary_length(values), 0), fill_value=False).to_numpy(
                zero_copy_only=False
            )
    if usable.all():
        return batch
    seen.incomplete += int((~usable).sum())
    return batch.filter(pa.array(usable))


def _untied(
    batch: pa.RecordBatch, names: Sequence[str], columns: Sequence[str], seen: Entity
) -> pa.RecordBatch:
    if batch.num_rows < 2:
        return batch
    equal: Mask = np.ones(batch.num_rows - 1, bool)
    less: Mask = np.zeros(batch.num_rows - 1, bool)
    for name in names:
        before, after = batch.column(name)[:-1], batch.column(name)[1:]
        less |= equal & pc.less(before, after).to_numpy(zero_copy_only=False)
        equal &= pc.equal(before, after).to_numpy(zero_copy_only=False)
    if not (less | equal).all():
        raise DataError(f"rows came out of key order within a batch; the query must order by {list(names)}")
    if not equal.any():
        return batch
    groups = np.concatenate([[0], np.cumsum(~equal)])
    seen.tied += int((np.bincount(groups) > 1).sum())
    order = np.lexsort((row_digests(batch, columns), groups))
    last_of_group = np.append(groups[order][1:] != groups[order][:-1], True)
    return batch.take(pa.array(order[last_of_group]))


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    joined: pa.RecordBatch = pa.Table.from_batches(batches).combine_chunks().to_batches()[0]
    return joined


class Cursor:
    """A stream of batches in key order that is taken key range by key range."""

    def __init__(self, batches: Iterator[pa.RecordBatch], names: Sequence[str]) -> None:
        self.batch: pa.RecordBatch | None = None
        self.last: tuple[Any, ...] = ()
        self._batches = batches
        self._names = names

    def fill(self) -> bool:
        """Hold a batch, if there is one more; False at the end of the stream."""
        while self.batch is None:
            batch = next(self._batches, None)
            if batch is None:
                return False
            if batch.num_rows:
                self.batch = batch
                self.last = first_key(batch, self._names, batch.num_rows - 1)
        return True

    def take(self, bound: tuple[Any, ...]) -> pa.RecordBatch | None:
        """The rows held whose key is at most ``bound``; None when there are none."""
        if self.batch is None:
            return None
        if self.last <= bound:
            taken, self.batch = self.batch, None
            return taken
        low, high = 0, self.batch.num_rows
        while low < high:
            middle = (low + high) // 2
            if first_key(self.batch, self._names, middle) <= bound:
                low = middle + 1
            else:
                high = middle
        taken, self.batch = self.batch.slice(0, low), self.batch.slice(low)
        return taken if low else None
