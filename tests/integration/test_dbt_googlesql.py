"""The models as BigQuery gets them, analysed and run by GoogleSQL itself, equal what the obvious program computes."""

from datetime import date, datetime

import pytest
from hypothesis import Phase, given, settings
from oracles import payment_features as oracle
from support.dbt_sql import PROJECT, Models
from support.googlesql import literal, micros

SOURCES = {
    "payments": {
        "payment_id": "STRING",
        "occurred_at": "TIMESTAMP",
        "customer_id": "STRING",
        "terminal_id": "STRING",
        "amount": "FLOAT64",
        "day": "DATE",
    },
    "customers": {"customer_id": "STRING", "x": "FLOAT64", "y": "FLOAT64", "day": "DATE"},
    "terminals": {"terminal_id": "STRING", "x": "FLOAT64", "y": "FLOAT64", "day": "DATE"},
    "fraud_reports": {"payment_id": "STRING", "reported_at": "TIMESTAMP", "day": "DATE"},
    "messages": {
        "message_id": "STRING",
        "occurred_at": "TIMESTAMP",
        "customer_id": "STRING",
        "channel": "STRING",
        "language": "STRING",
        "text": "STRING",
        "day": "DATE",
    },
    "resolutions": {"message_id": "STRING", "resolved_at": "TIMESTAMP", "team": "STRING", "day": "DATE"},
    "credit_limit": {
        "customer_id": "STRING",
        "occurred_at": "TIMESTAMP",
        "value": "FLOAT64",
        "stage": "STRING",
        "release": "STRING",
        "promotion": "INT64",
        "week": "DATE",
    },
}
FEATURES = ["payment_features", "customer_daily", "terminal_daily"]
MODELS = sorted(path.stem for path in (PROJECT / "models").rglob("*.sql"))


def inlined(bank):
    """Raw tables as queries of literals."""
    tables = {}
    for name, columns in SOURCES.items():
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {column}" for column, kind in columns.items())
        selects = [f"SELECT {nothing} FROM (SELECT 1) WHERE FALSE"]
        selects += [
            "SELECT " + ", ".join(literal(row[c]) for c in columns) for row in getattr(bank, name, ())
        ]
        tables[name] = "(" + " UNION ALL ".join(selects) + ")"
    return tables


@pytest.mark.parametrize("days", [None, ["2017-03-01..2017-03-03", "2017-03-09"]])
@pytest.mark.parametrize("model", MODELS)
def test_googlesql_accepts_the_model(googlesql, model, days):
    googlesql(Models("bigquery", inlined(oracle.Bank([])), days).sql(model))


def plain(value):
    if isinstance(value, datetime):
        return micros(value)
    return str(value) if isinstance(value, date) else value


@pytest.mark.parametrize("model", FEATURES)
@settings(
    max_examples=3, deadline=None, phases=[Phase.generate]
)  # each example is a second: too slow to shrink
@given(bank=oracle.banks(max_payments=12))
def test_googlesql_computes_the_same(googlesql, model, bank):
    days = bank.days[-40:]
    expected = [
        {name: plain(value) for name, value in row.items()} for row in getattr(oracle, model)(bank, days)
    ]
    columns = list(expected[0])
    shown = {"day": "CAST(day AS STRING)"} | {
        name: f"UNIX_MICROS({name})"
        for name in ("occurred_at", "event_timestamp", "available_at", "last_payment_at")
    }
    selected = ", ".join(shown.get(name, name) for name in columns)
    sql = Models("bigquery", inlined(bank), [str(day) for day in days]).sql(model)
    found = googlesql(f"SELECT {selected} FROM ({sql})")
    assert sorted(found, key=repr) == sorted((tuple(row[c] for c in columns) for row in expected), key=repr)
