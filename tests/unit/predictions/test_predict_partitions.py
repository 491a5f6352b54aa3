"""Batch predictions: the champion's and the shadows' rows, by partition and release."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from samples import shop
from samples.scorers import NAMES, breaks, by_amount, by_items, scorer

from ml_platform.cadence import Cadence
from ml_platform.errors import ConfigurationError, DataError, NotFoundError, SchemaMismatchError
from ml_platform.models.frameworks.xgboost import XGBoostModel
from ml_platform.predictions.batch import Predicted, predict_partitions, windows_of
from ml_platform.predictions.scorers import Scorer, Scorers
from ml_platform.predictions.table import BatchScoring, batch_scoring, serving_sql
from ml_platform.use_case import BatchPrediction, Dataset, UseCase
from ml_platform.warehouse.duckdb import DuckDBWarehouse

COLUMNS = [
    *("order_id", "occurred_at", "buyer_id", "amount", "score"),
    *("model", "stage", "release", "promotion", "day"),
]
A, B = scorer("ab"), scorer("cd", promotion=2)
SHADOW = scorer("ef", by_items, stage="trial", promotion=5)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    shop.fill(warehouse, "shop.orders", shop.orders(10))
    return warehouse


def scoring(use_case: UseCase | None = None) -> BatchScoring:
    use_case = use_case or shop.use_case()
    return batch_scoring(use_case, use_case.batch_predictions[0])


def keys(n: int, start: int = 0) -> list[str]:
    return [day.isoformat() for day in shop.days(n, start)]


def predict(
    warehouse: DuckDBWarehouse,
    wanted: list[str],
    champion: Scorer = A,
    *shadows: Scorer,
    of: BatchScoring | None = None,
    cadence: Cadence = Cadence.DAILY,
) -> Predicted:
    return predict_partitions(of or scoring(), cadence, wanted, warehouse, Scorers(champion, shadows))


def predicted(warehouse: DuckDBWarehouse, where: str = "true") -> pa.Table:
    return warehouse.table(
        f"SELECT * FROM predictions.returns WHERE {where} ORDER BY occurred_at, order_id, stage"
    )


def counted(warehouse: DuckDBWarehouse, *columns: str) -> dict[Any, int]:
    names = ", ".join(columns)
    rows = warehouse.table(f"SELECT {names}, count(*) AS n FROM predictions.returns GROUP BY ALL").to_pylist()
    return {tuple(row[c] for c in columns): row["n"] for row in rows}


def serving(warehouse: DuckDBWarehouse, of: BatchScoring | None = None) -> set[tuple[str, str]]:
    query = serving_sql(of or scoring(), Cadence.DAILY, warehouse.dialect)
    rows = warehouse.table(f"SELECT DISTINCT day, release FROM ({query.sql})", query.parameters).to_pylist()
    return {(row["day"].isoformat(), row["release"]) for row in rows}


def test_each_event_has_a_prediction_that_says_who_gave_it_and_as_what(warehouse: DuckDBWarehouse) -> None:
    made = predict(warehouse, keys(3))
    assert [(p.key, p.rows, p.release) for p in made.champion] == [
        (k, 40, A.release.version) for k in keys(3)
    ]
    rows = predicted(warehouse)
    assert rows.column_names == COLUMNS
    source = shop.orders(10).slice(0, 120)
    assert rows.column("order_id").to_pylist() == source.column("order_id").to_pylist()
    night = np.array([t.hour < 6 for t in source.column("occurred_at").to_pylist()])
    np.testing.assert_allclose(
        rows.column("score").to_numpy(), source.column("amount").to_numpy() / 1000 + 0.001 * night
    )
    assert counted(warehouse, "model", "stage", "release", "promotion") == {
        ("returns/model", "champion", A.release.version, 1): 120
    }
    assert rows.column("day").to_pylist() == source.column("day").to_pylist()


def test_scoring_again_changes_nothing_and_another_release_is_added(warehouse: DuckDBWarehouse) -> None:
    first = predict(warehouse, keys(3))
    before = predicted(warehouse)
    assert predict(warehouse, keys(3)) == first
    assert predicted(warehouse).equals(before)
    second = predict(warehouse, keys(1, start=1), B)
    assert second.champion[0].version != first.champion[1].version
    assert counted(warehouse, "release") == {(A.release.version,): 120, (B.release.version,): 40}
    assert predicted(warehouse, f"release = '{A.release.version}'").equals(before)


def test_the_newest_promotion_serves_in_each_partition(warehouse: DuckDBWarehouse) -> None:
    a, b = A.release.version, B.release.version
    days = keys(3)
    predict(warehouse, days)
    predict(warehouse, days[1:2], B, SHADOW)
    assert serving(warehouse) == {(days[0], a), (days[1], b), (days[2], a)}
    back = scorer("ab", promotion=3)  # rolled back to
    predict(warehouse, days[1:2], back)
    assert serving(warehouse) == {(day, a) for day in days}
    assert counted(warehouse, "release", "promotion")[(a, 3)] == 40


def test_partitions_at_once_or_one_by_one_are_the_same(warehouse: DuckDBWarehouse) -> None:
    at_once = predict(warehouse, keys(4), A, SHADOW)
    rows = predicted(warehouse)
    singly = [predict(warehouse, [key], A, SHADOW) for key in reversed(keys(4))]
    assert sorted((p for made in singly for p in made.champion), key=lambda p: p.key) == at_once.champion
    assert predicted(warehouse).equals(rows)


def test_a_partition_without_events_is_empty_and_one_that_lost_them_is_emptied(
    warehouse: DuckDBWarehouse,
) -> None:
    made = predict(warehouse, [*keys(2), "2030-01-01"])
    assert [p.rows for p in made.champion] == [40, 40, 0]
    warehouse.execute(f"DELETE FROM shop.orders WHERE day = DATE '{keys(1)[0]}'")
    assert predict(warehouse, keys(1)).champion[0].rows == 0
    assert counted(warehouse, "day") == {(shop.days(2)[1],): 40}


def test_no_partitions_no_work(warehouse: DuckDBWarehouse) -> None:
    assert predict(warehouse, []) == Predicted([])
    assert not warehouse.exists("predictions.returns")


def test_shadows_score_the_same_events_in_one_pass_over_the_features(
    warehouse: DuckDBWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    read = DuckDBWarehouse.read

    def noted(self: DuckDBWarehouse, sql: str, *more: Any, **options: Any) -> Any:
        asked.append(sql)
        return read(self, sql, *more, **options)

    monkeypatch.setattr(DuckDBWarehouse, "read", noted)
    made = predict(warehouse, keys(2), A, SHADOW, scorer("99", stage="second", promotion=7))
    assert sum('"shop"."orders"' in sql for sql in asked) == 1
    assert {stage: [p.rows for p in found] for stage, found in made.shadows.items()} == {
        "trial": [40, 40],
        "second": [40, 40],
    }
    assert made.failed == {}
    assert counted(warehouse, "stage", "promotion") == {
        ("champion", 1): 80,
        ("trial", 5): 80,
        ("second", 7): 80,
    }
    trial = predicted(warehouse, "stage = 'trial'")
    np.testing.assert_allclose(
        trial.column("score").to_numpy(), shop.orders(10).slice(0, 80).column("items").to_numpy() / 10
    )
    assert serving(warehouse) == {(key, A.release.version) for key in keys(2)}


def test_a_shadows_rows_never_delete_the_champions(warehouse: DuckDBWarehouse) -> None:
    predict(warehouse, keys(2))
    champions = predicted(warehouse)
    was_champion = scorer("ab", stage="trial", promotion=1)
    predict(warehouse, keys(2), B, was_champion)
    assert predicted(warehouse, f"stage = 'champion' AND release = '{A.release.version}'").equals(champions)
    assert counted(warehouse, "stage", "release") == {
        ("champion", A.release.version): 80,
        ("champion", B.release.version): 80,
        ("trial", A.release.version): 80,
    }


@pytest.mark.parametrize(
    ("shadow", "says"),
    [
        (scorer("ef", breaks, stage="trial"), "some are not finite"),
        (scorer("ef", lambda features: features.column("no_such"), stage="trial"), "no_such"),
        (scorer("ef", stage="trial", names=("amount", "colour")), "colour"),
        (scorer("ef", lambda features: pa.table({"amount": [0.5] * len(features)}), stage="trial"), "score"),
    ],
    ids=["half way", "at once", "a feature is gone", "other columns"],
)
def test_a_shadow_that_fails_is_told_and_never_stops_the_champion(
    warehouse: DuckDBWarehouse, shadow: Scorer, says: str
) -> None:
    made = predict(warehouse, keys(10), A, shadow, scorer("99", stage="second"))
    assert [p.rows for p in made.champion] == [40] * 10
    assert list(made.shadows) == ["second"]
    assert says in made.failed["trial"]
    assert shadow.release.version in made.failed["trial"]
    assert counted(warehouse, "stage") == {("champion",): 400, ("second",): 400}


def test_a_champion_that_fails_half_way_leaves_the_old_predictions(warehouse: DuckDBWarehouse) -> None:
    predict(warehouse, keys(10), A, SHADOW)
    before = predicted(warehouse)
    broken = scorer("cd", breaks)
    with pytest.raises(DataError, match=rf"{broken.release.version} for 400 events.*roll it back"):
        predict(warehouse, keys(10), broken, SHADOW)
    assert predicted(warehouse).equals(before)


def test_a_release_that_needs_a_feature_no_longer_declared_is_refused(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(SchemaMismatchError, match="colour"):
        predict(warehouse, keys(1), scorer(names=("amount", "colour")))
    assert not warehouse.exists("predictions.returns")


def declared(**changes: object) -> BatchScoring:
    prediction = shop.use_case().batch_predictions[0].model_copy(update=changes)
    return scoring(shop.use_case(batch_predictions=(prediction,)))


def test_columns_that_cannot_be_carried_are_told(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(SchemaMismatchError, match=r"carries \['colour'\].*choose among"):
        predict(warehouse, keys(1), of=declared(columns=("colour",)))
    with pytest.raises(ConfigurationError, match=r"\['stage'\].*rename them"):
        declared(columns=("stage",))
    warehouse.execute("ALTER TABLE shop.orders ADD COLUMN score DOUBLE DEFAULT 1")
    clashing = shop.use_case().dataset
    assert clashing
    of = shop.use_case(
        dataset=clashing.model_copy(update={"keys": ("buyer_id", "score")}),
        batch_predictions=(BatchPrediction(relation="predictions.returns", columns=("score",)),),
    )
    with pytest.raises(SchemaMismatchError, match=r"\['score'\], which are columns of a prediction"):
        predict(warehouse, keys(1), of=scoring(of))
    assert not warehouse.exists("predictions.returns")


@pytest.mark.parametrize(
    ("cadence", "wanted", "rows"),
    [
        (Cadence.HOURLY, ["2018-04-01T00", "2018-04-01T03", "2018-04-01T04"], {0: 2, 3: 1, 4: 2}),
        (Cadence.WEEKLY, ["2018-03-26", "2018-04-02"], {0: 40, 1: 280}),
    ],
)
def test_windows_come_from_the_cadences_keys(
    warehouse: DuckDBWarehouse, cadence: Cadence, wanted: list[str], rows: dict[int, int]
) -> None:
    made = predict(warehouse, wanted, cadence=cadence)
    assert [p.key for p in made.champion] == wanted
    assert [p.rows for p in made.champion] == list(rows.values())
    column = f'"{cadence.column}"'
    found = warehouse.table(f"SELECT DISTINCT {column} AS k FROM predictions.returns ORDER BY k")
    assert [cadence.key_of(value) for value in found.column("k").to_pylist()] == wanted
    assert predict(warehouse, wanted, cadence=cadence) == made


def test_a_population_is_scored_at_the_first_instant_of_each_partition(warehouse: DuckDBWarehouse) -> None:
    shop.fill(warehouse, "shop.orders", shop.orders(15))
    mondays, scorers = ["2018-04-02", "2018-04-09"], Scorers(A)
    made = predict_partitions(scoring(), Cadence.WEEKLY, mondays, warehouse, scorers, instant=True)
    assert [p.rows for p in made.champion] == [1, 1]
    at = predicted(warehouse).column("occurred_at").to_pylist()
    assert at == [datetime(2018, 4, day, tzinfo=UTC) for day in (2, 9)]


def test_neighbouring_partitions_are_one_window() -> None:
    start, hour = datetime(2018, 4, 1, tzinfo=UTC), timedelta(hours=1)
    found = windows_of(Cadence.HOURLY, ["2018-04-01T03", "2018-04-01T00", "2018-04-01T01"])
    assert found == [(start, start + 2 * hour), (start + 3 * hour, start + 4 * hour)]


def test_another_use_cases_model_scores_this_ones_events(warehouse: DuckDBWarehouse) -> None:
    shop.fill(warehouse, "shop.web_orders", shop.orders(2, seed=3))
    owner = shop.use_case(name="elsewhere")
    dataset = owner.data.model_copy(update={"events": "shop.web_orders", "label": None})
    prediction = BatchPrediction(model="elsewhere/model", relation="predictions.web", columns=("buyer_id",))
    for own in (dataset, None):
        content = {"dataset": own, "models": (), "batch_predictions": (prediction,), "name": "web"}
        use_case = shop.use_case(**content)
        of = batch_scoring(use_case, prediction, {"elsewhere": owner})
        assert of.name == "elsewhere/model"
        made = predict(warehouse, keys(2), scorer(use_case="elsewhere"), of=of)
        assert [p.rows for p in made.champion] == [40, 40]
    stated = warehouse.table("SELECT DISTINCT model FROM predictions.web")
    assert stated.column("model").to_pylist() == ["elsewhere/model"]


def test_what_another_use_case_must_have_is_told() -> None:
    owner = shop.use_case(name="elsewhere")
    narrow = Dataset(events="shop.web_orders", id="order_id", features=("amount",))
    prediction = BatchPrediction(model="elsewhere/model", relation="predictions.web")
    use_case = shop.use_case(name="web", dataset=narrow, models=(), batch_predictions=(prediction,))
    with pytest.raises(ConfigurationError, match=r"lacks the features \['items'\]"):
        batch_scoring(use_case, prediction, {"elsewhere": owner})
    with pytest.raises(NotFoundError, match="no use case 'elsewhere'"):
        batch_scoring(use_case, prediction)
    with pytest.raises(NotFoundError, match="no model 'second'"):
        batch_scoring(
            use_case, prediction.model_copy(update={"model": "elsewhere/second"}), {"elsewhere": owner}
        )


def test_texts_and_other_tasks_pass_through(warehouse: DuckDBWarehouse) -> None:
    teams = ("cards", "loans")

    def team(features: pa.Table) -> pa.Table:
        named = [teams[buyer == "b1"] for buyer in features.column("buyer_id").to_pylist()]
        sure = pa.array([1.0] * len(named))
        return pa.table(
            {"predicted": named, "score_cards": sure, "score_loans": pa.array([0.0] * len(named))}
        )

    dataset = shop.use_case().data.model_copy(
        update={"features": ("amount", "items", "buyer_id"), "keys": ()}
    )
    of = scoring(shop.use_case(dataset=dataset))
    made = predict(warehouse, keys(1), scorer(predict=team, names=("buyer_id",), task="multiclass"), of=of)
    assert made.champion[0].rows == 40
    assert counted(warehouse, "predicted").keys() <= {("cards",), ("loans",)}


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
    predict(warehouse, keys(10), scorer(predict=model.predict))
    np.testing.assert_array_equal(
        predicted(warehouse).column("score").to_numpy(), model.predict(table).column("score").to_numpy()
    )
    assert by_amount(table).num_rows == 400
