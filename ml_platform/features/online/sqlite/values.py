"""Values on their way into SQLite's four types and back."""

import array
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ml_platform.features.online.base import Key, check_key
from ml_platform.features.online.columns import Column, micros, timestamp
from ml_platform.features.online.records import Table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["decoder", "key_encoder", "quoted", "to_sql"]

_NAN = "NaN"
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()


def quoted(columns: Sequence[Column]) -> list[str]:
    """The names of columns, in quotes."""
    return [f'"{column.name}"' for column in columns]


def to_sql(column: Column, values: "pa.Array", marks: list[int | None]) -> list[Any]:
    """The values of an Arrow column as SQLite takes them.

    Args:
        column: what the values are.
        values: Arrow array of the kind's type.
        marks: one per row; set to 1 for rows in which a float is NaN.
    """
    import pyarrow as pa

    if column.is_float:
        return _floats(values, marks)
    if column.is_timestamp:
        zone = "UTC" if column.kind == "timestamp_utc" else None
        values = values.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())
    elif column.kind == "date":
        values = values.cast(pa.date32()).cast(pa.int32())
    elif column.is_decimal:
        values = values.cast(pa.string())
    elif column.is_list:
        code = "f" if column.kind == "list<float>" else "d"
        return [None if v is None else array.array(code, v).tobytes() for v in values.to_pylist()]
    elif column.kind == "bool":
        values = values.cast(pa.int8())
    if pa.types.is_integer(values.type) and not values.null_count:
        return values.to_numpy().tolist()  # type: ignore[no-any-return]
    return values.to_pylist()  # type: ignore[no-any-return]


def _floats(values: "pa.Array", marks: list[int | None]) -> list[Any]:
    import numpy as np

    numbers = values.to_numpy(zero_copy_only=False)
    nan = np.isnan(numbers)
    if not nan.any():
        return numbers.tolist()  # type: ignore[no-any-return]
    cells = numbers.tolist()
    null = values.is_null().to_numpy(zero_copy_only=False)
    for row in np.flatnonzero(nan).tolist():
        if null[row]:
            cells[row] = None
        else:
            cells[row] = _NAN
            marks[row] = 1
    return cells  # type: ignore[no-any-return]


def decoder(columns: Sequence[Column]) -> Callable[[tuple[Any, ...], int | None], tuple[Any, ...]]:
    """A function from a row's cells, and whether one is NaN, to its values."""
    special = [(i, _DECODERS[_family(c)]) for i, c in enumerate(columns) if _family(c) in _DECODERS]
    floats = [i for i, column in enumerate(columns) if column.is_float]

    def decode(cells: tuple[Any, ...], has_nan: int | None) -> tuple[Any, ...]:
        if not special and not has_nan:
            return cells
        values = list(cells)
        for i, convert in special:
            if values[i] is not None:
                values[i] = convert(values[i])
        if has_nan:
            for i in floats:
                if values[i] == _NAN:
                    values[i] = float("nan")
        return tuple(values)

    return decode


def _family(column: Column) -> str:
    return "decimal" if column.is_decimal else column.kind


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "bool": bool,
    "date": lambda days: dt.date.fromordinal(_EPOCH_DAY + days),
    "timestamp": lambda us: timestamp(us, utc=False),
    "timestamp_utc": timestamp,
    "decimal": Decimal,
    "list<float>": lambda blob: array.array("f", blob).tolist(),
    "list<double>": lambda blob: array.array("d", blob).tolist(),
}


def key_encoder(table: Table) -> Callable[[Key], tuple[Any, ...]]:
    """A function from a key, checked, to what SQLite compares.

    It raises DataError for what cannot be a key.
    """
    encoders = [_KEY_ENCODERS.get(column.kind) for column in table.keys]
    if len(table.keys) == 1 and table.keys[0].kind == "string":

        def encode_text(key: Key) -> tuple[Any, ...]:
            if type(key) is not tuple or len(key) != 1 or type(key[0]) is not str:
                check_key(table, key)
            return key

        return encode_text

    def encode(key: Key) -> tuple[Any, ...]:
        check_key(table, key)
        return tuple(v if e is None else e(v) for e, v in zip(encoders, key, strict=True))

    return encode


_KEY_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "bool": int,
    "date": lambda day: day.toordinal() - _EPOCH_DAY,
    "timestamp": micros,
    "timestamp_utc": micros,
}
