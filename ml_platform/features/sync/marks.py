"""Marks: the warehouse's own hash of a row, by which a sync sees that a row has not changed without reading it.

A mark is worth something only beside one of the same scheme: engine, version, and columns with their types. So a
state says of which scheme its marks are, and has the rows' digests besides; where schemes differ, or the
warehouse has none, whole rows are compared. Two rows of one scheme that differ in any bit (but for the
kind of a NaN) have different marks, except with probability 2^-64.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.features.sync.newest import Source
from ml_platform.warehouse.base import Warehouse, identifier

__all__ = ["Marks", "marks_of"]


@dataclass(frozen=True)
class Marks:
    """The marks of a view's rows in a warehouse: their scheme, and the SQL expression of one."""

    scheme: str
    expression: str

    def chosen(self, names: Sequence[str], keys: Sequence[tuple[Any, ...]]) -> tuple[str, list[Any]]:
        """A condition, and its parameters, that is true of the rows of many keys."""
        if not keys:
            return "FALSE", []
        columns = ", ".join(identifier(name) for name in names)
        lists = ", ".join(["unnest(?)"] * len(names))
        return f"({columns}) IN (SELECT {lists})", [list(values) for values in zip(*keys, strict=True)]


def marks_of(source: Source, warehouse: Warehouse) -> Marks | None:
    """The marks of a source's rows; None when the warehouse has none."""
    if warehouse.dialect != "duckdb":
        return None
    columns = (*source.keys, *source.features)
    hashed = [identifier(name) for name in (source.view.event_timestamp, *(c.name for c in source.keys))]
    for column in source.features:
        name = identifier(column.name)
        # DuckDB's hash of -0.0 is that of 0.0, which readers can tell apart.
        hashed += [f"{name}::VARCHAR"] if column.is_list else [name]
        hashed += [f"signbit({name})"] if column.is_float else []
    shape = hashlib.sha256(repr([(c.name, c.kind) for c in columns]).encode()).hexdigest()
    return Marks(f"duckdb {warehouse.scalar('SELECT version()')} {shape}", f"hash({', '.join(hashed)})")
