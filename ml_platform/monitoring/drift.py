"""Drift of predictions, as the population stability index (PSI).

PSI is ``sum((a - e) * ln(a / e))`` over bins, ``e`` being the shares expected (of the release's test rows, in the bins
that their task makes) and ``a`` the actual ones (N. Siddiqi, *Credit Risk Scorecards*, 2006, whose rule of thumb is
also the threshold here: below 0.1 nothing to see, above 0.25 a population that has changed).
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from ml_platform.checks import CheckOutcome
from ml_platform.models.tasks.base import Distribution
from ml_platform.monitoring.served import Served
from ml_platform.warehouse.base import Warehouse

__all__ = ["population_stability_index", "prediction_drift"]

PSI_THRESHOLD = 0.25
FEWEST_ROWS = 1_000
"""Below this, PSI of equal populations is no longer near 0: its mean is about (bins - 1) / rows."""
SMALLEST_SHARE = 1e-4
"""Taken for the share of an empty bin, whose logarithm would be infinite."""
NAME = "prediction_drift"


def population_stability_index(expected: Sequence[float], actual: Sequence[float]) -> float:
    """PSI of two lists of shares over the same bins."""
    e = np.maximum(np.asarray(expected, dtype=np.float64), SMALLEST_SHARE)
    a = np.maximum(np.asarray(actual, dtype=np.float64), SMALLEST_SHARE)
    return float(np.sum((a - e) * np.log(a / e)))


def prediction_drift(
    served: Served,
    warehouse: Warehouse,
    reference: Distribution | None,
    release: str | None,
    *,
    first: datetime,
    end: datetime,
    threshold: float = PSI_THRESHOLD,
) -> CheckOutcome:
    """Compare the recent predictions of one release with those of its test rows; a warning, never blocking.

    They are counted in the warehouse. Too few rows are not judged.

    Args:
        served: the predictions.
        warehouse: where they are.
        reference: of the release's test rows; None: the release names none.
        release: its version.
        first: predictions of events from then on count.
        end: those before it (exclusive).
        threshold: highest accepted PSI.
    """
    if reference is None or release is None:
        return CheckOutcome(NAME, True, "the release names no predictions to compare with", severity="WARN")
    counts = _counted(served, warehouse, reference, release, first, end)
    rows = sum(counts)
    if rows < FEWEST_ROWS:
        return CheckOutcome(
            NAME, True, f"{rows} predictions are too few to judge", {"rows": rows}, severity="WARN"
        )
    shares = [count / rows for count in counts]
    psi = population_stability_index(reference.shares, shares)
    return CheckOutcome(
        NAME,
        psi <= threshold,
        f"PSI of {rows} predictions against the release's test rows is {psi:.3f}; {threshold:g} is the limit",
        {
            "psi": psi,
            "threshold": threshold,
            "rows": rows,
            "bins": list(reference.categories or reference.edges),
            "expected": list(reference.shares),
            "actual": shares,
        },
        severity="WARN",
    )


def _counted(
    served: Served,
    warehouse: Warehouse,
    reference: Distribution,
    release: str,
    first: datetime,
    end: datetime,
) -> list[int]:
    sql, recent = warehouse.dialect, served.between(warehouse, first, end)
    of_release = f"{sql.quoted('release')} = {sql.parameter('release')}"
    rows = f"(SELECT * FROM ({recent.sql}) AS recent WHERE {of_release}) AS chosen"
    counted = served.task.bins_sql(rows, reference, sql)
    parameters = {**recent.parameters, "release": release, **counted.parameters}
    counts = [0] * len(reference.shares)
    for row in warehouse.table(counted.sql, parameters).to_pylist():
        if row["bin"] is not None:
            counts[int(row["bin"])] = int(row["n"])
    return counts
