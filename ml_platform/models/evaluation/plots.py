"""Plots of one evaluation, as PNG bytes."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.models.evaluation.metrics import calibration_curve
from ml_platform.models.training.data import TestData

__all__ = ["draw_all"]

Scores = npt.NDArray[np.float64]
BLUE, GREY, ORANGE, GREEN, INK = "#2563eb", "#9ca3af", "#ea580c", "#059669", "#1f2937"
OTHERS = (ORANGE, GREY)
STYLE = {
    "font.size": 11,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": "#d1d5db",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def draw_all(
    scores: Scores,
    test: TestData,
    *,
    baselines: Mapping[str, Scores],
    importance: Mapping[str, float],
    workload: Sequence[Mapping[str, float]],
) -> dict[str, bytes]:
    """Every plot of a model on its test window, by name.

    Args:
        scores: the model's probabilities.
        test: the rows they are of.
        baselines: probabilities of each baseline on the same rows.
        importance: share of each feature.
        workload: as :func:`~ml_platform.models.evaluation.metrics.workload_table` gives it.
    """
    return {
        "precision_recall": _draw(lambda axes: _precision_recall(axes, scores, test, baselines)),
        "calibration": _draw(lambda axes: _calibration(axes, scores, test)),
        "score_distribution": _draw(lambda axes: _distribution(axes, scores, test)),
        "importance": _draw(lambda axes: _importance(axes, importance)),
        "threshold_workload": _draw(lambda axes: _workload(axes, workload)),
    }


def _draw(paint: Callable[[Any], None]) -> bytes:
    """One figure on the Agg canvas, without pyplot: no global state, no display."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4.6), dpi=110)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        figure.subplots_adjust(left=0.1, right=0.97, top=0.92, bottom=0.13)
        paint(axes)
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _precision_recall(axes: Any, scores: Scores, test: TestData, baselines: Mapping[str, Scores]) -> None:  # noqa: ANN401
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = [("model", scores, BLUE, 2.2)]
    curves += [
        (name, values, colour, 1.6) for (name, values), colour in zip(baselines.items(), OTHERS, strict=False)
    ]
    for name, values, colour, width in curves:
        precision, recall, _ = precision_recall_curve(test.labels, values)
        area = average_precision_score(test.labels, values)
        label = f"{name.replace('_', ' ')} (AP {area:.3f})"
        axes.step(recall, precision, where="post", color=colour, lw=width, label=label)
    axes.set(title="Precision and recall", xlabel="Recall", ylabel="Precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="upper right")


def _calibration(axes: Any, scores: Scores, test: TestData) -> None:  # noqa: ANN401
    # Bins of equal mass would hold no positive at all where these are rare.
    bins = int(np.clip(test.labels.sum() // 8, 3, 15))
    predicted, observed, counts = calibration_curve(scores, test.labels, bins, expected=True)
    spread = np.sqrt(observed * (1 - observed) / counts)
    floor = max(min(predicted[predicted > 0].min(), 1.0), 1e-6) if (predicted > 0).any() else 1e-6
    low = 10 ** np.floor(np.log10(floor))
    axes.plot([low, 1], [low, 1], "--", color=GREY, lw=1.2, label="perfect")
    # A share of zero has no place on a logarithmic axis: it is drawn on the edge.
    axes.errorbar(
        np.maximum(predicted, low),
        np.maximum(observed, low),
        yerr=spread,
        fmt="o-",
        color=BLUE,
        lw=1.6,
        ms=6,
        capsize=3,
        label="model, ± its standard error",
    )
    axes.set(
        title=f"Calibration ({len(counts)} bins of equally many expected positives)",
        xlabel="Mean predicted probability",
        ylabel="Observed share of positives",
        xscale="log",
        yscale="log",
        xlim=(low, 1),
        ylim=(low, 1),
    )
    axes.legend(loc="upper left")


def _distribution(axes: Any, scores: Scores, test: TestData) -> None:  # noqa: ANN401
    bins = np.linspace(0, 1, 51)
    for value, name, colour in ((0, "negatives", GREY), (1, "positives", ORANGE)):
        chosen = scores[test.labels == value]
        axes.hist(chosen, bins=bins, color=colour, alpha=0.75, label=f"{name} ({len(chosen):,})")
    axes.set(
        title="Scores", xlabel="Predicted probability", ylabel="Rows (log scale)", yscale="log", xlim=(0, 1)
    )
    axes.legend(loc="upper right")


def _importance(axes: Any, importance: Mapping[str, float], most: int = 15) -> None:  # noqa: ANN401
    top = sorted(importance.items(), key=lambda item: (-item[1], item[0]))[:most][::-1]
    axes.barh([name for name, _ in top], [share * 100 for _, share in top], color=BLUE)
    axes.tick_params(axis="y", labelsize=9.5, length=0)
    axes.figure.subplots_adjust(left=0.36)
    axes.grid(visible=False, axis="y")
    left_out = len(importance) - len(top)
    more = f" (top {len(top)} of {len(importance)} features)" if left_out else ""
    axes.set(title=f"Importance{more}", xlabel="Share of the model's total gain, %")


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
