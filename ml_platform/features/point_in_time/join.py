"""The entry point: a request's SQL for an engine."""

from typing import Literal

from ml_platform.features.point_in_time.base import PointInTimeRequest, SqlDialect
from ml_platform.features.point_in_time.bigquery import BigQueryDialect
from ml_platform.features.point_in_time.duckdb import DuckDBDialect

__all__ = ["Dialect", "dialect_of", "join_sql"]

Dialect = Literal["duckdb", "bigquery"]

_DIALECTS: dict[str, SqlDialect] = {"duckdb": DuckDBDialect(), "bigquery": BigQueryDialect()}


def dialect_of(dialect: Dialect) -> SqlDialect:
    """The SQL of an engine."""
    return _DIALECTS[dialect]


def join_sql(request: PointInTimeRequest, dialect: Dialect) -> str:
    """SQL that joins the request's views to its events; :mod:`.base` says what that means.

    Args:
        request: the events and views.
        dialect: whose SQL.

    Returns:
        A query of the events' columns, then ``<view>__<feature>`` of each view; a row an event, in no order.

    Raises:
        ConfigurationError: a name is not a plain SQL identifier.
    """
    return dialect_of(dialect).join(request)
