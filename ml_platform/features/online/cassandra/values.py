"""Values on their way into CQL's types and back.

A point in time is kept as a ``bigint`` of microseconds: CQL's own ``timestamp`` has milliseconds only. Lists
are frozen, so that an empty one is not null.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from cassandra.cqltypes import DecimalType
from cassandra.util import Date

from ml_platform.features.online.base import Key, check_key
from ml_platform.features.online.columns import Column, micros, timestamp
from ml_platform.features.online.records import Table

__all__ = ["can_be_stored", "cells", "cql_type", "decoder", "impossible_keys", "key_encoder"]

LONGEST_KEY_BYTES = 65_535

_TYPES = {
    "bool": "boolean", "int8": "tinyint", "int16": "smallint", "int32": "int", "int64": "bigint",
    "float": "float", "double": "double", "string": "text", "binary": "blob", "date": "date",
    "timestamp": "bigint", "timestamp_utc": "bigint",
    "list<float>": "frozen<list<float>>", "list<double>": "frozen<list<double>>",
}  # fmt: skip

_WIRE = {
    "bool": "u1", "int8": ">i1", "int16": ">i2", "int32": ">i4", "int64": ">i8", "timestamp": ">i8",
    "timestamp_utc": ">i8", "float": ">f4", "double": ">f8", "date": ">u4",
}  # fmt: skip

_DATE_ZERO = 2**31  # CQL counts days from there, unsigned


def cql_type(column: Column) -> str:
    """The CQL type of a column."""
    return "decimal" if column.is_decimal else _TYPES[column.kind]


def cells(column: Column, values: pa.Array) -> list[bytes | None]:
    """The values of an Arrow column as the protocol carries them; columns of fixed width in one go."""
    if (wire := _WIRE.get(column.kind)) is not None:
        whole = _numbers(column, values).astype(wire).tobytes()
        width = np.dtype(wire).itemsize
        found: list[bytes | None] = [whole[i : i + width] for i in range(0, len(whole), width)]
    elif column.kind == "string":
        found = values.cast(pa.binary()).to_pylist()
    elif column.kind == "binary":
        found = values.to_pylist()
    elif column.is_decimal:
        found = [None if v is None else DecimalType.serialize(v, 4) for v in values.to_pylist()]
    else:
        found = _lists(column, values)
    if values.null_count:
        for row in np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)).tolist():
            found[row] = None
    return found


def _numbers(column: Column, values: pa.Array) -> np.ndarray[Any, Any]:
    if column.is_timestamp:
        zone = "UTC" if column.kind == "timestamp_utc" else None
        values = values.cast(pa.timestamp("us", tz=zone)).cast(pa.int64())
    elif column.kind == "date":
        days: np.ndarray[Any, Any] = _integers(values.cast(pa.date32()).cast(pa.int32())) + _DATE_ZERO
        return days
    elif column.kind == "bool":
        values = values.cast(pa.int8())
    if column.is_float:
        floats: np.ndarray[Any, Any] = values.to_numpy(zero_copy_only=False)
        return floats
    return _integers(values)


def _integers(values: pa.Array) -> np.ndarray[Any, Any]:
    whole: np.ndarray[Any, Any] = values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return whole


def _lists(column: Column, values: pa.Array) -> list[bytes | None]:
    items = values.flatten()
    wire = np.dtype(">f4" if column.kind == "list<float>" else ">f8")
    framed = np.empty(len(items), np.dtype([("size", ">i4"), ("value", wire)]))
    framed["size"] = wire.itemsize
    framed["value"] = items.to_numpy(zero_copy_only=False)
    whole, step = framed.tobytes(), framed.dtype.itemsize
    found: list[bytes | None] = []
    start = 0
    for length in pc.fill_null(pc.list_value_length(values), 0).to_pylist():
        end = start + length * step
        found.append(length.to_bytes(4, "big") + whole[start:end])
        start = end
    return found


def decoder(columns: Sequence[Column]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """A function from what the driver gives for some columns to their values."""
    special = [(i, convert) for i, column in enumerate(columns) if (convert := _DECODERS.get(column.kind))]
    if not special:
        return lambda row: row

    def decode(row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = list(row)
        for i, convert in special:
            if values[i] is not None:
                values[i] = convert(values[i])
        return tuple(values)

    return decode


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "date": Date.date,
    "timestamp": lambda us: timestamp(us, utc=False),
    "timestamp_utc": timestamp,
    "list<float>": list,
    "list<double>": list,
}


def key_encoder(table: Table) -> Callable[[Key], tuple[Any, ...]]:
    """A function from a key, checked, to what the driver binds.

    It raises DataError for what cannot be a key.
    """
    if [column.kind for column in table.keys] == ["string"]:

        def encode_text(key: Key) -> tuple[Any, ...]:
            plain = type(key) is tuple and len(key) == 1 and type(key[0]) is str and key[0].isascii()
            if not plain:
                check_key(table, key)
            return key

        return encode_text

    encoders = [micros if column.is_timestamp else None for column in table.keys]

    def encode(key: Key) -> tuple[Any, ...]:
        check_key(table, key)
        return tuple(v if e is None else e(v) for e, v in zip(encoders, key, strict=True))

    return encode


def can_be_stored(key: tuple[Any, ...]) -> bool:
    """Tell whether Cassandra can have an encoded key at all; it refuses to be asked for one that it cannot."""
    if len(key) == 1 and isinstance(key[0], str) and 0 < len(key[0]) < LONGEST_KEY_BYTES // 8:
        return True
    parts = [part for part in key if isinstance(part, str | bytes)]
    if 0 < sum(map(len, parts)) < LONGEST_KEY_BYTES // 8 or not parts:  # a character has up to four bytes
        return True
    whole = [part.encode() if isinstance(part, str) else part for part in parts]
    return not impossible_keys([[part] for part in whole] + [[bytes(8)]] * (len(key) - len(parts)))


def impossible_keys(keys: Sequence[Sequence[bytes | None]]) -> list[int]:
    """The rows whose key, given as columns of bytes, Cassandra cannot have: empty or of more than 64 KiB."""
    columns = [[len(part or b"") for part in column] for column in keys]
    if (len(keys) > 1 or all(columns[0])) and _key_bytes(
        [max(c, default=0) for c in columns]
    ) <= LONGEST_KEY_BYTES:
        return []
    sizes = [_key_bytes(key) for key in zip(*columns, strict=True)]
    return [row for row, size in enumerate(sizes) if not 0 < size <= LONGEST_KEY_BYTES]


def _key_bytes(sizes: Sequence[int]) -> int:
    """Bytes of a partition key of columns of these sizes; one of several columns has three more for each."""
    return sum(sizes) + (3 * len(sizes) if len(sizes) > 1 else 0)
