"""The checks of a snapshot, each passing on good data and failing on bad."""

from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.datasets.checks import (
    CHECKS,
    dataset_checks,
    duplicates_check,
    filled_check,
    labels_check,
    schema_check,
)
from ml_platform.datasets.rederivation import point_in_time_check
from ml_platform.datasets.snapshot import export_snapshot

END = datetime(2011, 1, 11, tzinfo=UTC)


@pytest.fixture
def export(warehouse, dataset, store, tmp_path):
    def export(dataset=dataset, warehouse=warehouse, as_of=END):
        return export_snapshot("returns", dataset, warehouse, store, as_of=as_of, upstream={})

    return export


def orders_schema():
    import pandera.pandas as pa

    columns = {
        "amount": pa.Column(float, pa.Check.lt(148)),
        "returned": pa.Column(int, pa.Check.isin([0, 1])),
    }
    return pa.DataFrameSchema(columns)


def test_every_check_has_an_outcome_and_all_but_a_warning_block(export, dataset, warehouse):
    said = []
    outcomes = dataset_checks(export(), dataset, warehouse, progress=said.append)
    assert [outcome.name for outcome in outcomes] == list(CHECKS)
    assert [outcome.name for outcome in outcomes if not outcome.blocking] == ["leakage", "filled"]
    assert all(outcome.passed for outcome in outcomes), [o.description for o in outcomes if not o.passed]
    assert len(said) == len(outcomes)


def test_a_feature_without_any_value_is_warned_of(export, dataset, warehouse):
    warehouse.execute("UPDATE shop.orders SET amount = NULL")
    outcome = filled_check(export(), dataset)
    assert (outcome.passed, outcome.severity, outcome.blocking) == (False, "WARN", False)
    assert outcome.description.startswith("null in every row: amount;")
    warehouse.execute("UPDATE shop.orders SET amount = 1.0 WHERE order_id = 'o5'")
    outcome = filled_check(export(), dataset)
    assert outcome.passed
    assert outcome.metadata["null_share"]["amount"] == pytest.approx(0.99)


@pytest.mark.parametrize("schema", [orders_schema, orders_schema()])
def test_rows_that_violate_the_schema_are_counted_and_shown(export, dataset, schema):
    outcome = schema_check(export(), dataset.model_copy(update={"data_schema": schema}))
    assert not outcome.passed
    assert outcome.metadata["failures"] == {"amount: less_than(148)": 1}
    assert outcome.metadata["examples"] == {"amount: less_than(148)": ["148.5"]}


def test_a_null_id_fails_without_a_declared_schema(export, dataset, warehouse):
    warehouse.execute("UPDATE shop.orders SET order_id = NULL WHERE order_id = 'o5'")
    outcome = schema_check(export(), dataset)
    assert not outcome.passed
    assert "order_id: not null (1 times)" in outcome.description


def test_ids_that_occur_twice_are_named(export, dataset, warehouse):
    warehouse.execute("INSERT INTO shop.orders SELECT * FROM shop.orders WHERE order_id IN ('o3', 'o4')")
    outcome = duplicates_check(export(), dataset)
    assert not outcome.passed
    assert outcome.metadata["examples"] == [{"id": "o3", "n": 2}, {"id": "o4", "n": 2}]


def test_the_share_of_positives_is_that_of_mature_events(export, dataset, warehouse):
    mature = warehouse.scalar(
        "SELECT count(*) FROM shop.returns JOIN shop.orders USING (order_id) WHERE occurred_at <= '2011-01-04 00:00+00'"
    )
    outcome = labels_check(export(), dataset)
    assert outcome.metadata["mature_rows"] == 31
    assert outcome.metadata["mature_share"] == pytest.approx(mature / 31)
    assert outcome.metadata["report_delay_days"]["p100"] == 5.0


@pytest.mark.parametrize("share", [(0.5, 1.0), (0.0, 0.001)])
def test_an_unbelievable_share_of_positives_fails(export, dataset, share):
    label = dataset.label.model_copy(update={"share": share})
    outcome = labels_check(export(), dataset.model_copy(update={"label": label}))
    assert not outcome.passed
    assert "share of positives" in outcome.description


def test_nothing_to_learn_fails_whatever_share_is_believable(export, dataset, warehouse):
    warehouse.execute("DELETE FROM shop.returns")
    outcome = labels_check(export(), dataset)
    assert not outcome.passed
    assert "none of 31 mature events is positive" in outcome.description
    assert "shop.returns" in outcome.description


def test_a_label_reported_before_its_event_fails(export, dataset, warehouse):
    warehouse.execute("INSERT INTO shop.returns VALUES ('o99', '2011-01-01 00:00+00')")
    outcome = labels_check(export(), dataset)
    assert not outcome.passed
    assert outcome.metadata["reported_before_event"] == 1


def test_no_mature_event_fails(export, dataset):
    outcome = labels_check(export(as_of=END - timedelta(days=5)), dataset)
    assert not outcome.passed
    assert "no label is complete" in outcome.description


def test_view_values_that_were_not_available_then_fail(export, dataset, warehouse):
    snapshot = export()
    assert point_in_time_check(snapshot, dataset, warehouse).passed
    # What the snapshot holds turns out to have become available only an hour after the events of its day began.
    warehouse.execute("UPDATE shop.buyer_daily SET available_at = available_at + INTERVAL 30 HOUR")
    outcome = point_in_time_check(snapshot, dataset, warehouse)
    assert not outcome.passed
    assert outcome.metadata["examples"][0].keys() == {
        "order_id", "time", "feature", "in_snapshot", "available_then",
    }  # fmt: skip


def test_rows_that_were_backdated_into_a_view_fail(export, dataset, warehouse):
    snapshot = export()
    warehouse.execute(
        "INSERT INTO shop.buyer_daily SELECT buyer_id, event_timestamp, available_at + INTERVAL 1 HOUR, -1, mean"
        " FROM shop.buyer_daily"
    )
    assert not point_in_time_check(snapshot, dataset, warehouse).passed
