"""Figures as people read them: four digits that count, whatever the size."""

import math

__all__ = ["figure", "figure_text"]

_DIGITS = 4


def figure(value: float) -> float:
    """A number cut to the digits that count; what is not finite stays as it is."""
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else number


def figure_text(value: float) -> str:
    """A number as a cell of a table, e.g. ``0.5000``, ``12.35`` or ``2017``."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:#.{_DIGITS}g}".removesuffix(".")
