from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from samples import labelled

from ml_platform.errors import DataError, SchemaMismatchError
from ml_platform.models.training.data import LabelledRows, add_request_features
from ml_platform.models.training.splits import folds

DAY = timedelta(days=1)
AS_OF = labelled.START + 30 * DAY


def rows_and_fold(table=None, **changes):
    case = labelled.use_case(**changes)
    rows = LabelledRows(labelled.parcels() if table is None else table, case, AS_OF)
    return rows, folds(rows.first, AS_OF, case.model.split, case.dataset.label.delay)[0]


def between(table, start, end):
    at = table.column("occurred_at")
    return table.filter(pc.and_(pc.greater_equal(at, pa.scalar(start)), pc.less(at, pa.scalar(end))))


def test_training_counts_a_label_only_when_it_was_reported_before_the_test_starts():
    table = labelled.parcels(slowest=9)
    rows, fold = rows_and_fold(table)
    expected = between(table, fold.train_start, fold.train_end)
    reported = pc.less_equal(expected.column("lost_available_at"), pa.scalar(fold.test_start))
    data = rows.training(fold)
    assert data.labels.tolist() == pc.fill_null(reported, False).to_numpy().astype(int).tolist()
    late = pc.sum(expected.column("lost")).as_py() - int(data.labels.sum())
    assert late > 0, "the sample has losses that were reported too late to be learnt from"


def test_test_labels_are_those_reported_until_the_snapshot_was_taken():
    table = labelled.parcels()
    rows, fold = rows_and_fold(table)
    expected = between(table, fold.test_start, fold.test_end)
    known = pc.fill_null(pc.less_equal(expected.column("lost_available_at"), pa.scalar(AS_OF)), False)
    assert rows.test(fold).labels.tolist() == known.to_numpy().astype(int).tolist()


def test_rows_are_the_same_whatever_their_order_in_the_snapshot():
    table = labelled.parcels()
    shuffled = table.take(np.random.default_rng(3).permutation(table.num_rows))
    (one, fold), (other, _) = rows_and_fold(table), rows_and_fold(shuffled)
    assert one.training(fold).features.equals(other.training(fold).features)
    assert one.training(fold).labels.tolist() == other.training(fold).labels.tolist()


def test_features_are_the_declared_ones_and_never_the_label_or_keys():
    rows, fold = rows_and_fold()
    assert rows.training(fold).feature_names == ("weight", "distance", "at_night")
    assert rows.test(fold).features.column_names == ["weight", "distance", "at_night"]


def test_request_features_do_not_see_the_label():
    seen = []

    def peek(table):
        seen.extend(table.column_names)
        return labelled.night(table)

    rows, fold = rows_and_fold(request_features=peek)
    rows.training(fold)
    assert not [name for name in seen if name.startswith("lost")]


@pytest.mark.parametrize("known_days", [None, 4])
def test_a_card_is_known_from_its_report_on(known_days):
    table = labelled.parcels()
    rows, fold = rows_and_fold(table, known_days=known_days)
    since = fold.test_start - timedelta(days=10 if known_days is None else known_days)
    expected = []
    reports = [
        (row["sender_id"], row["lost_available_at"]) for row in table.to_pylist() if row["lost_available_at"]
    ]
    for row in between(table, fold.test_start, fold.test_end).to_pylist():
        day = row["occurred_at"].replace(hour=0, minute=0, second=0, microsecond=0)
        expected.append(any(card == row["sender_id"] and since < at <= day for card, at in reports))
    test = rows.test(fold)
    assert test.known.tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_known_cards_are_the_handbooks_when_each_fraud_is_reported_after_the_delay():
    table = labelled.parcels()
    delayed = pc.if_else(
        pc.equal(table.column("lost"), 1), pc.add(table.column("occurred_at"), pa.scalar(3 * DAY)), None
    )
    table = table.set_column(table.num_columns - 1, "lost_available_at", delayed)
    rows, fold = rows_and_fold(table)
    frauds = [row for row in table.to_pylist() if row["lost"]]
    expected = []
    for row in between(table, fold.test_start, fold.test_end).to_pylist():
        last = row["occurred_at"].date() - timedelta(
            days=4
        )  # of which the feedback is there: the day minus delay, before
        in_train = {r["sender_id"] for r in frauds if fold.train_start <= r["occurred_at"] < fold.train_end}
        since = {
            r["sender_id"]
            for r in frauds
            if fold.train_end <= r["occurred_at"] and r["occurred_at"].date() <= last
        }
        expected.append(row["sender_id"] in in_train | since)
    assert rows.test(fold).known.tolist() == expected


def test_one_class_is_refused_with_its_window_and_the_remedy():
    table = labelled.parcels()
    never = pa.nulls(table.num_rows, pa.timestamp("us", tz="UTC"))
    honest = table.set_column(table.num_columns - 2, "lost", pa.array(np.zeros(table.num_rows, np.int32)))
    honest = honest.set_column(table.num_columns - 1, "lost_available_at", never)
    rows, fold = rows_and_fold(honest)
    with pytest.raises(
        DataError, match=r"training window \[2011-03-11, 2011-03-21\).* 0 of them are positive.*bring"
    ):
        rows.training(fold)
    with pytest.raises(DataError, match=r"test window \[2011-03-24, 2011-03-28\)"):
        rows.test(fold)


def test_no_rows_and_missing_columns_are_refused_by_name():
    table = labelled.parcels()
    with pytest.raises(DataError, match="no rows"):
        rows_and_fold(table.slice(0, 0))
    with pytest.raises(SchemaMismatchError, match=r"lacks the columns \['weight'\]"):
        rows_and_fold(table.drop_columns(["weight"]))


def test_request_features_must_be_those_declared():
    table = labelled.parcels(days=1)
    with pytest.raises(SchemaMismatchError, match=r"declares \['other'\]"):
        add_request_features(table, labelled.night, ["other"])
    with pytest.raises(SchemaMismatchError, match="returned 3 rows"):
        add_request_features(table, lambda rows: labelled.night(rows.slice(0, 3)), ["at_night"])
