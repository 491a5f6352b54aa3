from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import problems, shop

from ml_platform.models.tasks.base import task
from ml_platform.models.tasks.bins import equal_mass_bins
from ml_platform.monitoring.drift import population_stability_index, prediction_drift
from ml_platform.monitoring.served import Served
from ml_platform.use_case import Model
from ml_platform.warehouse.base import Query
from ml_platform.warehouse.duckdb import DuckDBWarehouse

SHARES = st.lists(st.floats(0.001, 1), min_size=2, max_size=10).map(lambda x: [v / sum(x) for v in x])
START = datetime.combine(shop.FIRST_DAY, datetime.min.time(), UTC)
DAY = timedelta(days=1)


def test_the_index_is_the_published_formula() -> None:
    expected, actual = [0.5, 0.3, 0.2], [0.4, 0.4, 0.2]
    by_hand = (0.4 - 0.5) * np.log(0.4 / 0.5) + (0.4 - 0.3) * np.log(0.4 / 0.3)
    assert population_stability_index(expected, actual) == pytest.approx(by_hand)


@given(SHARES)
def test_equal_shares_have_an_index_of_zero_and_others_a_positive_one(shares: list[float]) -> None:
    assert population_stability_index(shares, shares) == 0
    assert population_stability_index(shares, shares[1:] + shares[:1]) >= 0


def test_an_empty_bin_is_large_and_finite() -> None:
    assert 1 < population_stability_index([0.5, 0.5], [1.0, 0.0]) < 10


def test_bins_have_equal_mass_and_ties_share_one() -> None:
    even = equal_mass_bins(np.linspace(0, 1, 1001))
    np.testing.assert_allclose(even.shares, 0.1, atol=0.002)
    tied = equal_mass_bins(np.array([0.0] * 900 + [0.5] * 100))
    assert len(tied.shares) == len(tied.edges) + 1 == 2
    np.testing.assert_allclose(tied.shares, [0.9, 0.1])


def served(kind: str = "binary") -> Served:
    rows = Query("SELECT * FROM predictions.returns", {})
    return Served("predictions.returns", rows, shop.use_case().data, Model(train=print, task=kind))


def fill(warehouse: DuckDBWarehouse, number: int, predictions: pa.Table, release: str = "r1") -> None:
    n, day = predictions.num_rows, shop.days(1, start=number)[0]
    rows = predictions.append_column("release", pa.array([release] * n))
    rows = rows.append_column("day", pa.array([day] * n, pa.date32()))
    times = pa.array([START + number * DAY] * n, pa.timestamp("us", tz="UTC"))
    shop.fill(warehouse, "predictions.returns", rows.append_column("occurred_at", times))


def scores(values: np.ndarray) -> pa.Table:
    return task("binary").predictions(values, ())


def test_the_same_population_passes_and_a_shifted_one_warns(tmp_path: Path) -> None:
    warehouse, random = DuckDBWarehouse(tmp_path / "w.duckdb"), np.random.default_rng(0)
    reference = task("binary").distribution(scores(random.beta(1, 20, 5000)))
    fill(warehouse, 0, scores(random.beta(1, 20, 5000)))
    fill(warehouse, 1, scores(random.beta(2, 20, 5000)))
    same = prediction_drift(served(), warehouse, reference, "r1", first=START, end=START + DAY)
    assert same.passed
    assert same.metadata["psi"] < 0.02
    shifted = prediction_drift(served(), warehouse, reference, "r1", first=START + DAY, end=START + 2 * DAY)
    assert (shifted.passed, shifted.severity, shifted.blocking) == (False, "WARN", False)
    assert shifted.metadata["rows"] == 5000


@pytest.mark.parametrize("kind", ["multiclass", "regression", "embedding"])
def test_other_predictions_drift_too(kind: str, tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    predictions = problems.predictions(kind, 3000)
    reference = task(kind).distribution(predictions)
    fill(warehouse, 0, problems.predictions(kind, 3000, seed=5))
    same = prediction_drift(served(kind), warehouse, reference, "r1", first=START, end=START + DAY)
    assert same.passed, same.description
    first = predictions.column(0).to_pylist()
    other = {
        "multiclass": lambda: ["loans" if name == "other" else name for name in first],
        "regression": lambda: [value * 1.5 for value in first],
        "embedding": lambda: [[x * 1.5 for x in vector] for vector in first],
    }[kind]()
    changed = predictions.set_column(0, predictions.field(0), pa.array(other, predictions.field(0).type))
    fill(warehouse, 0, changed)
    assert not prediction_drift(served(kind), warehouse, reference, "r1", first=START, end=START + DAY).passed


def test_few_rows_or_those_of_another_release_are_not_judged(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    reference = task("binary").distribution(scores(np.linspace(0, 1, 1000)))
    fill(warehouse, 0, scores(np.full(999, 0.99)))
    for release, end in (("r1", START + DAY), ("r2", START + DAY), ("r1", START)):
        outcome = prediction_drift(served(), warehouse, reference, release, first=START, end=end)
        assert outcome.passed
        assert "too few" in outcome.description
    assert prediction_drift(served(), warehouse, None, "r1", first=START, end=START + DAY).passed
