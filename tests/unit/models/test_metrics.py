import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from ml_platform.models.evaluation.metrics import (
    calibration_curve,
    card_precision_at_k,
    evaluate,
    expected_calibration_error,
    workload_table,
)
from ml_platform.models.training.data import TestData


def rows(labels, days=None, cards=None, known=None):
    n = len(labels)
    return TestData(
        features=pa.table({"x": np.zeros(n)}),
        labels=np.array(labels, dtype=np.int8),
        days=np.array(days if days is not None else np.zeros(n), dtype=np.int64),
        cards=None if cards is None else np.array(cards, dtype=np.int64),
        known=np.array(known if known is not None else np.zeros(n), dtype=np.bool_),
    )


def test_card_precision_counts_cards_once_a_day_by_their_highest_score():
    test = rows(
        labels=[0, 1, 0, 1, 0, 0],
        days=[5, 5, 5, 5, 5, 5],
        cards=[1, 1, 2, 3, 3, 4],
    )
    # Card 1: 0.9, fraud (of its lower payment). Card 2: 0.8. Card 3: 0.7, fraud. Card 4: 0.1.
    scores = np.array([0.9, 0.2, 0.8, 0.1, 0.7, 0.1])
    assert card_precision_at_k(scores, test, 2) == [1 / 2]
    assert card_precision_at_k(scores, test, 3) == [2 / 3]
    assert card_precision_at_k(scores, test, 8) == [2 / 8], "k counts also when there are fewer cards"


def test_card_precision_removes_cards_that_are_known_or_were_found_on_an_earlier_day():
    test = rows(
        labels=[1, 1, 1, 0, 1],
        days=[1, 1, 2, 2, 2],
        cards=[1, 2, 1, 3, 4],
        known=[0, 1, 0, 0, 0],
    )
    scores = np.array([0.9, 0.95, 0.9, 0.8, 0.7])
    # Day 1: card 2 is known, so card 1 is found. Day 2: card 1 was found, so card 3 comes first.
    assert card_precision_at_k(scores, test, 1) == [1.0, 0.0]
    assert evaluate(scores, test, 1)["card_precision_at_1"] == 0.5


def plain_card_precision(frame, k):
    """The handbook's definition, step by step."""
    found, precisions = set(), []
    for _, day in frame[~frame.known].groupby("day"):
        cards = day[~day.card.isin(found)].groupby("card")[["score", "label"]].max()
        top = cards.sort_values("score", ascending=False, kind="stable").head(k)
        hits = top[top.label == 1]
        found |= set(hits.index)
        precisions.append(len(hits) / k)
    return precisions


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 12))
def test_card_precision_is_the_handbooks(seed, k):
    rng = np.random.default_rng(seed)
    n = 120
    frame = pd.DataFrame(
        {
            "day": rng.integers(0, 4, n),
            "card": rng.integers(0, 25, n),
            "label": (rng.random(n) < 0.2).astype(np.int8),
            "known": rng.random(n) < 0.1,
            "score": rng.random(n).round(1),  # with ties
        }
    )
    test = rows(frame.label, frame.day, frame.card, frame.known)
    days_left = frame[~frame.known].day.unique()
    by_day = dict(
        zip(np.unique(frame.day), card_precision_at_k(frame.score.to_numpy(), test, k), strict=True)
    )
    assert [by_day[day] for day in sorted(days_left)] == plain_card_precision(frame, k)


def test_threshold_free_metrics_are_those_of_their_definitions():
    labels, scores = [0, 0, 1, 1], np.array([0.1, 0.4, 0.35, 0.8])
    found = evaluate(scores, rows(labels), 10)
    assert found["auc"] == 0.75, "three of the four pairs are in order"
    assert found["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found["brier"] == pytest.approx((0.01 + 0.16 + 0.65**2 + 0.04) / 4)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.35, 0.8]).mean())
    assert "card_precision_at_10" not in found, "the rows have no cards"


def test_metrics_of_unknown_cards_leave_reported_cards_out():
    rng = np.random.default_rng(1)
    labels, scores, known = rng.integers(0, 2, 40), rng.random(40), rng.random(40) < 0.5
    found = evaluate(scores, rows(labels, cards=np.arange(40), known=known), 5)
    assert found["auc_unknown_cards"] == roc_auc_score(labels[~known], scores[~known])
    assert found["average_precision_unknown_cards"] == average_precision_score(labels[~known], scores[~known])
    assert found["auc"] == roc_auc_score(labels, scores)


def test_metrics_of_unknown_cards_are_left_out_when_they_have_one_class():
    found = evaluate(np.array([0.1, 0.9]), rows([0, 1], cards=[1, 2], known=[0, 1]), 1)
    assert "auc_unknown_cards" not in found
    assert found["auc"] == 1


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


def test_workload_table_gives_the_threshold_for_a_number_of_alerts_a_day():
    test = rows(labels=[1, 0, 1, 0, 0, 0, 0, 1], days=[1, 1, 1, 1, 2, 2, 2, 2])
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    assert workload_table(scores, test, (1, 2, 100)) == [
        {"alerts_per_day": 1, "threshold": 0.8, "precision": 1 / 2, "recall": 1 / 3},
        {"alerts_per_day": 2, "threshold": 0.6, "precision": 2 / 4, "recall": 2 / 3},
    ]


def test_tied_scores_are_all_alerts():
    (only,) = workload_table(np.array([0.9, 0.5, 0.5, 0.1]), rows([1, 0, 1, 0]), (2,))
    assert only == {"alerts_per_day": 3, "threshold": 0.5, "precision": 2 / 3, "recall": 1}
