"""BigQuery's dialect, run by GoogleSQL itself: everything that the platform asks of a warehouse in SQL."""

import math
from datetime import UTC, date, datetime
from decimal import Decimal

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import newest as oracle
from oracles import point_in_time as sample
from support.googlesql import as_query, literal, micros, with_tables

from ml_platform.features.sync.marks import marks_of
from ml_platform.features.sync.newest import Source
from ml_platform.warehouse.bigquery_dialect import BigQueryDialect
from ml_platform.warehouse.content_hash import content_version, content_version_sql
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

SQL = BigQueryDialect()
TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), datetime: pa.timestamp("us", tz="UTC")}
KINDS = {name: TYPES[kind] for name, kind in sample.COLUMNS.items()}


def written(value):
    """A parameter's value in SQL."""
    if isinstance(value, list):
        return f"[{', '.join(written(element) for element in value)}]"
    if isinstance(value, bytes):
        return "b'" + "".join(f"\\x{byte:02x}" for byte in value) + "'"
    if isinstance(value, Decimal):
        return f"NUMERIC '{value}'"
    return str(value).upper() if isinstance(value, bool) else literal(value)


def bound(query):
    sql, parameters = query
    for name in sorted(parameters, key=len, reverse=True):
        sql = sql.replace(f"@{name}", written(parameters[name]))
    return sql


def source(view):
    return Source(view, KINDS, SQL)


@settings(max_examples=25, deadline=None)
@given(
    view=st.sampled_from([sample.TERMINAL, sample.PAIR]),
    rows=sample.rows,
    as_of=st.none() | st.integers(0, 30).map(lambda hours: sample.BASE + hours * sample.HOUR),
)
def test_newest_is_what_a_search_finds(googlesql, view, rows, as_of):
    names = [*view.entity, *view.features]
    query = bound(source(view).newest(as_of, mark=SQL.mark({name: KINDS[name] for name in names})))
    query = with_tables(query, {view.relation: (rows, sample.COLUMNS)})

    got = googlesql(f"SELECT {', '.join(names)}, UNIX_MICROS(event_timestamp), _mark FROM ({query})")

    columns = [*names, "event_timestamp"]
    expected = [
        row | {"event_timestamp": micros(row["event_timestamp"])}
        for row in oracle.newest(rows, view.entity, as_of)
    ]
    assert oracle.compared(
        [dict(zip(columns, row, strict=False)) for row in got], columns
    ) == oracle.compared(expected, columns)
    assert all(0 <= row[-1] < 2**63 for row in got)


def test_chosen_sampled_and_repeated_entities(googlesql):
    rows = [
        {"k": f"e{n}", "j": n % 3, "event_timestamp": t, "available_at": t, "x": 0.5, "s": "", "n": n}
        for n in range(30)
        for t in (sample.BASE, sample.BASE + sample.HOUR)
    ]

    def run(query, rows=rows):
        return googlesql(with_tables(bound(query), {"f.pair": (rows, sample.COLUMNS)}))

    of_view = source(sample.PAIR)
    chosen = of_view.newest(None, chosen=[("e3", 0), ("e4", 0), ("e5", 2)], ordered=False)
    assert sorted(row[:2] for row in run(chosen)) == [("e3", 0), ("e5", 2)]
    assert run(of_view.newest(None, chosen=[])) == []
    few, all_of_them = run(of_view.sample(None, 5, 7, 1.0)), run(of_view.sample(None, 100, 7, 1.0))
    assert len(few) == 5
    assert sorted(all_of_them) == sorted({(row["k"], row["j"]) for row in rows})
    assert set(run(of_view.sample(None, 5, 7, 0.5))) <= set(few)
    assert [bool(run(query)) for query in of_view.several(sample.BASE)] == [False, False]
    assert [bool(run(query)) for query in of_view.several(None)] == [True, True]


def test_a_row_has_a_mark(googlesql):
    class Warehouse:
        dialect = SQL

        def scalar(self, sql):
            return googlesql(sql)[0][0]

    marks = marks_of(source(sample.TERMINAL), Warehouse())
    assert marks.scheme.startswith("bigquery ")
    values = [
        ("a", x, s, n) for x in (0.0, -0.0, None) for s in ("", "null", None) for n in (0, 2**53 + 1, None)
    ]
    rows = [
        dict(zip(("k", "x", "s", "n"), value, strict=True)) | {"j": 0, "event_timestamp": sample.BASE}
        | {"available_at": None}
        for value in values
    ]  # fmt: skip
    found = googlesql(f"SELECT {marks.expression} FROM ({as_query(rows, sample.COLUMNS)})")
    assert len({mark for (mark,) in found}) == len(rows)
    mark = SQL.mark({"v": pa.list_(pa.float64())})
    lists = ["NULL", "[]", "[0.0]", "[CAST('-0.0' AS FLOAT64)]", "[1.0, 2.0]", "[2.0, 1.0]"]
    arrays = " UNION ALL ".join(f"SELECT CAST({v} AS ARRAY<FLOAT64>) AS v" for v in lists)
    assert len({row for (row,) in googlesql(f"SELECT {mark} FROM ({arrays})")}) == len(lists)


def float_texts(dialect, numbers, run):
    values = ", ".join(f"CAST('{number!r}' AS {dialect.type_of(pa.float64())})" for number in numbers)
    unnested = f"UNNEST([{values}]) AS x" if dialect is SQL else f"(SELECT unnest([{values}]) AS x)"
    return run(f"SELECT x, {dialect.float_text('x')} FROM {unnested}")


interesting = [
    0.0,
    -0.0,
    0.1,
    -1.5,
    5e-324,
    2.2250738585072014e-308,
    1e-5,
    1e15 + 0.5,
    9007199254740994.0,
    1e16,
]
interesting += [
    1.2345678901234568e16,
    1e17,
    1e22,
    1.7976931348623157e308,
    0.1 + 0.2,
    1 / 3,
    1e-7,
    123456789.123,
]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(), min_size=100, max_size=200).map(lambda drawn: interesting + drawn))
def test_the_text_of_a_float_is_what_it_is_on_duckdb(googlesql, numbers):
    ours = {repr(x): text for x, text in float_texts(SQL, numbers, googlesql)}
    with duckdb.connect() as connection:
        theirs = float_texts(DuckDBDialect(), numbers, lambda sql: connection.execute(sql).fetchall())
    # Of a power of two the shortest text may not be the nearest of its length.
    assert ours == {repr(x): text for x, text in theirs if abs(math.frexp(x)[0]) != 0.5 or abs(x) >= 1} | {
        repr(x): ours[repr(x)] for x in numbers if abs(math.frexp(x)[0]) == 0.5 and abs(x) < 1
    }


def test_a_version_is_what_it_is_on_duckdb(googlesql):
    """The rows, and the version, of the contract suite's test of the same."""
    amounts = [0.1, -0.0, 1e300, 5e-324, 123456.789, 2.0**60, 1e16, 1.5e-7, math.inf, math.nan, None]
    kinds = {
        "id": pa.string(), "seen": TYPES[datetime], "amount": pa.float64(), "day": pa.date32(), "n": pa.int64(),
        "flag": pa.bool_(), "raw": pa.binary(), "price": pa.decimal128(9, 2),
    }  # fmt: skip
    rows = [
        (
            "ü|'" * n, datetime(1969, 12, 31, 23, tzinfo=UTC), amount, date(1999, 12, 31), -n, n % 2 == 0,
            bytes([n, 255]), Decimal(n) / 4,
        )
        for n, amount in enumerate(amounts)
    ]  # fmt: skip
    selects = [
        "SELECT " + ", ".join(f"{quoted(value)} AS `{name}`" for name, value in zip(kinds, row, strict=True))
        for row in rows
    ]
    sql = content_version_sql(SQL, kinds, f"({' UNION ALL '.join(selects)})", group_by="day")
    ((*_, count, lower, upper),) = googlesql(sql)
    assert content_version(kinds, count, lower, upper) == (
        "07c78974aa9ddb1b193e5db854edd19aaf036beafd98f14c6c4951add2c9f3f4"
    )


def quoted(value):
    if value is None:
        return "CAST(NULL AS FLOAT64)"
    return '"' + value + '"' if isinstance(value, str) else written(value)
