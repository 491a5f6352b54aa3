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
    model = case.model()
    rows = LabelledRows(labelled.parcels() if table is None else table, case, model, AS_OF)
    return rows, folds(rows.first, AS_OF, model.split, case.data.maturity)[0]


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


def test_the_rows_of_a_test_window_and_those_before_it_are_carried_along():
    table = labelled.parcels()
    rows, fold = rows_and_fold(table)
    test = rows.test(fold)
    columns = ["parcel_id", "occurred_at", "sender_id", "lost", "lost_available_at"]
    assert test.rows.equals(between(table, fold.test_start, fold.test_end).select(columns))
    assert test.earlier.equals(between(table, labelled.START, fold.test_start).select(columns))
    assert (test.start, test.end) == (fold.test_start, fold.test_end)


def valued(table, kind):
    """The same parcels, with a value that is reported late in place of the event."""
    case = labelled.use_case()
    label = case.dataset.label.model_copy(
        update={"value": "truth", "classes": ("far", "near") if kind == pa.string() else ()}
    )
    at = pc.add(table["occurred_at"], pa.scalar(timedelta(days=2, hours=5)))
    late = pc.equal(pc.minute(table["occurred_at"]), 0)
    reported = pc.if_else(late, pc.add(at, pa.scalar(9 * DAY)), at)
    values = (
        table["weight"] if kind == pa.float64() else pc.if_else(pc.greater(table["weight"], 1), "far", "near")
    )
    known = pc.less_equal(reported, pa.scalar(AS_OF))
    table = table.set_column(5, "lost", pc.if_else(known, values, pa.scalar(None, kind)))
    table = table.set_column(
        6, "lost_available_at", pc.if_else(known, reported, pa.scalar(None, reported.type))
    )
    model = case.model().model_copy(update={"task": "multiclass" if kind == pa.string() else "regression"})
    case = case.model_copy(
        update={"dataset": case.dataset.model_copy(update={"label": label}), "models": (model,)}
    )
    rows = LabelledRows(table, case, model, AS_OF)
    return rows, folds(rows.first, AS_OF, model.split, label.delay)[0], table


def test_values_that_were_not_reported_by_then_are_left_out():
    rows, fold, table = valued(labelled.parcels(), pa.float64())
    train, test = rows.training(fold), rows.test(fold)
    window = between(table, fold.train_start, fold.train_end)
    expected = window.filter(pc.less_equal(window["lost_available_at"], pa.scalar(fold.test_start)))
    assert train.labels.tolist() == expected["lost"].to_pylist()
    assert train.features["weight"].equals(expected["weight"])
    assert 0 < len(train.labels) < window.num_rows, "some were reported too late"
    assert test.labels.tolist() == test.rows["lost"].to_pylist()
    assert test.rows["lost"].null_count == 0
    assert test.features.num_rows == test.rows.num_rows == len(test.labels)


def test_classes_are_codes():
    rows, fold, _ = valued(labelled.parcels(), pa.string())
    data = rows.training(fold)
    assert data.classes == ("far", "near")
    assert data.labels.dtype == np.int64
    weights = data.features["weight"].to_numpy()
    assert data.labels.tolist() == np.where(weights > 1, 0, 1).tolist()


def test_without_a_label_every_row_counts():
    case = labelled.use_case()
    model = case.model().model_copy(update={"task": "embedding"})
    case = case.model_copy(update={"dataset": case.dataset.model_copy(update={"label": None})})
    rows = LabelledRows(labelled.parcels().drop_columns(["lost", "lost_available_at"]), case, model, AS_OF)
    fold = folds(rows.first, AS_OF, model.split, case.data.maturity)[0]
    assert len(rows.training(fold).labels) == 0
    assert rows.test(fold).features.num_rows > 0
    assert rows.test(fold).rows.column_names == ["parcel_id", "occurred_at", "sender_id"]


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
