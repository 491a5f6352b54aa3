from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import labelled
from sklearn.metrics import average_precision_score, roc_auc_score

from assets.card_fraud.metrics import (
    Cards,
    auc_unknown_cards,
    average_precision_unknown_cards,
    card_precision,
    card_precision_at_k,
    cards_of,
    workload_table,
)
from assets.card_fraud.plots import threshold_workload
from ml_platform.models.training.data import TestData


def labelled_payments():
    """Thirty days of labelled rows, named as payments."""
    names = [
        "payment_id",
        "occurred_at",
        "customer_id",
        "weight",
        "distance",
        "is_fraud",
        "is_fraud_available_at",
    ]
    return labelled.parcels().rename_columns(names)


def window(table, days=4):
    """Test rows: some days before the newest labels' delay, and what came before them."""
    end = labelled.START + timedelta(days=27)
    start = end - timedelta(days=days)
    at = table["occurred_at"]
    rows = table.filter(pc.and_(pc.greater_equal(at, pa.scalar(start)), pc.less(at, pa.scalar(end))))
    earlier = table.filter(pc.less(at, pa.scalar(start)))
    labels = rows["is_fraud"].to_numpy().astype(np.int8)
    return TestData(rows.select(["weight"]), labels, (), rows, earlier, start, end)


def rows(labels, days=None, cards=None, known=None):
    n = len(labels)
    return np.array(labels, dtype=np.int8), Cards(
        np.array(days if days is not None else np.zeros(n), dtype=np.int64),
        np.array(cards, dtype=np.int64),
        np.array(known if known is not None else np.zeros(n), dtype=np.bool_),
    )


def precision(scores, test, k):
    labels, cards = test
    return card_precision_at_k(scores, labels, cards, k)


def test_card_precision_counts_cards_once_a_day_by_their_highest_score():
    test = rows(
        labels=[0, 1, 0, 1, 0, 0],
        days=[5, 5, 5, 5, 5, 5],
        cards=[1, 1, 2, 3, 3, 4],
    )
    # Card 1: 0.9, fraud (of its lower payment). Card 2: 0.8. Card 3: 0.7, fraud. Card 4: 0.1.
    scores = np.array([0.9, 0.2, 0.8, 0.1, 0.7, 0.1])
    assert precision(scores, test, 2) == [1 / 2]
    assert precision(scores, test, 3) == [2 / 3]
    assert precision(scores, test, 8) == [2 / 8], "k counts also when there are fewer cards"


def test_card_precision_removes_cards_that_are_known_or_were_found_on_an_earlier_day():
    test = rows(
        labels=[1, 1, 1, 0, 1],
        days=[1, 1, 2, 2, 2],
        cards=[1, 2, 1, 3, 4],
        known=[0, 1, 0, 0, 0],
    )
    scores = np.array([0.9, 0.95, 0.9, 0.8, 0.7])
    # Day 1: card 2 is known, so card 1 is found. Day 2: card 1 was found, so card 3 comes first.
    assert precision(scores, test, 1) == [1.0, 0.0]


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


@settings(max_examples=15, deadline=None)
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
    by_day = dict(zip(np.unique(frame.day), precision(frame.score.to_numpy(), test, k), strict=True))
    assert [by_day[day] for day in sorted(days_left)] == plain_card_precision(frame, k)


def test_metrics_of_unknown_cards_leave_reported_cards_out():
    table = labelled_payments()
    test = window(table)
    scores = np.random.default_rng(1).random(test.rows.num_rows)
    predictions = pa.table({"score": scores})
    unknown = ~cards_of(test).known
    assert 0 < unknown.sum() < len(unknown)
    labels = test.labels[unknown]
    assert auc_unknown_cards(predictions, test) == roc_auc_score(labels, scores[unknown])
    expected = average_precision_score(labels, scores[unknown])
    assert average_precision_unknown_cards(predictions, test) == expected


def test_metrics_of_unknown_cards_are_not_defined_on_one_class():
    test = window(labelled_payments())
    honest = test.filter(test.labels == 0)
    predictions = pa.table({"score": np.linspace(0, 1, honest.rows.num_rows)})
    assert auc_unknown_cards(predictions, honest) is None
    assert average_precision_unknown_cards(predictions, honest) is None


@pytest.mark.parametrize("known_days", [4, 7])
def test_a_card_is_known_from_its_report_on(known_days):
    table = labelled_payments()
    test = window(table)
    since = test.start - timedelta(days=known_days)
    reports = [(r["customer_id"], r["is_fraud_available_at"]) for r in table.to_pylist() if r["is_fraud"]]
    expected = []
    for row in test.rows.to_pylist():
        day = row["occurred_at"].replace(hour=0, minute=0, second=0, microsecond=0)
        expected.append(any(card == row["customer_id"] and since < at <= day for card, at in reports))
    assert cards_of(test, known_days).known.tolist() == expected
    assert 0 < sum(expected) < len(expected)


def test_known_cards_are_the_handbooks_when_each_fraud_is_reported_after_the_delay():
    delay, train_days = timedelta(days=3), 10
    table = labelled_payments()
    reported = pc.if_else(
        pc.equal(table["is_fraud"], 1), pc.add(table["occurred_at"], pa.scalar(delay)), None
    )
    table = table.set_column(table.num_columns - 1, "is_fraud_available_at", reported)
    test = window(table)
    train_end = test.start - delay
    frauds = [row for row in table.to_pylist() if row["is_fraud"]]
    expected = []
    for row in test.rows.to_pylist():
        # The feedback of a day is there the delay later, before the next day starts.
        last = row["occurred_at"].date() - timedelta(days=4)
        train_start = train_end - timedelta(days=train_days)
        in_train = {r["customer_id"] for r in frauds if train_start <= r["occurred_at"] < train_end}
        since = {
            r["customer_id"]
            for r in frauds
            if train_end <= r["occurred_at"] and r["occurred_at"].date() <= last
        }
        expected.append(row["customer_id"] in in_train | since)
    assert cards_of(test, train_days).known.tolist() == expected


def test_workload_table_gives_the_threshold_for_a_number_of_alerts_a_day():
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])
    assert workload_table(scores, np.array([1, 0, 1, 0, 0, 0, 0, 1]), 2, (1, 2, 100)) == [
        {"alerts_per_day": 1, "threshold": 0.8, "precision": 1 / 2, "recall": 1 / 3},
        {"alerts_per_day": 2, "threshold": 0.6, "precision": 2 / 4, "recall": 2 / 3},
    ]


def test_tied_scores_are_all_alerts():
    (only,) = workload_table(np.array([0.9, 0.5, 0.5, 0.1]), np.array([1, 0, 1, 0]), 1, (2,))
    assert only == {"alerts_per_day": 3, "threshold": 0.5, "precision": 2 / 3, "recall": 1}


def test_the_metric_is_the_mean_over_the_days_and_the_plot_a_picture():
    test = window(labelled_payments())
    scores = np.random.default_rng(1).random(test.rows.num_rows)
    predictions = pa.table({"score": scores})
    by_day = card_precision_at_k(scores, test.labels, cards_of(test), 100)
    assert len(by_day) == 4
    assert card_precision(predictions, test) == np.mean(by_day)
    assert threshold_workload(predictions, test).startswith(b"\x89PNG")
    assert threshold_workload(predictions, test) == threshold_workload(predictions, test)
    few = test.filter(np.arange(test.rows.num_rows) < 3)
    assert threshold_workload(predictions.slice(0, 3), few).startswith(b"\x89PNG"), "fewer rows than alerts"
