"""Metrics of a binary classifier of rare events, as fraud teams use them.

Sources: Card Precision@k is A. Dal Pozzolo, G. Boracchi, O. Caelen, C. Alippi, G. Bontempi, *Credit Card
Fraud Detection: A Realistic Modeling and a Novel Learning Strategy*, IEEE TNNLS 29(8), 2018, as Y.-A. Le
Borgne, W. Siblini, B. Lebichot, G. Bontempi made it reproducible in the *Practical Handbook* (2022),
chapter 4.4. Expected calibration error is M. P. Naeini, G. F. Cooper, M. Hauskrecht, *Obtaining Well
Calibrated Probabilities Using Bayesian Binning*, AAAI 2015, over bins of equal mass: bins of equal width
would hold nearly all rare events in one.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ml_platform.models.training.data import TestData

__all__ = [
    "calibration_curve",
    "card_precision_at_k",
    "evaluate",
    "expected_calibration_error",
    "workload_table",
]

Scores = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
CALIBRATION_BINS = 20


def evaluate(scores: Scores, test: TestData, k: int) -> dict[str, float]:
    """Every metric of one set of predictions.

    ``auc``, ``average_precision``, ``log_loss``, ``brier`` and ``calibration_error`` are over all rows;
    with cards, ``card_precision_at_<k>`` is the mean over days, and ``auc_unknown_cards`` and
    ``average_precision_unknown_cards`` are over the rows whose card had not been reported before that day
    (the handbook's test set). Metrics that are not defined (one class only) are left out.
    """
    from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

    labels = test.labels
    result = {
        "auc": roc_auc_score(labels, scores),
        "average_precision": average_precision_score(labels, scores),
        "log_loss": log_loss(labels, scores, labels=[0, 1]),
        "brier": brier_score_loss(labels, scores),
        "calibration_error": expected_calibration_error(scores, labels),
    }
    if test.cards is not None:
        result[f"card_precision_at_{k}"] = float(np.mean(card_precision_at_k(scores, test, k)))
        unknown = ~test.known
        if 0 < labels[unknown].sum() < unknown.sum():
            result["auc_unknown_cards"] = roc_auc_score(labels[unknown], scores[unknown])
            result["average_precision_unknown_cards"] = average_precision_score(
                labels[unknown], scores[unknown]
            )
    return {name: float(value) for name, value in result.items()}


def card_precision_at_k(scores: Scores, test: TestData, k: int) -> list[float]:
    """Card Precision@k of each day of the test window that has events, in order.

    Each day, the cards known to be compromised (reported before the day, or found among the top k of an
    earlier test day) are removed; a card's score is its highest of the day; the precision is the number of
    cards with a fraud that day among the k with the highest scores, divided by k (also on days with fewer
    than k cards). Ties go to the lower card code.

    Args:
        scores: float64 of shape (rows,).
        test: the rows; ``test.cards`` must be there.
        k: cards that investigators can check a day.
    """
    if test.cards is None:
        raise ValueError("Card Precision@k needs cards; declare model.card")
    found = np.empty(0, dtype=np.int64)
    precisions = []
    for day in np.unique(test.days):
        rows = (test.days == day) & ~test.known
        rows[rows] = ~np.isin(test.cards[rows], found)
        cards, position = np.unique(test.cards[rows], return_inverse=True)
        score = np.full(len(cards), -np.inf)
        np.maximum.at(score, position, scores[rows])
        fraud = np.zeros(len(cards), dtype=np.int8)
        np.maximum.at(fraud, position, test.labels[rows])
        top = np.argsort(-score, kind="stable")[:k]
        detected = cards[top][fraud[top] == 1]
        found = np.concatenate([found, detected])
        precisions.append(len(detected) / k)
    return precisions


def calibration_curve(
    scores: Scores, labels: Labels, bins: int = CALIBRATION_BINS, *, expected: bool = False
) -> tuple[Scores, Scores, npt.NDArray[np.int64]]:
    """Mean score, share of positives and rows of each bin; equal scores share a bin.

    Bins are of equal mass: of equally many rows or, with ``expected``, of equally many expected positives.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    mass = np.cumsum(ranked) if expected else np.arange(1, len(ranked) + 1)
    firsts = np.searchsorted(mass, np.arange(1, bins) * mass[-1] / bins, side="right")
    cuts = np.searchsorted(ranked, ranked[np.minimum(firsts, len(ranked) - 1)], side="left")
    starts = np.unique(np.concatenate([[0], cuts]))
    counts = np.diff(np.append(starts, len(ranked)))
    mean_score = np.add.reduceat(ranked, starts) / counts
    share = np.add.reduceat(labels[order].astype(np.float64), starts) / counts
    return mean_score, share, counts


def expected_calibration_error(scores: Scores, labels: Labels, bins: int = CALIBRATION_BINS) -> float:
    """Mean distance between predicted and observed share of positives over bins of equal mass (0 to 1)."""
    mean_score, share, counts = calibration_curve(scores, labels, bins)
    return float(np.sum(np.abs(mean_score - share) * counts) / counts.sum())


def workload_table(
    scores: Scores, test: TestData, alerts_per_day: Sequence[int] = (10, 20, 50, 100, 200, 500, 1000)
) -> list[dict[str, float]]:
    """What a threshold costs and finds: for each daily number of alerts, the threshold that yields it.

    Returns:
        A dict a row: ``alerts_per_day`` (as it comes out, ties included), ``threshold`` (alert at or above
        it), ``precision`` and ``recall`` (0 to 1). Numbers of alerts beyond the day's events are left out.
    """
    days = len(np.unique(test.days))
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(test.labels[order], dtype=np.int64)
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
