"""Metrics of a model as investigators of card fraud measure it: by the cards that they can check a day.

Source: A. Dal Pozzolo, G. Boracchi, O. Caelen, C. Alippi, G. Bontempi, *Credit Card Fraud Detection: A Realistic
Modeling and a Novel Learning Strategy*, IEEE TNNLS 29(8), 2018, as Y.-A. Le Borgne, W. Siblini, B. Lebichot, G.
Bontempi made it reproducible in the *Practical Handbook* (2022), chapter 4.4.

A card is a customer here. It is known to be compromised from its report on, for reports of the last :data:`KNOWN_DAYS`
days before the test window and in it: a reported card is replaced within days, and a later fraud on the same customer
is news again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.models.training.data import TestData

__all__ = [
    "CARDS_A_DAY",
    "KNOWN_DAYS",
    "Cards",
    "auc_unknown_cards",
    "average_precision_unknown_cards",
    "card_precision",
    "card_precision_at_k",
    "cards_of",
    "workload_table",
]

CARDS_A_DAY = 100
"""Alerts that investigators can check a day."""
KNOWN_DAYS = 7
CARD, TIME, LABEL = "customer_id", "occurred_at", "is_fraud"

Scores = npt.NDArray[np.float64]
NEVER = np.iinfo(np.int64).max
DAY_US = 86_400_000_000


class Cards(NamedTuple):
    """The cards of the test rows.

    Attributes:
        days: int64 of shape (rows,): the UTC day of each payment, in days since 1970.
        codes: int64 of shape (rows,): a number for each payment's card.
        known: bool of shape (rows,): whether the card had been reported before the payment's day.
    """

    days: npt.NDArray[np.int64]
    codes: npt.NDArray[np.int64]
    known: npt.NDArray[np.bool_]


def cards_of(test: TestData, known_days: int = KNOWN_DAYS) -> Cards:
    """Look the cards of a test window up, and which of them had been reported by each payment's day.

    Args:
        test: the rows of the window, and the earlier ones.
        known_days: reports of so many days before the window count, and those in it.
    """
    rows = pa.concat_tables([test.earlier, test.rows])
    codes = rows.column(CARD).combine_chunks().dictionary_encode("encode").indices.to_numpy().astype(np.int64)
    days = _microseconds(test.rows.column(TIME)) // DAY_US
    fraud = pc.fill_null(pc.cast(rows.column(LABEL), pa.int8()), 0).to_numpy() == 1
    reported = np.where(fraud, _microseconds(rows.column(f"{LABEL}_available_at")), NEVER)
    since = (test.start - timedelta(days=known_days) - datetime.fromtimestamp(0, UTC)) // timedelta(
        microseconds=1
    )
    counted = (reported != NEVER) & (reported > since)
    known_from = np.full(int(codes.max(initial=0)) + 1, NEVER)
    np.minimum.at(known_from, codes[counted], reported[counted])
    own = codes[test.earlier.num_rows :]
    return Cards(days, own, known_from[own] <= days * DAY_US)


def card_precision(predictions: pa.Table, test: TestData) -> float:
    """Card Precision@100: its mean over the days of the test window."""
    return float(np.mean(card_precision_at_k(_scores(predictions), test.labels, cards_of(test), CARDS_A_DAY)))


def auc_unknown_cards(predictions: pa.Table, test: TestData) -> float | None:
    """AUC over the payments whose card had not been reported before their day (the handbook's test set)."""
    from sklearn.metrics import roc_auc_score

    unknown = ~cards_of(test).known
    labels = test.labels[unknown]
    return (
        float(roc_auc_score(labels, _scores(predictions)[unknown]))
        if 0 < labels.sum() < len(labels)
        else None
    )


def average_precision_unknown_cards(predictions: pa.Table, test: TestData) -> float | None:
    """Average precision over the same payments."""
    from sklearn.metrics import average_precision_score

    unknown = ~cards_of(test).known
    labels = test.labels[unknown]
    if not 0 < labels.sum() < len(labels):
        return None
    return float(average_precision_score(labels, _scores(predictions)[unknown]))


def card_precision_at_k(scores: Scores, labels: npt.NDArray[np.int8], cards: Cards, k: int) -> list[float]:
    """Card Precision@k of each day of the test window that has payments, in order.

    Each day, the cards known to be compromised (reported before the day, or found among the top k of an earlier test
    day) are removed; a card's score is its highest of the day; the precision is the number of cards with a fraud that
    day among the k with the highest scores, divided by k (also on days with fewer than k cards). Ties go to the lower
    card code.

    Args:
        scores: float64 of shape (rows,).
        labels: int8 of shape (rows,).
        cards: of the same rows.
        k: cards that investigators can check a day.
    """
    found = np.empty(0, dtype=np.int64)
    precisions = []
    for day in np.unique(cards.days):
        rows = (cards.days == day) & ~cards.known
        rows[rows] = ~np.isin(cards.codes[rows], found)
        codes, position = np.unique(cards.codes[rows], return_inverse=True)
        score = np.full(len(codes), -np.inf)
        np.maximum.at(score, position, scores[rows])
        fraud = np.zeros(len(codes), dtype=np.int8)
        np.maximum.at(fraud, position, labels[rows])
        top = np.argsort(-score, kind="stable")[:k]
        detected = codes[top][fraud[top] == 1]
        found = np.concatenate([found, detected])
        precisions.append(len(detected) / k)
    return precisions


def workload_table(
    scores: Scores,
    labels: npt.NDArray[np.int8],
    days: int,
    alerts_per_day: Sequence[int] = (10, 20, 50, 100, 200, 500, 1000),
) -> list[dict[str, float]]:
    """Costs and finds of a threshold: for each daily number of alerts, the threshold that yields it.

    Args:
        scores: float64 of shape (rows,).
        labels: int8 of shape (rows,).
        days: number of days that the rows are of.
        alerts_per_day: wanted numbers; those beyond the day's payments are left out.

    Returns:
        A dict a row: ``alerts_per_day`` (as it comes out, ties included), ``threshold`` (alert at or above it),
        ``precision`` and ``recall`` (0 to 1).
    """
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order], dtype=np.int64)
    rows = []
    for wanted in alerts_per_day:
        if wanted * days > len(ranked):
            break
        threshold = ranked[wanted * days - 1]
        alerts = int(np.searchsorted(-ranked, -threshold, side="right"))
        rows.append(
            {
                "alerts_per_day": alerts / days,
                "threshold": float(threshold),
                "precision": float(hits[alerts - 1] / alerts),
                "recall": float(hits[alerts - 1] / max(hits[-1], 1)),
            }
        )
    return rows


def _scores(predictions: pa.Table) -> Scores:
    scores: Scores = predictions.column("score").to_numpy()
    return scores


def _microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Times as microseconds since 1970 (UTC); nulls as :data:`NEVER`."""
    values = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    numbers: npt.NDArray[np.int64] = pc.fill_null(values, NEVER).to_numpy()
    return numbers
