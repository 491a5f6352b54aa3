"""The types that an online store can hold, named independently of Arrow, SQLite or CQL.

=================================  ====================================  =============================
kind                               from Arrow                            a reader gets
=================================  ====================================  =============================
``bool``                           bool                                  bool
``int8`` … ``int64``               int8 … int64; uint8 … uint32 widened  int
``float``, ``double``              float32, float64                      float (NaN stays NaN)
``string``, ``binary``             (large) string, (large) binary        str, bytes
``date``                           date32, date64                        datetime.date
``timestamp``, ``timestamp_utc``   timestamp in s, ms or us              datetime (UTC when it has a zone)
``decimal(p,s)``                   decimal128, up to 38 digits           decimal.Decimal
``list<float>``, ``list<double>``  lists of float32 or float64           list of float
=================================  ====================================  =============================

Everything may be null. This module imports no Arrow, so that a service that only reads does not need it.
"""

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from ml_platform.errors import ConfigurationError, DataError, SchemaMismatchError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "EPOCH",
    "Column",
    "checked_name",
    "column_from_arrow",
    "kind_of",
    "micros",
    "parse_text",
    "timestamp",
]

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NAIVE_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 (the zone-less kind of column)
_MICROSECOND = dt.timedelta(microseconds=1)
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_]{0,126}$")
_RESERVED = frozenset({"event_timestamp"})

KEY_KINDS = ("bool", "int8", "int16", "int32", "int64", "string", "binary", "date", "timestamp")


@dataclass(frozen=True)
class Column:
    """A column of an online table: its name and its kind (see the module)."""

    name: str
    kind: str

    @property
    def is_list(self) -> bool:
        """Tell whether a value is a list of floats."""
        return self.kind.startswith("list<")

    @property
    def is_decimal(self) -> bool:
        """Tell whether a value is a decimal number."""
        return self.kind.startswith("decimal(")

    @property
    def is_timestamp(self) -> bool:
        """Tell whether a value is a point in time, with or without a zone."""
        return self.kind.startswith("timestamp")

    @property
    def is_float(self) -> bool:
        """Tell whether a value is one floating-point number."""
        return self.kind in ("float", "double")


def checked_name(name: str) -> str:
    """Return ``name`` if it can name a column of an online table.

    Raises:
        ConfigurationError: it starts with no letter, has other characters than letters, digits and ``_``, or
            is taken by the store itself.
    """
    if not _NAME.match(name) or name in _RESERVED:
        raise ConfigurationError(
            f"{name!r} cannot name a key or feature of an online table: use a letter, then letters, digits"
            " and _"
            f" (not {', '.join(sorted(_RESERVED))}, which the store keeps itself); rename the column in the"
            " model"
        )
    return name


def column_from_arrow(name: str, arrow: "pa.DataType", *, key: bool = False) -> Column:
    """The column that holds values of an Arrow type.

    Args:
        name: of the column.
        arrow: its type in the warehouse.
        key: whether it is part of the entity's key; floats, decimals and lists cannot be.

    Raises:
        ConfigurationError: the name is not usable.
        SchemaMismatchError: no store can hold this type exactly; the message names a cast that it can.
    """
    kind = _kind(arrow)
    if kind is None:
        raise SchemaMismatchError(
            f"column {name} has type {arrow}, which an online store cannot hold exactly; cast it in the"
            " model to one of"
            " BOOLEAN, TINYINT … BIGINT, FLOAT, DOUBLE, VARCHAR, BLOB, DATE, TIMESTAMP(TZ), DECIMAL or a"
            " list of floats"
        )
    if key and not kind.startswith(KEY_KINDS):
        raise SchemaMismatchError(
            f"key column {name} has type {arrow}; a key is an integer, text, a date or a timestamp"
        )
    return Column(checked_name(name), kind)


def kind_of(arrow: "pa.DataType") -> str:
    """The kind of an Arrow type; Arrow's own name for it if no store can hold it."""
    return _kind(arrow) or str(arrow)


_PLAIN = {
    "bool": "bool", "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64", "uint8": "int16",
    "uint16": "int32", "uint32": "int64", "float": "float", "double": "double", "string": "string",
    "large_string": "string", "string_view": "string", "binary": "binary", "large_binary": "binary",
    "binary_view": "binary", "date32[day]": "date", "date64[ms]": "date",
}  # fmt: skip


def _kind(arrow: "pa.DataType") -> str | None:
    from pyarrow import types

    if types.is_dictionary(arrow):
        return _kind(arrow.value_type)
    if types.is_timestamp(arrow):
        return None if arrow.unit == "ns" else "timestamp_utc" if arrow.tz else "timestamp"
    if types.is_decimal128(arrow):
        return f"decimal({arrow.precision},{arrow.scale})"
    if types.is_list(arrow) or types.is_large_list(arrow) or types.is_fixed_size_list(arrow):
        item = str(arrow.value_type)
        return f"list<{item}>" if item in ("float", "double") else None
    return _PLAIN.get(str(arrow))


def micros(moment: dt.datetime) -> int:
    """Microseconds since 1970-01-01 00:00 UTC; a datetime without a zone is taken as it stands."""
    return (moment - (EPOCH if moment.tzinfo else _NAIVE_EPOCH)) // _MICROSECOND


def timestamp(microseconds: int, *, utc: bool = True) -> dt.datetime:
    """The datetime of microseconds since 1970-01-01 00:00; the inverse of :func:`micros`."""
    return (EPOCH if utc else _NAIVE_EPOCH) + dt.timedelta(microseconds=microseconds)


def parse_text(column: Column, text: str) -> object:
    """The value that a person typed for a key column.

    Raises:
        DataError: the text is no value of the column's kind.
    """
    parse = _PARSERS.get("int" if column.kind.startswith("int") else column.kind, str)
    try:
        return parse(text)
    except (ValueError, InvalidOperation) as error:
        raise DataError(f"{text!r} is no {column.kind}, which key column {column.name} is") from error


def _parse_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _parse_utc(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


_PARSERS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "bool": _parse_bool,
    "binary": bytes.fromhex,
    "date": dt.date.fromisoformat,
    "timestamp": dt.datetime.fromisoformat,
    "timestamp_utc": _parse_utc,
    "decimal": Decimal,
}
