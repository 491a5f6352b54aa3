"""Calibration: how far predicted probabilities are from observed shares.

Expected calibration error is M. P. Naeini, G. F. Cooper, M. Hauskrecht, *Obtaining Well Calibrated Probabilities Using
Bayesian Binning*, AAAI 2015, over bins of equal mass: bins of equal width would hold nearly all rare events in one.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["CALIBRATION_BINS", "calibration_curve", "expected_calibration_error"]

Scores = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int8]
CALIBRATION_BINS = 20


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
