"""When people pay and write: the rhythm of the week and of the day. The bank's local time is UTC."""

from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

__all__ = ["MILLISECONDS_A_DAY", "TIMESTAMP", "is_weekend", "times_of_day", "timestamps", "weekday_factor"]

TIMESTAMP = pa.timestamp("us", tz="UTC")

MILLISECONDS_A_DAY = 86_400_000
WEEKDAY_FACTORS = (0.92, 0.92, 0.96, 1.0, 1.15, 1.2, 0.85)
"""Payments relative to the mean day, Monday to Sunday."""
WEEKDAY_HOURS = np.array([(0.2, 8.3, 1.0), (0.27, 12.6, 1.1), (0.43, 17.8, 2.0), (0.1, 13.0, 5.0)])
WEEKEND_HOURS = np.array([(0.5, 11.5, 2.0), (0.3, 16.5, 2.2), (0.2, 20.0, 2.5)])
"""Mixtures of normal distributions of the hour: share, mean and standard deviation of each."""


def is_weekend(day: date) -> bool:
    """Tell whether the day is a Saturday or Sunday."""
    return day.weekday() >= 5


def weekday_factor(day: date) -> float:
    """Payments on this day of the week relative to the mean day."""
    return WEEKDAY_FACTORS[day.weekday()]


def times_of_day(rng: np.random.Generator, day: date, later_hours: NDArray[np.float64]) -> NDArray[np.int64]:
    """Draws a time of day for each payment or message, in milliseconds since midnight UTC, int64.

    Args:
        rng: Source of randomness.
        day: Decides between the weekday's and the weekend's rhythm.
        later_hours: How much later than others each person is about, in hours.
    """
    share, mean, spread = (WEEKEND_HOURS if is_weekend(day) else WEEKDAY_HOURS).T
    n = len(later_hours)
    peak = np.searchsorted(np.cumsum(share)[:-1], rng.random(n), side="right")
    hours = mean[peak] + spread[peak] * rng.standard_normal(n) + later_hours
    return np.asarray(hours * 3_600_000, dtype=np.int64) % MILLISECONDS_A_DAY


def timestamps(milliseconds: NDArray[np.int64]) -> pa.TimestampArray:
    """Milliseconds since 1970-01-01 UTC as timestamps[us, UTC]."""
    return pa.array(milliseconds * 1000).cast(pa.timestamp("us")).cast(TIMESTAMP)
