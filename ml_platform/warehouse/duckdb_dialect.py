"""DuckDB's SQL."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from pyarrow import types

from ml_platform.errors import ConfigurationError
from ml_platform.warehouse.dialect import SqlDialect

__all__ = ["DuckDBDialect"]

LARGEST_EXACT_INTEGER = 2**53
LOWER_HALF = 2**64 - 1


class DuckDBDialect(SqlDialect):
    """DuckDB's SQL. Timestamps without a zone are read as UTC, whatever the session's time zone."""

    name = "duckdb"
    quote = '"'
    mark_scheme = "version()"

    def parameter(self, name: str) -> str:
        """``$name``."""
        return f"${name}"

    def is_in(self, column: str, parameter: str, kind: pa.DataType | None = None) -> str:
        """``IN (SELECT unnest($list))``."""
        cast = f"::{self.type_of(kind)}[]" if kind is not None else ""
        return f"{column} IN (SELECT unnest({self.parameter(parameter)}{cast}))"

    def are_in(self, columns: Sequence[str], parameters: Sequence[str]) -> str:
        """``(…) IN (SELECT unnest($one), unnest($other))``."""
        lists = ", ".join(f"unnest({self.parameter(name)})" for name in parameters)
        return f"({', '.join(columns)}) IN (SELECT {lists})"

    def type_of(self, kind: pa.DataType) -> str:
        """DuckDB's name of a type."""
        if types.is_timestamp(kind):
            return "TIMESTAMP" if kind.tz is None else "TIMESTAMPTZ"
        for is_kind, name in _TYPES:
            if is_kind(kind):
                return name
        raise ConfigurationError(f"DuckDB's SQL has no plain type for {kind}; use text, a number or a time")

    def micros(self, time: str) -> str:
        """``epoch_us``: of an infinite timestamp it is null, so that "infinity" is never available."""
        return f"epoch_us({time})"

    def characters(self, text: str) -> str:
        """``length``."""
        return f"length({text})"

    def hexadecimal(self, binary: str) -> str:
        """``hex``."""
        return f"hex({binary})"

    def decimal_text(self, number: str, scale: int) -> str:
        """The text has as many digits after the point as the type has."""
        text = f"CAST({number} AS VARCHAR)"
        return text if scale == 0 else f"rtrim(rtrim({text}, '0'), '.')"

    def float_text(self, number: str) -> str:
        """DuckDB's own text of a float is the shortest that reads back."""
        number = f"CAST({number} AS DOUBLE)"
        return (
            f"CASE WHEN isnan({number}) THEN 'nan' "
            f"WHEN abs({number}) < {LARGEST_EXACT_INTEGER} AND {number} = trunc({number}) "
            f"THEN CAST(CAST({number} AS BIGINT) AS VARCHAR) ELSE CAST({number} AS VARCHAR) END"
        )

    def digest(self, cells: Sequence[str]) -> str:
        """``md5_number``; ``concat`` leaves nulls out."""
        joined = ", '|', ".join(cells)
        return f"md5_number(concat({joined}))"

    def halves(self, digest: str) -> tuple[str, str]:
        """As UBIGINT, whose sum is a HUGEINT."""
        return f"CAST({digest} & {LOWER_HALF}::UHUGEINT AS UBIGINT)", f"CAST({digest} >> 64 AS UBIGINT)"

    def hashed(self, values: Sequence[str]) -> str:
        """``hash`` without its last bit."""
        return f"CAST(hash({', '.join(values)}) >> 1 AS BIGINT)"

    def mark(self, columns: Mapping[str, pa.DataType]) -> str:
        """``hash``, which takes -0.0 for 0.0, so that the sign of a float is hashed too; of a list, its text."""
        values = []
        for name, kind in columns.items():
            column = self.quoted(name)
            values.append(f"{column}::VARCHAR" if types.is_nested(kind) else column)
            values += [f"signbit({column})"] if types.is_floating(kind) else []
        return f"hash({', '.join(values)})"

    def newest_available(
        self, keys: Sequence[str], occurred_at: str, relation: str, available_at: str
    ) -> str:
        """ASOF JOIN; null keys and null times never match.

        ASOF over two narrow columns is what DuckDB does best; a bare ``ASOF JOIN`` of whole rows sorts every
        feature of every row along, and takes an arbitrary one of tied rows (``benchmarks/point_in_time.py``
        compares them).
        """
        time, available = self.micros(self.quoted(occurred_at)), self.micros(self.quoted(available_at))
        return (
            f"SELECT {', '.join(f'e.{self.quoted(key)}' for key in keys)}, e.__t, v.__a\n"
            f"FROM (SELECT DISTINCT {self.listed(keys)}, {time} AS __t FROM events) AS e\n"
            f"ASOF JOIN (SELECT {self.listed(keys)}, {available} AS __a FROM {self.quoted(relation)}) AS v\n"
            f"  ON {self.equal('e', 'v', keys)} AND e.__t >= v.__a"
        )

    def descending(self, column: str, kind: pa.DataType | None) -> list[str]:
        """DuckDB puts NaN above every number, so it is told apart first."""
        if kind is not None and types.is_nested(kind):
            element = "format('{:.17e}', x)" if types.is_floating(kind.value_type) else "CAST(x AS VARCHAR)"
            return [f"array_to_string(list_transform({column}, lambda x: {element}), ',') DESC NULLS LAST"]
        is_nan = f"typeof({column}) IN ('DOUBLE', 'FLOAT') AND isnan(TRY_CAST({column} AS DOUBLE))"
        return [f"({is_nan}) ASC NULLS LAST", f"{column} DESC NULLS LAST"]


_TYPES = (
    (types.is_string, "VARCHAR"),
    (types.is_large_string, "VARCHAR"),
    (types.is_boolean, "BOOLEAN"),
    (types.is_int64, "BIGINT"),
    (types.is_unsigned_integer, "UBIGINT"),
    (types.is_integer, "INTEGER"),
    (types.is_float32, "FLOAT"),
    (types.is_floating, "DOUBLE"),
    (types.is_date, "DATE"),
    (types.is_binary, "BLOB"),
    (types.is_large_binary, "BLOB"),
)
