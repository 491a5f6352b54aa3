"""Drawing: one style, no display, the same bytes for the same figures."""

import io
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["BLUE", "GREEN", "GREY", "INK", "ORANGE", "draw", "figure_bytes", "importance_plot"]

BLUE, GREY, ORANGE, GREEN, INK = "#2563eb", "#9ca3af", "#ea580c", "#059669", "#1f2937"
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


def draw(paint: Callable[[Any], None]) -> bytes:
    """PNG of one figure of 825 x 506 pixels, whose axes ``paint`` draws on: no global state, no display.

    >>> png = draw(lambda axes: axes.plot([0, 1], [0, 1]))
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.5, 4.6), dpi=110)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        figure.subplots_adjust(left=0.1, right=0.97, top=0.92, bottom=0.13)
        paint(axes)
        return figure_bytes(figure)


def figure_bytes(figure: Any) -> bytes:  # noqa: ANN401 (matplotlib is imported lazily)
    """PNG of a matplotlib figure, without the version of the software in it; bytes are returned as they are."""
    if isinstance(figure, bytes):
        return figure
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def importance_plot(importance: Mapping[str, float], most: int = 15) -> bytes:
    """PNG of the largest shares of features in a model's decisions."""
    return draw(lambda axes: _importance(axes, importance, most))


def _importance(axes: Any, importance: Mapping[str, float], most: int) -> None:  # noqa: ANN401
    top = sorted(importance.items(), key=lambda item: (-item[1], item[0]))[:most][::-1]
    axes.barh([name for name, _ in top], [share * 100 for _, share in top], color=BLUE)
    axes.tick_params(axis="y", labelsize=9.5, length=0)
    axes.figure.subplots_adjust(left=0.36)
    axes.grid(visible=False, axis="y")
    left_out = len(importance) - len(top)
    more = f" (top {len(top)} of {len(importance)} features)" if left_out else ""
    axes.set(title=f"Importance{more}", xlabel="Share of the model's decisions, %")
