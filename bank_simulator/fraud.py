"""The fraud schemes, and when their victims report.

After the simulator of the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot and Bontempi, 2022), whose
three scenarios each need another feature to be seen, with overlaps that they lack: honest people make large
payments too, some payments at a compromised terminal are honest, and reports come late or never.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bank_simulator.population import Customers, Terminals, terminal_generations
from bank_simulator.randomness import Purpose, generator
from bank_simulator.rhythm import MILLISECONDS_A_DAY

__all__ = [
    "MAX_REPORT_DAYS",
    "NEVER",
    "Scheme",
    "compromised_cards",
    "compromised_terminals",
    "report_delays",
]

TERMINAL_RATE = 2e-4
"""Terminals newly compromised each day, as a share of all; the handbook has 2 of 10,000."""
TERMINAL_DAYS = 28
CARD_RATE = 6e-4
"""Cards newly compromised each day, as a share of all; the handbook has 3 of 5,000."""
CARD_DAYS = 14
MAX_REPORT_DAYS = 30
LATE_SHARE = 0.06
NEVER_SHARE = 0.03
NEVER = -1


class Scheme(IntEnum):
    """The way in which a payment came to be fraudulent; 0 is honest."""

    NONE = 0
    LARGE_AMOUNT = 1
    TERMINAL = 2
    CARD = 3


def compromised_terminals(seed: int, day: int, today: Terminals) -> NDArray[np.bool_]:
    """The terminals that are compromised on the day: for 28 days, or until the device is replaced."""
    n = len(today.generation)
    compromised = np.zeros(n, dtype=bool)
    for start in range(max(day - TERMINAL_DAYS + 1, 0), day + 1):
        rng = generator(seed, Purpose.COMPROMISED_TERMINALS, start)
        chosen = rng.integers(n, size=rng.poisson(TERMINAL_RATE * n))
        if chosen.size:
            same = terminal_generations(seed, n, start)[chosen] == today.generation[chosen]
            compromised[chosen[same]] = True
    return compromised


def compromised_cards(seed: int, day: int, today: Customers) -> NDArray[np.bool_]:
    """The customers whose cards are compromised on the day: for 14 days each."""
    n = len(today.generation)
    compromised = np.zeros(n, dtype=bool)
    for start in range(max(day - CARD_DAYS + 1, 0), day + 1):
        rng = generator(seed, Purpose.COMPROMISED_CARDS, start)
        compromised[rng.integers(n, size=rng.poisson(CARD_RATE * n))] = True
    return compromised


def report_delays(seed: int, day: int, frauds: int) -> NDArray[np.int64]:
    """Time from each fraud of the day to its report, in milliseconds, int64; `NEVER` for those not reported.

    Most reports take one to seven days, some up to thirty, a few are never made.
    """
    rng = generator(seed, Purpose.REPORTS, day)
    usual = 1 + 6 * rng.beta(1.5, 3.0, frauds)
    late = rng.uniform(7, MAX_REPORT_DAYS, frauds)
    fate = rng.random(frauds)
    days = np.where(fate < LATE_SHARE, late, usual)
    return np.where(fate >= 1 - NEVER_SHARE, NEVER, np.asarray(days * MILLISECONDS_A_DAY, dtype=np.int64))
