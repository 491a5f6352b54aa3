"""The source of every random number.

Each use has its own stream, keyed by the bank's seed, what the numbers are for, and a day or era. So what is
drawn for one day depends on nothing drawn for another, and a day can be simulated alone.
"""

from datetime import date
from enum import IntEnum

import numpy as np

__all__ = ["FIRST_DAY", "Purpose", "day_number", "generator"]

FIRST_DAY = date(1970, 1, 1)
"""The simulator's calendar begins here: numbers of days are keys of random streams, so not negative."""


class Purpose(IntEnum):
    """The purpose of a stream of random numbers. Never change or reuse a value: it is part of the seed."""

    CITIES = 1
    TERMINAL_PLACES = 2
    TERMINAL_TURNOVER = 3
    CUSTOMER_TURNOVER = 4
    CUSTOMER_PROFILES = 5
    PAYMENTS = 6
    COMPROMISED_TERMINALS = 7
    COMPROMISED_CARDS = 8
    FRAUDS = 9
    REPORTS = 10
    CUSTOMER_VOICES = 11
    MESSAGES = 12
    MESSAGE_TEXTS = 13
    RESOLUTIONS = 14


def generator(seed: int, purpose: Purpose, key: int = 0) -> np.random.Generator:
    """The stream of random numbers of one purpose and day (or era).

    Args:
        seed: The bank's seed, 0 <= seed < 2**32.
        purpose: What the numbers are for.
        key: Day number or era, >= 0.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, int(purpose), key]))


def day_number(day: date) -> int:
    """Days since 1970-01-01, negative before."""
    return (day - FIRST_DAY).days
