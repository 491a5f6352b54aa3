"""From what a file holds to a column's declared kind, value by value.

A value that cannot be read is null in the result and marked; so is a timestamp without a zone. Whether that
puts a row into quarantine or refuses the file is decided by the reader.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from ml_platform.ingestion.source import RawColumn

__all__ = ["Converted", "accepts", "from_json", "from_text", "from_typed"]

Mask = npt.NDArray[np.bool_]

_ZONE = r"(Z|z|[+-]\d{2}(:?\d{2})?)"
_TIME = r"\d{4}-\d{2}-\d{2}[ Tt]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_CONTROL = r"[\x00-\x1f\x7f-\x9f\x{2028}\x{2029}]"
"""Characters that no identifier has: line breaks, tabs, and what no screen shows."""

_NUMBER = r"([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[nN]a[nN]|[+-]?[iI]nf(inity)?)"


@dataclass(frozen=True)
class Converted:
    """A column in its declared type, and which of its values could not be read or lacked a time zone."""

    values: pa.Array
    unreadable: Mask
    zoneless: Mask


_YEARS = [np.datetime64(day, "us").astype("int64") for day in ("0001-01-01", "10000-01-01")]
"""The times that can be dealt with everywhere, in microseconds: from the first, before the second."""


def accepts(column: RawColumn, kind: pa.DataType, *, naive_is_utc: bool) -> bool:
    """Tell whether a typed (Parquet) column of Arrow type ``kind`` holds what ``column`` declares."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_null(kind):
        return True
    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    match column.kind:
        case "identifier":
            whole = types.is_integer(kind) or (types.is_decimal(kind) and kind.scale == 0)
            return bool(is_text or whole or _is_uuid(kind))
        case "timestamp":
            return bool(types.is_timestamp(kind) and (kind.tz is not None or naive_is_utc))
        case "number":
            return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
        case "text":
            return bool(is_text)
        case "boolean":
            return bool(types.is_boolean(kind))
        case "date":
            return bool(types.is_date(kind))


def from_typed(column: RawColumn, values: pa.Array) -> Converted:
    """Convert a column of a type that :func:`accepts` accepted; fractions of a microsecond are cut off.

    Raises:
        pyarrow.ArrowInvalid: text is not UTF-8.
    """
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if types.is_null(values.type):
        values = pa.nulls(len(values), column.arrow_type)
    if types.is_timestamp(values.type) and values.type.tz is None:
        values = values.cast(pa.timestamp(values.type.unit, tz="UTC"))
    if _is_uuid(values.type):
        values = pa.array(
            [None if value is None else str(value) for value in values.to_pylist()], pa.string()
        )
    converted = values.cast(column.arrow_type, safe=False)
    if types.is_string(converted.type):
        converted.validate(full=True)
    if types.is_timestamp(converted.type):
        converted = _within_years(converted)
    return _clean(column, converted, _lost(values, converted))


def from_text(column: RawColumn, values: pa.Array, *, naive_is_utc: bool) -> Converted:
    """Convert text, as CSV has it. Nulls stay null.

    Timestamps are ISO 8601 with ``T`` or a space, with or without (fractions of) seconds, and a zone: ``Z``,
    ``+02:00``.
    """
    match column.kind:
        case "identifier" | "text":
            return _clean(column, values)
        case "timestamp":
            return _timestamps(column, values, naive_is_utc=naive_is_utc)
        case "number":
            text = pc.utf8_trim_whitespace(values)
            readable = pc.match_substring_regex(text, f"^{_NUMBER}$")
            result = pc.if_else(readable, text, None).cast(pa.float64())
        case "boolean":
            text = pc.utf8_lower(pc.utf8_trim_whitespace(values))
            readable = pc.is_in(text, pa.array(["true", "false", "1", "0"]))
            result = pc.if_else(readable, pc.is_in(text, pa.array(["true", "1"])), None)
        case "date":
            result = _try_cast(pc.utf8_trim_whitespace(values), pa.date32())
    return _clean(column, result, _lost(values, result))


def from_json(column: RawColumn, values: Sequence[Any], *, naive_is_utc: bool) -> Converted:
    """Convert JSON values. Types are not bent: a number in quotes is no number, ``12.0`` no identifier."""
    match column.kind:
        case "identifier":
            read = [v if isinstance(v, str) else str(v) if type(v) is int else None for v in values]
            result = _text(read)
        case "number":
            result = pa.array([_float(v) for v in values], pa.float64())
        case "boolean":
            result = pa.array([v if isinstance(v, bool) else None for v in values], pa.bool_())
        case _:
            result = _text([v if isinstance(v, str) else None for v in values])
    unreadable = _nulls(result) & np.fromiter((v is not None for v in values), np.bool_, len(values))
    if column.kind not in {"timestamp", "date"}:
        return _clean(column, result, unreadable)
    converted = from_text(column, result, naive_is_utc=naive_is_utc)
    return Converted(converted.values, converted.unreadable | unreadable, converted.zoneless)


def _timestamps(column: RawColumn, values: pa.Array, *, naive_is_utc: bool) -> Converted:
    text = pc.utf8_trim_whitespace(values)
    zoned = pc.match_substring_regex(text, f"^{_TIME}{_ZONE}$")
    zoneless = np.zeros(len(values), np.bool_)
    if not pc.all(zoned).as_py():
        naive = pc.match_substring_regex(text, f"^{_TIME}$")
        if naive_is_utc:
            text = pc.if_else(naive, pc.binary_join_element_wise(text, "Z", ""), text)
            zoned = pc.or_(zoned, naive)
        else:
            zoneless = np.asarray(pc.fill_null(naive, fill_value=False))
    micro = pc.replace_substring_regex(text, r"(\.\d{6})\d+", r"\1")
    result = _within_years(_try_cast(pc.if_else(zoned, micro, None), column.arrow_type))
    return Converted(result, _lost(values, result) & ~zoneless, zoneless)


def _try_cast(text: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cast text, a value that is none of the type (30 February) becoming null."""
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:
        import pandas as pd

        form = "ISO8601" if types.is_timestamp(kind) else "%Y-%m-%d"
        parsed = pd.to_datetime(text.to_pandas(), format=form, utc=True, errors="coerce")
        return pa.array(parsed.dt.tz_convert(None).to_numpy()).cast(kind, safe=False)


def _within_years(times: pa.Array) -> pa.Array:
    micros = times.cast(pa.int64())
    inside = pc.and_(pc.greater_equal(micros, _YEARS[0]), pc.less(micros, _YEARS[1]))
    return pc.if_else(inside, times, None)


def _is_uuid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.UuidType)


def _clean(column: RawColumn, values: pa.Array, unreadable: Mask | None = None) -> Converted:
    if column.kind == "number":
        values = pc.if_else(pc.is_nan(values), None, values)
    nothing = np.zeros(len(values), np.bool_)
    unreadable = nothing if unreadable is None else unreadable
    if column.kind == "identifier":
        control = pc.fill_null(pc.match_substring_regex(values, _CONTROL), fill_value=False)
        if pc.any(control).as_py():
            values, unreadable = pc.if_else(control, None, values), unreadable | np.asarray(control)
    return Converted(values, unreadable, nothing)


def _nulls(values: pa.Array) -> Mask:
    return np.asarray(values.is_null())


def _lost(before: pa.Array, after: pa.Array) -> Mask:
    return _nulls(after) & ~_nulls(before)


def _float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text(values: Sequence[str | None]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can write and nothing can store
        return pa.array([v if v is None or _is_storable(v) else None for v in values], pa.string())


def _is_storable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
