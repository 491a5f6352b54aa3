"""BigQuery's point-in-time join, run by GoogleSQL's own reference implementation (ZetaSQL).

It analyses as BigQuery does and evaluates the query: validity and meaning are both tested without BigQuery.
"""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from oracles import point_in_time as oracle

from ml_platform.features.point_in_time.join import join_sql

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TYPES = {str: "STRING", int: "INT64", float: "FLOAT64", datetime: "TIMESTAMP"}
EVENT_COLUMNS = {"id": int, "k": str, "j": int, "occurred_at": datetime}


@pytest.fixture(scope="module")
def googlesql():
    from zetasql.api import CatalogBuilder, PreparedQuery
    from zetasql.types import AnalyzerOptions, LanguageOptions, ZetaSQLBuiltinFunctionOptions

    language = LanguageOptions.maximum_features()
    functions = ZetaSQLBuiltinFunctionOptions(language_options=language)
    catalog = CatalogBuilder("warehouse").with_builtin_functions(functions).build()
    options = AnalyzerOptions(language_options=language)

    def run(sql):
        query = (
            PreparedQuery.builder().set_sql(sql).set_analyzer_options(options).set_catalog(catalog).prepare()
        )
        with query:
            table = query.execute().content.table_data  # None without rows
            return [tuple(_value(cell) for cell in row.cell) for row in table.row] if table else []

    return run


def _value(cell):
    for kind in ("int64_value", "double_value", "string_value"):
        if (value := getattr(cell, kind)) is not None:
            return value
    return None


def literal(value):
    if isinstance(value, datetime):
        return f"TIMESTAMP_MICROS({(value - EPOCH) // timedelta(microseconds=1)})"
    if isinstance(value, float):
        return f"CAST('{value}' AS FLOAT64)"
    if isinstance(value, str):
        return f"'{value}'"
    return str(value)


def as_query(rows, columns):
    """Rows as a query: a table needs no loading."""
    nothing = ", ".join(f"CAST(NULL AS {TYPES[kind]}) AS {name}" for name, kind in columns.items())
    selects = [f"SELECT {nothing} FROM (SELECT 1) WHERE FALSE"]
    selects += [
        "SELECT " + ", ".join("NULL" if row[c] is None else literal(row[c]) for c in columns) for row in rows
    ]
    return " UNION ALL ".join(selects)


@settings(max_examples=25, deadline=None)
@given(request_=oracle.requests(), events=oracle.events, terminal=oracle.rows, pair=oracle.rows)
def test_join_equals_the_obvious_one(googlesql, request_, events, terminal, pair):
    tables = {"f.terminal": terminal, "f.pair": pair}
    request_ = request_.model_copy(update={"events": as_query(events, EVENT_COLUMNS)})
    sql = join_sql(request_, "bigquery")
    for relation, rows in tables.items():
        sql = sql.replace(
            ".".join(f"`{part}`" for part in relation.split(".")), f"({as_query(rows, oracle.COLUMNS)})"
        )
    features = ", ".join(request_.output_features)

    found = googlesql(f"SELECT id, k, j, UNIX_MICROS(occurred_at) AS t, {features} FROM ({sql})")

    wanted = [
        (*row[:3], None if row[3] is None else (row[3] - EPOCH) // timedelta(microseconds=1), *row[4:])
        for row in oracle.expected(request_, events, tables)
    ]
    assert oracle.canonical(found) == oracle.canonical(wanted)


def test_evaluation_tells_nan_and_null_apart(googlesql):
    nan, null = googlesql("SELECT CAST('nan' AS FLOAT64), CAST(NULL AS FLOAT64)")[0]
    assert math.isnan(nan)
    assert null is None
