"""The models' SQL on DuckDB equals what an obvious program computes, to the last bit, whichever days are built."""

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import payment_features as oracle
from support.dbt_sql import Models

TIME, DAY, TEXT, NUMBER = pa.timestamp("us", tz="UTC"), pa.date32(), pa.string(), pa.float64()
SCHEMAS = {
    "payments": {
        "payment_id": TEXT,
        "occurred_at": TIME,
        "customer_id": TEXT,
        "terminal_id": TEXT,
        "amount": NUMBER,
        "day": DAY,
    },
    "customers": {"customer_id": TEXT, "x": NUMBER, "y": NUMBER, "day": DAY},
    "terminals": {"terminal_id": TEXT, "x": NUMBER, "y": NUMBER, "day": DAY},
    "fraud_reports": {"payment_id": TEXT, "reported_at": TIME, "day": DAY},
}


def rows(bank: oracle.Bank, model: str, days: list[date] | None) -> list[Any]:
    models = Models(
        "duckdb", {name: name for name in SCHEMAS}, None if days is None else [str(day) for day in days]
    )
    with duckdb.connect() as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        for name, schema in SCHEMAS.items():
            warehouse.register(name, pa.Table.from_pylist(getattr(bank, name), schema=pa.schema(schema)))
        return warehouse.sql(models.sql(model)).to_arrow_table().to_pylist()


def ordered(found: list[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    return sorted((sorted(row.items()) for row in found), key=repr)


@pytest.mark.parametrize("model", ["payment_features", "customer_daily", "terminal_daily"])
@settings(max_examples=6, deadline=None)
@given(bank=oracle.banks(), data=st.data())
def test_any_days_equal_the_obvious_program(model, bank, data):
    days = data.draw(st.none() | st.lists(st.sampled_from(bank.days), min_size=1, unique=True))
    expected = getattr(oracle, model)(bank, bank.days if days is None else days)
    assert ordered(rows(bank, model, days)) == ordered(expected)
