from datetime import UTC, date, datetime, timedelta

import pytest

from ml_platform.datasets.query import dataset_sql, scoring_sql
from ml_platform.errors import ConfigurationError

START, END = datetime(2011, 1, 1, tzinfo=UTC), datetime(2011, 1, 11, tzinfo=UTC)
DAYS = [date(2011, 1, 1) + timedelta(days=n) for n in range(10)]


def labelled(warehouse, dataset, as_of, **options):
    query = dataset_sql(dataset, warehouse.dialect, as_of=as_of, **options)
    return warehouse.table(query.sql, query.parameters)


def test_columns_come_in_the_declared_order(warehouse, dataset):
    assert labelled(warehouse, dataset, END).column_names == [
        "order_id", "occurred_at", "buyer_id", "amount", "buyer__orders", "returned", "returned_available_at",
    ]  # fmt: skip


def test_rows_are_ordered_by_time_and_id(warehouse, dataset):
    rows = labelled(warehouse, dataset, END).select(["occurred_at", "order_id"]).to_pylist()
    keys = [tuple(row.values()) for row in rows]
    assert keys == sorted(keys)


def test_labels_are_those_reported_by_then(warehouse, dataset):
    warehouse.execute("INSERT INTO shop.returns VALUES ('o40', TIMESTAMPTZ '2011-01-12 00:00+00')")
    reported = datetime(2011, 1, 10, tzinfo=UTC)

    def of_o40(as_of):
        rows = labelled(warehouse, dataset, as_of).to_pylist()
        return next((r["returned"], r["returned_available_at"]) for r in rows if r["order_id"] == "o40")

    assert of_o40(reported - timedelta(microseconds=1)) == (0, None)
    assert of_o40(reported) == (1, reported)
    assert of_o40(reported + timedelta(days=30)) == (1, reported), "the earliest report counts"


def test_events_lie_within_history_and_before_as_of(warehouse, dataset):
    two_days = dataset.model_copy(update={"history": timedelta(days=2)})
    days = {t.date() for t in labelled(warehouse, two_days, END).column("occurred_at").to_pylist()}
    assert days == {date(2011, 1, 9), date(2011, 1, 10)}
    late = labelled(warehouse, two_days, END, start=datetime(2011, 1, 10, 22, tzinfo=UTC))
    assert late.column("order_id").to_pylist() == ["o99"]


def test_reports_may_be_known_of_another_time_than_events(warehouse, dataset):
    early = END - timedelta(days=4)
    rows = labelled(warehouse, dataset, END, events_end=early).to_pylist()
    assert max(row["occurred_at"] for row in rows) < early
    later = labelled(warehouse, dataset, END).to_pylist()
    assert rows == [row for row in later if row["occurred_at"] < early], "with every label until END"
    rows = labelled(warehouse, dataset, early, events_end=END).to_pylist()
    assert len(rows) == len(later)
    assert max(r["returned_available_at"] for r in rows if r["returned"]) <= early


def test_scoring_gives_what_training_saw(warehouse, dataset):
    query = scoring_sql(dataset, warehouse.dialect, [(START, END)])
    scored = warehouse.table(query.sql, query.parameters)
    assert scored == labelled(warehouse, dataset, END).drop_columns(["returned", "returned_available_at"])


def test_scoring_takes_only_the_windows_asked_for(warehouse, dataset):
    day, night = START + timedelta(days=2), START + timedelta(days=7, hours=6)
    windows = [(day, day + timedelta(days=2)), (night, night + timedelta(hours=1))]
    times = (
        warehouse.table(*scoring_sql(dataset, warehouse.dialect, windows)).column("occurred_at").to_pylist()
    )
    assert [t.date() for t in times[:20]] == [DAYS[2]] * 10 + [DAYS[3]] * 10
    assert all(night <= t < night + timedelta(hours=1) for t in times[20:])


def test_a_time_without_a_zone_is_refused(warehouse, dataset):
    with pytest.raises(ConfigurationError, match="without a time zone"):
        dataset_sql(dataset, warehouse.dialect, as_of=datetime(2011, 1, 11))  # noqa: DTZ001 (that is the point)
    with pytest.raises(ConfigurationError, match="without a time zone"):
        scoring_sql(dataset, warehouse.dialect, [(datetime(2011, 1, 11), END)])  # noqa: DTZ001 (that is the point)


def test_no_windows_are_refused(warehouse, dataset):
    with pytest.raises(ConfigurationError, match="no windows"):
        scoring_sql(dataset, warehouse.dialect, [])


def reported(warehouse, dataset, rows):
    """Values in place of returns, and the dataset that takes them as its label."""
    warehouse.execute("CREATE TABLE shop.reasons (order_id VARCHAR, reported_at TIMESTAMPTZ, reason VARCHAR)")
    for order, day, reason in rows:
        moment = datetime(2011, 1, day, tzinfo=UTC)
        warehouse.execute(
            "INSERT INTO shop.reasons VALUES ($order, $at, $reason)",
            {"order": order, "at": moment, "reason": reason},
        )
    label = dataset.label.model_copy(update={"relation": "shop.reasons", "value": "reason"})
    return dataset.model_copy(update={"label": label})


def test_a_value_is_that_of_the_newest_report_by_then_and_null_before(warehouse, dataset):
    valued = reported(
        warehouse, dataset, [("o1", 2, "size"), ("o1", 5, "colour"), ("o1", 9, "late"), ("o2", 8, None)]
    )

    def of(order, as_of):
        rows = labelled(warehouse, valued, as_of).to_pylist()
        return next((r["returned"], r["returned_available_at"]) for r in rows if r["order_id"] == order)

    fifth = datetime(2011, 1, 5, tzinfo=UTC)
    assert of("o1", fifth) == ("colour", fifth)
    assert of("o1", fifth - timedelta(microseconds=1)) == ("size", datetime(2011, 1, 2, tzinfo=UTC))
    assert of("o1", END) == ("late", datetime(2011, 1, 9, tzinfo=UTC))
    assert of("o2", END) == (None, None), "a report without a value says nothing"
    assert of("o3", END) == (None, None)


def test_of_reports_at_one_time_the_greatest_value_counts(warehouse, dataset):
    valued = reported(warehouse, dataset, [("o1", 3, "b"), ("o1", 3, "c"), ("o1", 3, "a")])
    rows = labelled(warehouse, valued, END)
    assert rows.num_rows == 100, "each event once"
    assert [r["returned"] for r in rows.to_pylist() if r["order_id"] == "o1"] == ["c"]


def test_without_a_label_there_are_no_label_columns(warehouse, dataset):
    rows = labelled(warehouse, dataset.model_copy(update={"label": None}), END)
    assert rows.column_names == ["order_id", "occurred_at", "buyer_id", "amount", "buyer__orders"]
    assert rows.num_rows == 100
