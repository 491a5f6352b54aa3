from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import shop

from ml_platform.monitoring.drift import population_stability_index, score_distribution, score_drift
from ml_platform.warehouse.duckdb import DuckDBWarehouse

SHARES = st.lists(st.floats(0.001, 1), min_size=2, max_size=10).map(lambda x: [v / sum(x) for v in x])


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
    even = score_distribution(np.linspace(0, 1, 1001))
    np.testing.assert_allclose(even.shares, 0.1, atol=0.002)
    tied = score_distribution(np.array([0.0] * 900 + [0.5] * 100))
    assert len(tied.shares) == len(tied.edges) + 1 == 2
    np.testing.assert_allclose(tied.shares, [0.9, 0.1])


def fill(warehouse: DuckDBWarehouse, day: date, scores: np.ndarray, release: str = "r1") -> None:
    n = len(scores)
    rows = pa.table({"score": scores, "release": [release] * n, "day": pa.array([day] * n, pa.date32())})
    shop.fill(warehouse, "predictions.returns", rows)


def test_the_same_population_passes_and_a_shifted_one_warns(tmp_path: Path) -> None:
    warehouse, random = DuckDBWarehouse(tmp_path / "w.duckdb"), np.random.default_rng(0)
    reference = score_distribution(random.beta(1, 20, 5000))
    first, second = shop.days(2)
    fill(warehouse, first, random.beta(1, 20, 5000))
    fill(warehouse, second, random.beta(2, 20, 5000))
    same = score_drift(shop.use_case(), warehouse, reference, "r1", [first])
    assert same.passed
    assert same.metadata["psi"] < 0.02
    shifted = score_drift(shop.use_case(), warehouse, reference, "r1", [second])
    assert (shifted.passed, shifted.severity, shifted.blocking) == (False, "WARN", False)
    assert shifted.metadata["rows"] == 5000


def test_few_rows_or_those_of_another_release_are_not_judged(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    reference = score_distribution(np.linspace(0, 1, 1000))
    fill(warehouse, shop.days(1)[0], np.full(999, 0.99))
    for release, days in (("r1", shop.days(1)), ("r2", shop.days(1)), ("r1", [])):
        outcome = score_drift(shop.use_case(), warehouse, reference, release, days)
        assert outcome.passed
        assert "too few" in outcome.description
