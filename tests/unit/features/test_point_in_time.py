"""The point-in-time join on DuckDB, compared with a slow and obvious one."""

from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import point_in_time as oracle
from pydantic import ValidationError

from ml_platform.errors import ConfigurationError
from ml_platform.features.point_in_time.join import PointInTimeRequest, join_sql
from ml_platform.use_case import FeatureView, ViewFeatures
from ml_platform.warehouse.bigquery_dialect import BigQueryDialect
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

SQL_TYPES = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE"}


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA f")
        yield connection


def load(connection, relation, rows, columns, time_type="TIMESTAMPTZ"):
    types = {name: time_type if kind is datetime else SQL_TYPES[kind] for name, kind in columns.items()}
    connection.execute(
        f"CREATE OR REPLACE TABLE {relation} ({', '.join(f'{n} {t}' for n, t in types.items())})"
    )
    if rows:
        marks = "(" + ", ".join("?" for _ in columns) + ")"
        values = [stored(row[name], time_type) for row in rows for name in columns]
        connection.execute(f"INSERT INTO {relation} VALUES {', '.join([marks] * len(rows))}", values)


def stored(value, time_type):
    naive = isinstance(value, datetime) and time_type == "TIMESTAMP"
    return value.replace(tzinfo=None) if naive else value


EVENT_COLUMNS = {"id": int, "k": str, "j": int, "occurred_at": datetime}


@settings(max_examples=25, deadline=None)
@given(
    request_=oracle.requests(),
    events=oracle.events,
    terminal=oracle.rows,
    pair=oracle.rows,
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]),
    naive=st.booleans(),
)
def test_join_equals_the_obvious_one(connection, request_, events, terminal, pair, zone, naive):
    tables = {"f.terminal": terminal, "f.pair": pair}
    connection.execute(f"SET TimeZone = '{zone}'")
    load(connection, "f.events", events, EVENT_COLUMNS)
    for relation, rows in tables.items():
        load(connection, relation, rows, oracle.COLUMNS, "TIMESTAMP" if naive else "TIMESTAMPTZ")

    result = connection.execute(join_sql(request_, DuckDBDialect()))

    names = ["id", "k", "j", "occurred_at", *request_.output_features]
    assert [column[0] for column in result.description] == names
    assert oracle.canonical(result.fetchall()) == oracle.canonical(oracle.expected(request_, events, tables))


def at(day, hour=0):
    return datetime(1999, 12, day, hour, tzinfo=UTC)


VIEW = FeatureView(name="v", relation="f.v", entity=("k",), features=("x",))
VIEW_COLUMNS = {"k": str, "event_timestamp": datetime, "available_at": datetime, "x": float}


def looked_up(connection, rows, times, view=VIEW):
    """x of entity ``a`` at each of ``times``."""
    names = list(VIEW_COLUMNS)
    load(connection, "f.v", [dict(zip(names, row, strict=True)) for row in rows], VIEW_COLUMNS)
    load(
        connection, "f.e", [{"k": "a", "occurred_at": t} for t in times], {"k": str, "occurred_at": datetime}
    )
    request = PointInTimeRequest(events="f.e", views=(ViewFeatures(view=view, features=("x",)),))
    found = connection.execute(
        f"SELECT v__x FROM ({join_sql(request, DuckDBDialect())}) ORDER BY occurred_at"
    ).fetchall()
    return [row[0] for row in found]


def test_a_correction_is_seen_from_when_it_arrived(connection):
    rows = [("a", at(1), at(1), 1.0), ("a", at(1), at(3), 1.5), ("a", at(2), at(2), 2.0)]
    assert looked_up(connection, rows, [at(1), at(2), at(2, 23), at(3), at(4)]) == [1.0, 2.0, 2.0, 1.5, 1.5]


def test_a_value_exactly_as_old_as_its_time_to_live_has_expired(connection):
    view = VIEW.model_copy(update={"ttl": timedelta(days=1)})
    times = [at(2) - timedelta(microseconds=1), at(2)]
    assert looked_up(connection, [("a", at(1), at(1), 1.0)], times, view) == [1.0, None]


def test_an_expired_row_is_not_replaced_by_an_older_arrival(connection):
    view = VIEW.model_copy(update={"ttl": timedelta(days=1)})
    rows = [("a", at(5), at(5), 5.0), ("a", at(2), at(5, 6), 2.0)]
    assert looked_up(connection, rows, [at(5, 5), at(5, 7)], view) == [5.0, None]


def test_no_order_of_the_rows_changes_which_tied_row_is_taken(connection):
    rows = [("a", at(1), at(2), x) for x in (3.0, float("nan"), 7.0, None, -2.0)]
    for shift in range(len(rows)):
        assert looked_up(connection, rows[shift:] + rows[:shift], [at(3)]) == [7.0]


def test_tied_arrays_are_ordered_by_their_text(connection):
    connection.execute(
        "CREATE OR REPLACE TABLE f.e AS SELECT 'a' AS k, TIMESTAMP '2000-01-01' AS occurred_at"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE f.v AS SELECT 'a' AS k, TIMESTAMP '1999-01-01' AS event_timestamp,"
        " TIMESTAMP '1999-01-01' AS available_at, unnest([[1.0, 2.0], [1.0, 3.0], NULL, []]::DOUBLE[][]) AS x"
    )
    joined = (ViewFeatures(view=VIEW, features=("x",)),)
    request = PointInTimeRequest(events="f.e", views=joined, types={"v": {"x": pa.list_(pa.float64())}})
    assert connection.execute(join_sql(request, DuckDBDialect())).fetchone()[2] == [1.0, 3.0]


def test_events_can_be_a_query_with_a_condition_and_few_columns(connection):
    load(connection, "f.v", [], VIEW_COLUMNS)
    request = PointInTimeRequest(
        events="SELECT 'a' AS k, n, TIMESTAMPTZ '2000-01-01 00:00+00' AS occurred_at FROM range(5) AS t(n)",
        views=(ViewFeatures(view=VIEW, features=("x",)),),
        columns=("n",),
        where="n >= $first",
    )
    assert sorted(connection.execute(join_sql(request, DuckDBDialect()), {"first": 3}).fetchall()) == [
        (3, None),
        (4, None),
    ]


@pytest.mark.parametrize("dialect", [DuckDBDialect(), BigQueryDialect()])
def test_names_that_are_not_identifiers_are_refused(dialect):
    view = FeatureView(name="v", relation="f.v", entity=("k; DROP TABLE t",), features=("x",))
    request = PointInTimeRequest(events="f.e", views=(ViewFeatures(view=view, features=("x",)),))
    with pytest.raises(ConfigurationError, match="not a SQL identifier"):
        join_sql(request, dialect)


def test_a_view_joined_twice_is_refused():
    twice = (ViewFeatures(view=VIEW, features=("x",)),) * 2
    with pytest.raises(ValidationError, match="v__x"):
        PointInTimeRequest(events="f.e", views=twice)
