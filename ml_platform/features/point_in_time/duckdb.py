"""Point-in-time joins on DuckDB: the newest availability by ``ASOF JOIN``.

ASOF over two narrow columns is what DuckDB does best; a bare ``ASOF JOIN`` of whole rows sorts every feature
of every row along, and takes an arbitrary one of tied rows (``benchmarks/point_in_time.py`` compares them).
"""

import pyarrow as pa
from pyarrow import types

from ml_platform.features.point_in_time.base import SqlDialect, quote_parts
from ml_platform.use_case import FeatureView

__all__ = ["DuckDBDialect"]


class DuckDBDialect(SqlDialect):
    """DuckDB's SQL. Timestamps without a zone are read as UTC, whatever the session's time zone."""

    def quoted(self, name: str) -> str:
        """A name in double quotes."""
        return quote_parts(name, '"')

    def parameter(self, name: str) -> str:
        """``$name``."""
        return f"${name}"

    def micros(self, time: str) -> str:
        """``epoch_us``: of an infinite timestamp it is null, so that "infinity" is never available."""
        return f"epoch_us({time})"

    def newest_available(self, view: FeatureView, occurred_at: str) -> str:
        """ASOF JOIN; null keys and null times never match."""
        keys = self.listed(view.entity)
        time, available = self.micros(self.quoted(occurred_at)), self.micros(self.quoted(view.available_at))
        return (
            f"SELECT {', '.join(f'e.{self.quoted(key)}' for key in view.entity)}, e.__t, v.__a\n"
            f"FROM (SELECT DISTINCT {keys}, {time} AS __t FROM events) AS e\n"
            f"ASOF JOIN (SELECT {keys}, {available} AS __a FROM {self.quoted(view.relation)}) AS v\n"
            f"  ON {self.equal('e', 'v', view.entity)} AND e.__t >= v.__a"
        )

    def descending(self, column: str, kind: pa.DataType | None) -> list[str]:
        """DuckDB puts NaN above every number, so it is told apart first."""
        if kind is not None and types.is_nested(kind):
            element = "format('{:.17e}', x)" if types.is_floating(kind.value_type) else "CAST(x AS VARCHAR)"
            return [f"array_to_string(list_transform({column}, lambda x: {element}), ',') DESC NULLS LAST"]
        is_nan = f"typeof({column}) IN ('DOUBLE', 'FLOAT') AND isnan(TRY_CAST({column} AS DOUBLE))"
        return [f"({is_nan}) ASC NULLS LAST", f"{column} DESC NULLS LAST"]
