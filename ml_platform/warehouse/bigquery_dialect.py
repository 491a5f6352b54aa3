"""BigQuery's SQL (GoogleSQL)."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from pyarrow import types

from ml_platform.errors import ConfigurationError
from ml_platform.warehouse.dialect import SqlDialect

__all__ = ["BigQueryDialect"]

LARGEST_EXACT_INTEGER = 2**53
SMALLEST_NORMAL = "2.2250738585072014e-308"
WORD = 2**32


class BigQueryDialect(SqlDialect):
    """GoogleSQL. Entity columns are of a type that can be partitioned by: any but FLOAT64, and not nested."""

    name = "bigquery"
    quote = "`"
    mark_scheme = "'farm fingerprint of json'"

    def parameter(self, name: str) -> str:
        """``@name``."""
        return f"@{name}"

    def is_in(self, column: str, parameter: str, kind: pa.DataType | None = None) -> str:
        """``IN UNNEST(@list)``; an array parameter has a type even when it is empty, which the backend gives it."""
        del kind
        return f"{column} IN UNNEST({self.parameter(parameter)})"

    def are_in(self, columns: Sequence[str], parameters: Sequence[str]) -> str:
        """Structs are looked up among those made of the lists, place by place."""
        if len(columns) == 1:
            return self.is_in(columns[0], parameters[0])
        lists = [
            f"UNNEST({self.parameter(name)}) AS __v{n} WITH OFFSET AS __o{n}"
            for n, name in enumerate(parameters)
        ]
        source = lists[0] + "".join(f" JOIN {text} ON __o0 = __o{n}" for n, text in enumerate(lists) if n)
        values = ", ".join(f"__v{n}" for n in range(len(lists)))
        return f"({', '.join(columns)}) IN (SELECT ({values}) FROM {source})"

    def type_of(self, kind: pa.DataType) -> str:
        """BigQuery's name of a type."""
        if types.is_timestamp(kind):
            return "DATETIME" if kind.tz is None else "TIMESTAMP"
        for is_kind, name in _TYPES:
            if is_kind(kind):
                return name
        raise ConfigurationError(f"BigQuery's SQL has no plain type for {kind}; use text, a number or a time")

    def micros(self, time: str) -> str:
        """``UNIX_MICROS`` of a TIMESTAMP."""
        return f"UNIX_MICROS({time})"

    def characters(self, text: str) -> str:
        """``CHAR_LENGTH``."""
        return f"CHAR_LENGTH({text})"

    def hexadecimal(self, binary: str) -> str:
        """``TO_HEX`` gives lower-case digits."""
        return f"UPPER(TO_HEX({binary}))"

    def decimal_text(self, number: str, scale: int) -> str:
        """BigQuery's own text of a NUMERIC has no trailing zeros."""
        del scale
        return f"CAST({number} AS STRING)"

    def float_text(self, number: str) -> str:
        """The shortest of 15, 16 or 17 digits that reads back; below the normal numbers, of any number of digits.

        BigQuery's own text has 15 or 17. Of 24 powers of two below 1 (2^-24 is the largest) the shortest text is not
        the nearest of its length; those get one digit more than the rule of a data version says.
        """
        number = f"CAST({number} AS FLOAT64)"

        def reads_back(text: str) -> str:
            return f"CAST({text} AS FLOAT64) = {number}"

        some = f"FORMAT('%.*g', digits, {number})"
        tiny = (
            f"(SELECT {some} FROM UNNEST(GENERATE_ARRAY(1, 17)) AS digits "
            f"WHERE {reads_back(some)} ORDER BY digits LIMIT 1)"
        )
        fifteen, sixteen = (f"FORMAT('%.{digits}g', {number})" for digits in (15, 16))
        return (
            f"CASE WHEN {number} IS NULL THEN NULL WHEN IS_NAN({number}) THEN 'nan' "
            f"WHEN IS_INF({number}) THEN CAST({number} AS STRING) "
            f"WHEN ABS({number}) < {LARGEST_EXACT_INTEGER} AND {number} = TRUNC({number}) "
            f"THEN CAST(CAST({number} AS INT64) AS STRING) "
            f"WHEN ABS({number}) < {SMALLEST_NORMAL} THEN {tiny} "
            f"WHEN ABS({number}) >= {LARGEST_EXACT_INTEGER} AND ABS({number}) < 1e16 "
            f"THEN CONCAT(CAST(CAST({number} AS INT64) AS STRING), '.0') "
            f"WHEN {reads_back(fifteen)} THEN {fifteen} WHEN {reads_back(sixteen)} THEN {sixteen} "
            f"WHEN ABS({number}) >= 1e16 THEN FORMAT('%.16e', {number}) ELSE FORMAT('%.17g', {number}) END"
        )

    def digest(self, cells: Sequence[str]) -> str:
        """Hexadecimal digits of the digest, its last byte first."""
        joined = ", '|', ".join(f"IFNULL({cell}, '')" for cell in cells)
        return f"TO_HEX(REVERSE(MD5(CONCAT({joined}))))"

    def halves(self, digest: str) -> tuple[str, str]:
        """As BIGNUMERIC, of two words each: INT64 has no room for 64 bits without a sign."""

        def half(start: int) -> str:
            high, low = (
                f"CAST(CONCAT('0x', SUBSTR({digest}, {at}, 8)) AS INT64)" for at in (start, start + 8)
            )
            return f"(CAST({high} AS BIGNUMERIC) * {WORD} + {low})"

        return half(17), half(1)

    def hashed(self, values: Sequence[str]) -> str:
        """``FARM_FINGERPRINT`` of the values as JSON, without its sign."""
        return f"(FARM_FINGERPRINT(TO_JSON_STRING(STRUCT({', '.join(values)}))) & 0x7FFFFFFFFFFFFFFF)"

    def mark(self, columns: Mapping[str, pa.DataType]) -> str:
        """The same of the row; JSON takes -0.0 for 0.0, so that the signs of floats are hashed too."""
        values = []
        for name, kind in columns.items():
            column = self.quoted(name)
            values.append(column)
            if types.is_floating(kind):
                values.append(_is_negative(column))
            elif types.is_nested(kind):
                signs = f"STRING_AGG(IF({_is_negative('x')}, '-', '+'), '' ORDER BY i)"
                values.append(f"(SELECT {signs} FROM UNNEST({column}) AS x WITH OFFSET AS i)")
        return self.hashed(values)

    def newest_available(
        self, keys: Sequence[str], occurred_at: str, relation: str, available_at: str
    ) -> str:
        """Running maximum over events and rows together; its RANGE frame counts rows available at the very time.

        BigQuery has no ASOF JOIN. A join on ``available_at <= occurred_at`` compares every event of an entity with
        all of its rows, and an ``ARRAY_AGG(… LIMIT 1)`` over it still makes the pairs. A running ``MAX`` over the
        union of both sides sorts each entity's times once, and carries three narrow columns; the features are
        fetched afterwards by an ordinary hash join. Rows with null keys are left out before the window: they match
        nothing, and together they would make one partition on one worker.
        """
        names = self.listed(keys)
        time, available = self.quoted(occurred_at), self.quoted(available_at)
        known = " AND ".join(f"{self.quoted(key)} IS NOT NULL" for key in keys)
        return (
            f"SELECT {names}, __t, __newest AS __a FROM (\n"
            f"  SELECT {names}, __t, __a, MAX(__a) OVER (PARTITION BY {names} ORDER BY __t\n"
            "    RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS __newest\n"
            "  FROM (\n"
            f"    SELECT DISTINCT {names}, {self.micros(time)} AS __t, CAST(NULL AS INT64) AS __a\n"
            f"    FROM events WHERE {known} AND {time} IS NOT NULL\n"
            "    UNION ALL\n"
            f"    SELECT DISTINCT {names}, {self.micros(available)}, {self.micros(available)}\n"
            f"    FROM {self.quoted(relation)} WHERE {known} AND {available} IS NOT NULL))\n"
            "WHERE __a IS NULL AND __newest IS NOT NULL"
        )

    def descending(self, column: str, kind: pa.DataType | None) -> list[str]:
        """BigQuery puts NaN below every number by itself, and cannot order by an array: its text does."""
        if kind is not None and types.is_nested(kind):
            element = "FORMAT('%.17e', x)" if types.is_floating(kind.value_type) else "CAST(x AS STRING)"
            ordered = f"SELECT {element} FROM UNNEST({column}) AS x WITH OFFSET AS i ORDER BY i"
            column = f"IF({column} IS NULL, NULL, ARRAY_TO_STRING(ARRAY({ordered}), ','))"
        return [f"{column} DESC NULLS LAST"]


def _is_negative(number: str) -> str:
    """Tell whether a float has a sign, -0.0 too."""
    return f"IEEE_DIVIDE(1, {number}) < 0"


_TYPES = (
    (types.is_string, "STRING"),
    (types.is_large_string, "STRING"),
    (types.is_boolean, "BOOL"),
    (types.is_integer, "INT64"),
    (types.is_floating, "FLOAT64"),
    (types.is_date, "DATE"),
    (types.is_binary, "BYTES"),
    (types.is_large_binary, "BYTES"),
)
