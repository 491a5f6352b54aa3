"""The newest row of each entity on DuckDB, compared with a slow and obvious search."""

from collections import Counter
from datetime import datetime

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import newest as oracle
from oracles import point_in_time as sample

from ml_platform.features.sync.newest import Source
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), datetime: pa.timestamp("us", tz="UTC")}
SCHEMA = pa.schema([(name, TYPES[kind]) for name, kind in sample.COLUMNS.items()])
VIEWS = [sample.TERMINAL, sample.PAIR]
COLUMNS = ["event_timestamp", "x", "s", "n"]


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA f")
        yield connection


def source(connection, view, rows):
    connection.register("rows", pa.Table.from_pylist(rows, SCHEMA))
    connection.execute(f"CREATE OR REPLACE TABLE {view.relation} AS FROM rows")
    return Source(view, dict(zip(SCHEMA.names, SCHEMA.types, strict=True)), DuckDBDialect())


def found(connection, query):
    return connection.sql(query.sql, params=query.parameters or None).to_arrow_table().to_pylist()


@settings(max_examples=40, deadline=None)
@given(
    view=st.sampled_from(VIEWS),
    rows=sample.rows,
    as_of=st.none() | st.integers(0, 30).map(lambda hours: sample.BASE + hours * sample.HOUR),
)
def test_newest_is_what_a_search_finds(connection, view, rows, as_of):
    of_view = source(connection, view, rows)
    columns = [*view.entity, *COLUMNS]
    expected = oracle.newest(rows, view.entity, as_of)

    got = found(connection, of_view.newest(as_of, mark="1"))

    assert list(got[0]) == [*view.entity, *view.features, "event_timestamp", "_mark"] if got else True
    assert oracle.compared(got, columns) == oracle.compared(expected, columns)
    keys = [tuple(row[key] for key in view.entity) for row in got]
    complete = [key for key in keys if None not in key]
    assert complete == sorted(complete)
    chosen = complete[::2]
    some = found(connection, of_view.newest(as_of, chosen=chosen, ordered=False))
    of_some = [row for row in expected if tuple(row[key] for key in view.entity) in chosen]
    assert oracle.compared(some, columns) == oracle.compared(of_some, columns)
    rows_of = Counter(tuple(row[key] for key in view.entity) for row in oracle.known(rows, as_of))
    repeated = any(count > 1 for count in rows_of.values())
    assert any(found(connection, query) for query in of_view.several(as_of)) == repeated


def test_a_sample_depends_on_the_seed_alone(connection):
    rows = [
        {"k": f"e{n}", "j": 0, "event_timestamp": t, "available_at": t, "x": 0.0, "s": "", "n": 0}
        for n in range(300)
        for t in (sample.BASE, sample.BASE + sample.HOUR)
    ]
    of_view = source(connection, sample.TERMINAL, [*rows, rows[0] | {"k": None}])

    def taken(size, seed, share):
        return [row["k"] for row in found(connection, of_view.sample(None, size, seed, share))]

    assert len(taken(20, 0, 1.0)) == len(set(taken(20, 0, 1.0))) == 20
    assert taken(20, 0, 1.0) == taken(20, 0, 0.3) != taken(20, 1, 1.0)
    assert set(taken(10, 0, 1.0)) < set(taken(20, 0, 1.0))
    assert 0 < len(taken(300, 0, 0.2)) < 120
    assert len(taken(1000, 0, 1.0)) == 300, "a null key is nobody's"


def test_names_that_are_words_of_sql_are_columns_like_others(connection):
    view = FeatureView(
        name="table", relation="f.table", entity=("group",), features=("order", "select"), available_at="from"
    )
    connection.execute("DROP TABLE IF EXISTS f.table")
    connection.execute(
        'CREATE TABLE f.table AS SELECT \'a\' AS "group", 1 AS "order", 2.5 AS "select",'
        " TIMESTAMPTZ '2000-01-01 00:00+00' AS event_timestamp, TIMESTAMPTZ '2000-01-02 00:00+00' AS \"from\""
    )
    types = {"group": pa.string(), "order": pa.int32(), "select": pa.float64(), "from": TYPES[datetime]}
    of_view = Source(view, types | {"event_timestamp": TYPES[datetime]}, DuckDBDialect())
    mark = DuckDBDialect().mark(types)
    got = found(connection, of_view.newest(sample.BASE, mark=mark, chosen=[("a",)]))
    assert [(row["group"], row["order"], row["select"]) for row in got] == [("a", 1, 2.5)]
    assert found(connection, of_view.sample(sample.BASE, 3, 0, 0.999)) in ([{"group": "a"}], [])
    assert not any(found(connection, query) for query in of_view.several(sample.BASE))
