"""BigQuery's queries, run by GoogleSQL itself: the point-in-time join and the dataset."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from oracles import point_in_time as oracle
from support.googlesql import as_query, literal, micros, with_tables

from ml_platform.datasets.query import dataset_sql, scoring_sql
from ml_platform.features.point_in_time.join import join_sql
from ml_platform.use_case import Dataset, Label, ViewFeatures
from ml_platform.warehouse.bigquery_dialect import BigQueryDialect

EVENT_COLUMNS = {"id": int, "k": str, "j": int, "occurred_at": datetime}


@settings(max_examples=25, deadline=None)
@given(request_=oracle.requests(), events=oracle.events, terminal=oracle.rows, pair=oracle.rows)
def test_join_equals_the_obvious_one(googlesql, request_, events, terminal, pair):
    tables = {"f.terminal": terminal, "f.pair": pair}
    request_ = request_.model_copy(update={"events": as_query(events, EVENT_COLUMNS)})
    sql = with_tables(
        join_sql(request_, BigQueryDialect()), {name: (rows, oracle.COLUMNS) for name, rows in tables.items()}
    )
    features = ", ".join(request_.output_features)

    found = googlesql(f"SELECT id, k, j, UNIX_MICROS(occurred_at) AS t, {features} FROM ({sql})")

    wanted = [(*row[:3], micros(row[3]), *row[4:]) for row in oracle.expected(request_, events, tables)]
    assert oracle.canonical(found) == oracle.canonical(wanted)


def test_dataset_and_scoring_mean_the_same_there(googlesql):
    dataset = Dataset(
        events="f.events",
        id="id",
        keys=("k",),
        features=("j",),
        views=(ViewFeatures(view=oracle.TERMINAL, features=("x",)),),
        label=Label(relation="f.reports", id="event", available_at="reported_at", delay=timedelta(days=1)),
        history=timedelta(hours=20),
    )
    hours = [oracle.BASE + n * oracle.HOUR for n in range(31)]
    tables = {
        "f.events": (
            [{"id": n, "k": "ab"[n % 2], "j": n * 10, "occurred_at": hours[n]} for n in range(31)],
            EVENT_COLUMNS,
        ),
        "f.terminal": (
            [
                {"k": "a", "j": 0, "event_timestamp": t, "available_at": t, "x": n / 2, "s": "", "n": 0}
                for n, t in enumerate(hours[::7])
            ],
            oracle.COLUMNS,
        ),
        "f.reports": (
            [
                {"event": 12, "reported_at": hours[20]},
                {"event": 12, "reported_at": hours[15]},
                {"event": 13, "reported_at": hours[26]},
            ],
            {"event": int, "reported_at": datetime},
        ),
    }

    def rows(query, columns):
        sql = with_tables(query.sql, tables)
        for name, value in query.parameters.items():
            sql = sql.replace(f"@{name}", literal(value))
        return sorted(
            googlesql(f"SELECT id, k, j, UNIX_MICROS(occurred_at), terminal__x{columns} FROM ({sql})")
        )

    labelled = rows(
        dataset_sql(dataset, BigQueryDialect(), as_of=hours[25]), ", label, UNIX_MICROS(label_available_at)"
    )

    assert [row[0] for row in labelled] == list(range(5, 25)), "history before as_of"
    assert {row[0]: row[5:] for row in labelled if row[5]} == {12: (1, micros(hours[15]))}
    assert [row[4] for row in labelled if row[1] == "a"] == [n // 7 / 2 for n in range(5, 25) if n % 2 == 0]
    assert all(row[4] is None for row in labelled if row[1] == "b")
    scored = rows(
        scoring_sql(
            dataset,
            BigQueryDialect(),
            [(datetime(2031, 3, 9, tzinfo=UTC), datetime(2031, 3, 10, tzinfo=UTC))],
        ),
        "",
    )
    assert [row[0] for row in scored] == list(range(19)), "the hours until midnight"
    known = {row[0]: row[:5] for row in labelled}
    assert all(row == known[row[0]] for row in scored if row[0] in known), "as in training"


def test_evaluation_tells_nan_and_null_apart(googlesql):
    nan, null = googlesql("SELECT CAST('nan' AS FLOAT64), CAST(NULL AS FLOAT64)")[0]
    assert math.isnan(nan)
    assert null is None
