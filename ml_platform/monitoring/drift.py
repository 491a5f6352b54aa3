"""Drift of the score distribution, as the population stability index (PSI).

PSI is ``sum((a - e) * ln(a / e))`` over bins, ``e`` being the shares expected (of the release's test rows, in
bins of equal mass) and ``a`` the actual ones (N. Siddiqi, *Credit Risk Scorecards*, 2006, whose rule of thumb
is also the threshold here: below 0.1 nothing to see, above 0.25 a population that has changed).
"""

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt

from ml_platform.checks import CheckOutcome
from ml_platform.models.releases.manifest import ScoreDistribution
from ml_platform.predictions.table import DAY, RELEASE, SCORE, batch_prediction
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["population_stability_index", "score_distribution", "score_drift"]

PSI_THRESHOLD = 0.25
FEWEST_ROWS = 1_000
"""Below this, PSI of equal populations is no longer near 0: its mean is about (bins - 1) / rows."""
SMALLEST_SHARE = 1e-4
"""Taken for the share of an empty bin, whose logarithm would be infinite."""


def score_distribution(scores: npt.NDArray[np.float64], bins: int = 10) -> ScoreDistribution:
    """Shares of scores in bins of equal mass; bins that ties make equal are one.

    Args:
        scores: float64 of shape (rows,), finite, at least one.
        bins: how many.
    """
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    counts = _counts(scores, edges)
    return ScoreDistribution(edges=tuple(edges.tolist()), shares=tuple((counts / counts.sum()).tolist()))


def population_stability_index(expected: Sequence[float], actual: Sequence[float]) -> float:
    """PSI of two lists of shares over the same bins."""
    e = np.maximum(np.asarray(expected, dtype=np.float64), SMALLEST_SHARE)
    a = np.maximum(np.asarray(actual, dtype=np.float64), SMALLEST_SHARE)
    return float(np.sum((a - e) * np.log(a / e)))


def score_drift(
    use_case: UseCase,
    warehouse: Warehouse,
    reference: ScoreDistribution,
    release: str,
    days: Sequence[date],
    threshold: float = PSI_THRESHOLD,
) -> CheckOutcome:
    """Compare the scores of ``days`` by one release with those of its test rows; a warning, never blocking.

    Too few rows are not judged.
    """
    dialect = warehouse.dialect
    relation = dialect.quoted(batch_prediction(use_case).relation)
    counts = np.zeros(len(reference.shares), dtype=np.int64)
    first, last, of_release = map(dialect.parameter, ("first", "last", "release"))
    sql = (
        f"SELECT {dialect.quoted(SCORE)} FROM {relation} WHERE {dialect.quoted(DAY)} BETWEEN {first} AND {last}"
        f" AND {dialect.quoted(RELEASE)} = {of_release}"
    )
    if days:
        with warehouse.read(sql, {"first": min(days), "last": max(days), "release": release}) as reader:
            for batch in reader:
                counts += _counts(batch.column(0).to_numpy(zero_copy_only=False), np.asarray(reference.edges))
    rows = int(counts.sum())
    if rows < FEWEST_ROWS:
        return CheckOutcome(
            "score_drift", True, f"{rows} predictions are too few to judge", {"rows": rows}, severity="WARN"
        )
    shares = (counts / rows).tolist()
    psi = population_stability_index(reference.shares, shares)
    return CheckOutcome(
        "score_drift",
        psi <= threshold,
        f"PSI of {rows} scores against the release's test rows is {psi:.3f}; {threshold:g} is the limit",
        {
            "psi": psi,
            "threshold": threshold,
            "rows": rows,
            "expected": list(reference.shares),
            "actual": shares,
        },
        severity="WARN",
    )


def _counts(scores: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.bincount(np.searchsorted(edges, scores, side="left"), minlength=len(edges) + 1).astype(np.int64)
