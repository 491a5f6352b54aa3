"""Point-in-time joins on BigQuery: the newest availability by one window over events and rows together.

BigQuery has no ASOF JOIN. A join on ``available_at <= occurred_at`` compares every event of an entity with
all of its rows, and an ``ARRAY_AGG(… LIMIT 1)`` over it still makes the pairs. A running ``MAX`` over the
union of both sides sorts each entity's times once, and carries three narrow columns; the features are fetched
afterwards by an ordinary hash join. Rows with null keys are left out before the window: they match nothing,
and together they would make one partition on one worker.
"""

import pyarrow as pa
from pyarrow import types

from ml_platform.features.point_in_time.base import SqlDialect, quote_parts
from ml_platform.use_case import FeatureView

__all__ = ["BigQueryDialect"]


class BigQueryDialect(SqlDialect):
    """GoogleSQL. Entity columns are of a type that can be partitioned by: any but FLOAT64, and not nested."""

    def quoted(self, name: str) -> str:
        """A name in backticks."""
        return quote_parts(name, "`")

    def parameter(self, name: str) -> str:
        """``@name``."""
        return f"@{name}"

    def micros(self, time: str) -> str:
        """``UNIX_MICROS`` of a TIMESTAMP."""
        return f"UNIX_MICROS({time})"

    def newest_available(self, view: FeatureView, occurred_at: str) -> str:
        """Running maximum; its RANGE frame counts rows available at the very time of the event."""
        keys = self.listed(view.entity)
        time, available = self.quoted(occurred_at), self.quoted(view.available_at)
        known = " AND ".join(f"{self.quoted(key)} IS NOT NULL" for key in view.entity)
        return (
            f"SELECT {keys}, __t, __newest AS __a FROM (\n"
            f"  SELECT {keys}, __t, __a, MAX(__a) OVER (PARTITION BY {keys} ORDER BY __t\n"
            "    RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS __newest\n"
            "  FROM (\n"
            f"    SELECT DISTINCT {keys}, {self.micros(time)} AS __t, CAST(NULL AS INT64) AS __a\n"
            f"    FROM events WHERE {known} AND {time} IS NOT NULL\n"
            "    UNION ALL\n"
            f"    SELECT DISTINCT {keys}, {self.micros(available)}, {self.micros(available)}\n"
            f"    FROM {self.quoted(view.relation)} WHERE {known} AND {available} IS NOT NULL))\n"
            "WHERE __a IS NULL AND __newest IS NOT NULL"
        )

    def descending(self, column: str, kind: pa.DataType | None) -> list[str]:
        """BigQuery puts NaN below every number by itself, and cannot order by an array: its text does."""
        if kind is not None and types.is_nested(kind):
            element = "FORMAT('%.17e', x)" if types.is_floating(kind.value_type) else "CAST(x AS STRING)"
            ordered = f"SELECT {element} FROM UNNEST({column}) AS x WITH OFFSET AS i ORDER BY i"
            column = f"IF({column} IS NULL, NULL, ARRAY_TO_STRING(ARRAY({ordered}), ','))"
        return [f"{column} DESC NULLS LAST"]
