from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from samples import shop
from samples.candidates import manifest

from ml_platform.errors import ConfigurationError, DataError, SchemaMismatchError
from ml_platform.models.frameworks.xgboost import XGBoostModel
from ml_platform.models.releases.manifest import Feature, Release, ReleaseFile
from ml_platform.models.tasks.base import task
from ml_platform.predictions.batch import predict_days
from ml_platform.warehouse.duckdb import DuckDBWarehouse

NAMES = ("amount", "items", "at_night")
COLUMNS = ["order_id", "occurred_at", "buyer_id", "amount", "score", "release", "day"]


def scores(values: np.ndarray) -> pa.Table:
    """Predictions of the binary task."""
    return task("binary").predictions(values, ())


class ByAmount:
    """A model that needs no training."""

    def predict(self, features: pa.Table) -> pa.Table:
        night = features.column("at_night").to_numpy().astype(np.float64)
        return scores(np.clip(features.column("amount").to_numpy() / 1000 + 0.001 * night, 0, 1))


class Broken:
    """A model that fails on the last rows, when others have been scored already."""

    def predict(self, features: pa.Table) -> pa.Table:
        last = np.array([i == "o399" for i in features.column("order_id").to_pylist()])
        return scores(np.where(last, np.nan, 0.5))


def release(seed: str = "ab", names: tuple[str, ...] = NAMES) -> Release:
    features = [Feature(name=name, type="double") for name in names]
    return Release.of(
        "returns", (ReleaseFile(path="m", sha256=seed * 32, size=1),), manifest(features=features)
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    shop.fill(warehouse, "shop.orders", shop.orders(10))
    shop.fill(warehouse, "shop.returns", shop.returns(shop.orders(10)))
    return warehouse


def predicted(warehouse: DuckDBWarehouse) -> pa.Table:
    return warehouse.table("SELECT * FROM predictions.returns ORDER BY occurred_at, order_id")


def test_each_event_of_the_days_has_a_score_and_says_who_gave_it(warehouse: DuckDBWarehouse) -> None:
    made = predict_days(shop.use_case(), shop.days(3), warehouse, release(), ByAmount())
    assert [(d.day, d.rows, d.release) for d in made] == [
        (day, 40, release().version) for day in shop.days(3)
    ]
    rows = predicted(warehouse)
    assert rows.column_names == COLUMNS
    source = shop.orders(10).slice(0, 120)
    assert rows.column("order_id").to_pylist() == source.column("order_id").to_pylist()
    expected = source.column("amount").to_numpy() / 1000
    night = np.array([t.hour < 6 for t in source.column("occurred_at").to_pylist()])
    np.testing.assert_allclose(rows.column("score").to_numpy(), expected + 0.001 * night)
    assert set(rows.column("release").to_pylist()) == {release().version}
    assert rows.column("day").to_pylist() == source.column("day").to_pylist()


def test_scoring_again_changes_nothing_and_another_release_replaces(warehouse: DuckDBWarehouse) -> None:
    first = predict_days(shop.use_case(), shop.days(3), warehouse, release(), ByAmount())
    before = predicted(warehouse)
    assert predict_days(shop.use_case(), shop.days(3), warehouse, release(), ByAmount()) == first
    assert predicted(warehouse).equals(before)
    second = predict_days(shop.use_case(), shop.days(1, start=1), warehouse, release("cd"), ByAmount())
    assert second[0].version != first[1].version
    by_release = predicted(warehouse).group_by(["day", "release"]).aggregate([("score", "count")]).to_pylist()
    assert {(r["day"], r["release"]): r["score_count"] for r in by_release} == {
        (day, release("cd" if i == 1 else "ab").version): 40 for i, day in enumerate(shop.days(3))
    }


def test_days_at_once_or_one_by_one_are_the_same(warehouse: DuckDBWarehouse) -> None:
    at_once = predict_days(shop.use_case(), shop.days(4), warehouse, release(), ByAmount())
    rows = predicted(warehouse)
    singly = [
        predict_days(shop.use_case(), [day], warehouse, release(), ByAmount())[0]
        for day in reversed(shop.days(4))
    ]
    assert sorted(singly, key=lambda d: d.day) == at_once
    assert predicted(warehouse).equals(rows)


def test_a_day_without_events_is_empty_and_one_that_lost_them_is_emptied(warehouse: DuckDBWarehouse) -> None:
    far = date(2030, 1, 1)
    made = predict_days(shop.use_case(), [*shop.days(2), far], warehouse, release(), ByAmount())
    assert [d.rows for d in made] == [40, 40, 0]
    warehouse.execute("DELETE FROM shop.orders WHERE day = $day", {"day": shop.days(1)[0]})
    assert predict_days(shop.use_case(), shop.days(1), warehouse, release(), ByAmount())[0].rows == 0
    assert set(predicted(warehouse).column("day").to_pylist()) == {shop.days(2)[1]}


def test_no_days_no_work(warehouse: DuckDBWarehouse) -> None:
    assert predict_days(shop.use_case(), [], warehouse, release(), ByAmount()) == []
    assert not warehouse.exists("predictions.returns")


def test_a_model_that_fails_half_way_leaves_the_old_predictions(warehouse: DuckDBWarehouse) -> None:
    predict_days(shop.use_case(), shop.days(10), warehouse, release(), ByAmount())
    before = predicted(warehouse)
    with pytest.raises(DataError, match=release("cd").version):
        predict_days(shop.use_case(), shop.days(10), warehouse, release("cd"), Broken())
    assert predicted(warehouse).equals(before)


def test_a_release_that_needs_a_feature_no_longer_declared_is_refused(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(SchemaMismatchError, match="colour"):
        predict_days(
            shop.use_case(), shop.days(1), warehouse, release(names=("amount", "colour")), ByAmount()
        )
    assert not warehouse.exists("predictions.returns")


def test_a_column_that_the_events_lack_and_a_missing_declaration_are_told(warehouse: DuckDBWarehouse) -> None:
    (declared,) = shop.use_case().batch_predictions
    wrong = shop.use_case(batch_predictions=(declared.model_copy(update={"columns": ("colour",)}),))
    with pytest.raises(SchemaMismatchError, match="colour"):
        predict_days(wrong, shop.days(1), warehouse, release(), ByAmount())
    with pytest.raises(ConfigurationError, match="batch_prediction"):
        predict_days(shop.use_case(batch_predictions=()), shop.days(1), warehouse, release(), ByAmount())


def test_a_real_model_scores_as_it_does_in_memory(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    import xgboost

    orders = shop.orders(10)
    table = orders.append_column("at_night", shop.rush(orders).column(0)).select(NAMES)
    matrix = table.to_pandas().astype("float32")
    labels = orders.column("amount").to_numpy() > 60
    booster = xgboost.train(
        {"objective": "binary:logistic", "seed": 0}, xgboost.DMatrix(matrix, labels), num_boost_round=5
    )
    XGBoostModel(booster).save(tmp_path / "model")
    model = XGBoostModel.load(tmp_path / "model")
    predict_days(shop.use_case(), shop.days(10), warehouse, release(), model)
    np.testing.assert_array_equal(
        predicted(warehouse).column("score").to_numpy(), model.predict(table)["score"].to_numpy()
    )
