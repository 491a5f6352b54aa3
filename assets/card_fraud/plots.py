"""Plots of what a threshold costs investigators, and of what it finds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from assets.card_fraud.metrics import cards_of, workload_table
from ml_platform.models.evaluation.drawing import BLUE, GREEN, draw
from ml_platform.models.training.data import TestData

__all__ = ["threshold_workload"]


def threshold_workload(predictions: pa.Table, test: TestData) -> bytes:
    """Precision and recall of the thresholds that yield some numbers of alerts a day, as PNG."""
    days = len(np.unique(cards_of(test).days))
    table = workload_table(predictions.column("score").to_numpy(), test.labels, days)
    return draw(lambda axes: _workload(axes, table))


def _workload(axes: Any, workload: Sequence[Mapping[str, float]]) -> None:  # noqa: ANN401
    alerts = [row["alerts_per_day"] for row in workload]
    for name, colour in (("precision", BLUE), ("recall", GREEN)):
        axes.plot(alerts, [row[name] for row in workload], "o-", color=colour, lw=2, ms=6, label=name)
    axes.set(
        title="Threshold against workload",
        xlabel="Alerts a day (log scale), and the threshold that yields them",
        ylabel="Share",
        xscale="log" if workload else "linear",
        ylim=(0, 1.08),
    )
    if workload:
        axes.set_xticks(
            alerts, [f"{row['alerts_per_day']:,.0f}\n≥ {row['threshold']:.2g}" for row in workload]
        )
        axes.minorticks_off()
        axes.figure.subplots_adjust(bottom=0.17)
        axes.legend(loc="upper right")
