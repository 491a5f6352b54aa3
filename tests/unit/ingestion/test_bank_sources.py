"""The bank's own sources, as documented."""

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from assets.bank.sources import CUSTOMERS, FRAUD_REPORTS, PAYMENTS, TERMINALS
from assets.card_fraud import use_case

DAY, NEXT, LATER = "2018-07-25", "2018-07-26", "2018-08-02"


def test_there_are_four_and_only_payments_is_required() -> None:
    assert [source.relation for source in use_case.sources] == [
        "raw.payments", "raw.customers", "raw.terminals", "raw.fraud_reports",
    ]  # fmt: skip
    assert [source.name for source in use_case.sources if source.required] == ["payments"]


def test_payments_alone_with_integer_ids_are_enough(place) -> None:
    seen = pa.array(
        [datetime(2018, 7, 25, hour, tzinfo=UTC) for hour in (1, 2, 3, 4)], pa.timestamp("ns", tz="UTC")
    )
    table = pa.table({
        "payment_id": [1, 2, 3, 4], "occurred_at": seen, "customer_id": pa.array([7, 7, 8, 8], pa.int32()),
        "terminal_id": [5, 5, 5, 5], "amount": pa.array([0, 12, -3, 1e39]), "merchant": ["ignored"] * 4,
    })  # fmt: skip
    pq.write_table(table, place.path(DAY, "part-0.parquet", PAYMENTS))
    for source in use_case.sources:
        place.load(DAY, source=source)
    assert place.rows("payment_id, customer_id, terminal_id, amount", PAYMENTS) == [
        ("1", "7", "5", 0.0),
        ("2", "7", "5", 12.0),
    ]
    assert place.quarantine("reason") == [("amount is negative: -3.0",), ("amount is above 1e15: 1e+39",)]
    for source in (CUSTOMERS, TERMINALS, FRAUD_REPORTS):
        assert place.rows("*", source) == []
        assert place.warehouse.columns(source.relation)["day"] == pa.date32()


def test_the_first_report_of_a_payment_counts_and_the_payment_may_be_unknown(place) -> None:
    header = "payment_id,reported_at\n"
    place.drop(DAY, "a.csv", header + f"1,{DAY}T12:00:00Z\n1,{DAY}T09:00:00Z\n", FRAUD_REPORTS)
    place.drop(
        LATER,
        "a.csv",
        header + f"1,{LATER}T12:00:00Z\n2,{DAY}T09:00:00Z\nunknown,{LATER}T09:00:00Z\n",
        FRAUD_REPORTS,
    )
    place.load(DAY, LATER, source=FRAUD_REPORTS)
    assert place.rows("payment_id, CAST(reported_at AS VARCHAR)", FRAUD_REPORTS) == [
        ("1", f"{DAY} 09:00:00+00"), ("unknown", f"{LATER} 09:00:00+00"),
    ]  # fmt: skip
    assert len(place.quarantine()) == 3


def test_a_customer_may_move_and_may_have_no_place(place) -> None:
    place.drop(DAY, "a.csv", "customer_id,x,y\n1,0.5,2\n2,,\n3,inf,1\n", CUSTOMERS)
    place.drop(NEXT, "a.csv", "customer_id\n1\n", CUSTOMERS)
    place.load(DAY, NEXT, source=CUSTOMERS)
    assert place.rows("CAST(day AS VARCHAR), customer_id, x, y", CUSTOMERS) == [
        (DAY, "1", 0.5, 2.0), (DAY, "2", None, None), (NEXT, "1", None, None),
    ]  # fmt: skip
    assert place.quarantine("reason") == [("x is not finite: inf",)]
