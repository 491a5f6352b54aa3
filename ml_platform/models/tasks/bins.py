"""Bins of numbers: reckoned from a test window, and counted by the warehouse afterwards."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.models.tasks.base import Distribution, Query
from ml_platform.warehouse.dialect import SqlDialect

__all__ = ["count_in_bins", "equal_mass_bins"]


def equal_mass_bins(values: npt.NDArray[np.float64], bins: int = 10) -> Distribution:
    """Shares of numbers in bins of equal mass; bins that ties make equal are one.

    Args:
        values: float64 of shape (rows,), finite, at least one.
        bins: how many.
    """
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    return Distribution(edges=tuple(edges.tolist()), shares=tuple((counts / counts.sum()).tolist()))


def count_in_bins(relation: str, value: str, reference: Distribution, sql: SqlDialect) -> Query:
    """Query of ``bin`` and ``n``: how many values lie in each bin of a reference.

    Args:
        relation: name of the relation, or a subquery with an alias.
        value: SQL of the number.
        reference: with edges.
        sql: whose SQL.
    """
    parameters: dict[str, Any] = {f"edge_{number}": edge for number, edge in enumerate(reference.edges)}
    cases = "".join(
        f" WHEN {value} <= {sql.parameter(name)} THEN {number}" for number, name in enumerate(parameters)
    )
    chosen = f"CASE{cases} ELSE {len(parameters)} END" if parameters else "0"
    return Query(f"SELECT {chosen} AS bin, COUNT(*) AS n FROM {relation} GROUP BY 1", parameters)
