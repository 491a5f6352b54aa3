"""Data versions: a hash of rows that depends on nothing but what they say.

A row's text joins its cells, columns in order of their names, with ``|``. Each cell is unambiguous:

==================== ==========================================================================
null                 nothing
text                 ``<number of characters>:<text>``
boolean, date        ``true``/``false``, ``YYYY-MM-DD``
timestamp            microseconds since 1970-01-01 00:00 UTC
integer              decimal digits
decimal              decimal digits, without trailing zeros after the point
float (as 64 bits)   like an integer when it is one below 2^53 (so -0.0 is 0), else the shortest decimal
                     text that reads back as the same number; any NaN is ``nan``
binary               hexadecimal digits
==================== ==========================================================================

The MD5 digest of that text, read as a little-endian 128-bit integer, is split into an upper and a lower
64-bit half; both are summed over the rows, so that the order of rows does not matter and repeated rows count.
The sums, the number of rows and the sorted column names are hashed with SHA-256. Types are no part of a
version: the same values stored as 32 or 64 bits, or loaded by another engine, have the same version. MD5 is
used as a fast checksum against accidents, not against an adversary.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping

import pyarrow as pa
from pyarrow import types

from ml_platform.errors import ConfigurationError
from ml_platform.warehouse.dialect import SqlDialect

__all__ = ["content_version", "content_version_sql"]


def content_version_sql(
    dialect: SqlDialect, columns: Mapping[str, pa.DataType], source_sql: str, group_by: str | None = None
) -> str:
    """SQL that reduces rows to what :func:`content_version` takes.

    Args:
        dialect: whose SQL.
        columns: names and Arrow types of the columns to hash; others that the source has are left out.
        source_sql: what goes after FROM: a quoted relation, or a query in parentheses.
        group_by: name of a column to give one result row per value of.

    Returns:
        A query of ``[group_by,] row_count, hash_lower, hash_upper``, the hashes as text, for no engine's widest
        integer is another's; one row when there is no ``group_by``.

    Raises:
        ConfigurationError: a column's type has no canonical text (lists, structs) or its name is odd.
    """
    cells = [_cell(dialect, name, columns[name]) for name in sorted(columns)]
    group = f"{dialect.quoted(group_by)}, " if group_by else ""
    tail = f" GROUP BY {dialect.quoted(group_by)}" if group_by else ""
    lower, upper = (
        dialect.cast(f"COALESCE(SUM({half}), 0)", pa.string()) for half in dialect.halves("digest")
    )
    return (
        f"SELECT {group}COUNT(*) AS row_count, {lower} AS hash_lower, {upper} AS hash_upper "
        f"FROM (SELECT {group}{dialect.digest(cells)} AS digest FROM {source_sql} AS hashed_source) "
        f"AS digests{tail}"
    )


def content_version(columns: Iterable[str], count: int, lower: int | str, upper: int | str) -> str:
    """The version, 64 hexadecimal digits, of rows reduced by :func:`content_version_sql`."""
    content = [sorted(columns), int(count), int(lower), int(upper)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _cell(dialect: SqlDialect, name: str, kind: pa.DataType) -> str:
    column, text = dialect.quoted(name), pa.string()
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        length = dialect.cast(dialect.characters(column), text)
        return f"CASE WHEN {column} IS NULL THEN '' ELSE {length} || ':' || {column} END"
    if types.is_timestamp(kind):
        return dialect.cast(dialect.micros(column), text)
    if types.is_integer(kind) or types.is_boolean(kind) or types.is_date(kind):
        return dialect.cast(column, text)
    if types.is_decimal(kind):
        return dialect.decimal_text(column, kind.scale)
    if types.is_floating(kind):
        return dialect.float_text(column)
    if types.is_binary(kind) or types.is_large_binary(kind):
        return dialect.hexadecimal(column)
    if types.is_null(kind):
        return "''"
    raise ConfigurationError(
        f"column {name} has type {kind}, which a data version cannot hash; cast it to text or split it"
    )
