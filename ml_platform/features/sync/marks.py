"""Marks: the warehouse's own hash of a row, by which a sync sees that a row has not changed without reading it.

A mark is worth something only beside one of the same scheme: engine, version, and columns with their types. So a
state says of which scheme its marks are, and has the rows' digests besides; where schemes differ, or the
warehouse has none, whole rows are compared. Two rows of one scheme that differ in any bit (but for the
kind of a NaN) have different marks, except with probability 2^-64.
"""

import hashlib
from dataclasses import dataclass

from ml_platform.features.sync.newest import Source
from ml_platform.warehouse.base import Warehouse

__all__ = ["Marks", "marks_of"]


@dataclass(frozen=True)
class Marks:
    """The marks of a view's rows in a warehouse: their scheme, and the SQL expression of one."""

    scheme: str
    expression: str


def marks_of(source: Source, warehouse: Warehouse) -> Marks | None:
    """The marks of a source's rows; None when the warehouse has none."""
    columns = (*source.keys, *source.features)
    names = dict.fromkeys((source.view.event_timestamp, *(column.name for column in columns)))
    sql = warehouse.dialect
    expression = sql.mark({name: source.types[name] for name in names})
    if expression is None:
        return None
    shape = hashlib.sha256(repr([(c.name, c.kind) for c in columns]).encode()).hexdigest()
    version = warehouse.scalar(f"SELECT {sql.mark_scheme}")
    return Marks(f"{sql.name} {version} {shape}", expression)
