import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.models.evaluation.calibration import calibration_curve, expected_calibration_error
from ml_platform.models.tasks.base import task


def test_threshold_free_metrics_are_those_of_their_definitions():
    labels, scores = np.array([0, 0, 1, 1], dtype=np.int8), np.array([0.1, 0.4, 0.35, 0.8])
    found = task("binary").metrics(task("binary").predictions(scores, ()), labels, ())
    assert found["auc"] == 0.75, "three of the four pairs are in order"
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.16 + 0.65**2 + 0.04) / 4)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean())


def test_calibration_error_is_the_mean_distance_over_bins_of_equal_mass():
    scores = np.array([0.1, 0.2, 0.6, 0.8])
    labels = np.array([0, 0, 1, 1], dtype=np.int8)
    # Two bins: predicted 0.15 and 0.7, observed 0 and 1.
    assert expected_calibration_error(scores, labels, bins=2) == pytest.approx((0.15 + 0.3) / 2)


def test_equal_scores_share_a_calibration_bin():
    predicted, observed, counts = calibration_curve(np.full(100, 0.25), np.arange(100) % 4 == 0)
    assert (predicted.tolist(), observed.tolist(), counts.tolist()) == ([0.25], [0.25], [100])


@settings(max_examples=50, deadline=None)
@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=80), bins=st.integers(1, 25))
def test_calibration_bins_hold_every_row_once(scores, bins):
    values = np.array(scores)
    predicted, _, counts = calibration_curve(values, np.zeros(len(values), dtype=np.int8), bins)
    assert counts.sum() == len(values)
    assert len(counts) <= bins
    assert (predicted * counts).sum() == pytest.approx(values.sum(), abs=1e-9)
