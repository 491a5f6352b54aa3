"""The team that resolves a message in the end, and the time when it does."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bank_simulator.messages.topics import TEAMS, TOPICS

__all__ = ["MAX_RESOLUTION_DAYS", "NEVER", "Handling", "handling"]

MAX_RESOLUTION_DAYS = 10
MIN_HOURS = 1.0
TEAM_HOURS = {"cards": 12, "payments": 24, "accounts": 40, "online_banking": 16, "fraud": 5, "loans": 60}
"""Median hours that each team takes."""
HANDED_BACK = 0.12
"""Share of the messages of the guessed team that pass through another one nevertheless."""
NEVER_SHARE = 0.02
NEVER = -1

MILLISECONDS_AN_HOUR = 3_600_000


@dataclass(frozen=True, eq=False)
class Handling:
    """The fate of messages; arrays have one entry a message.

    Attributes:
        team: Number in `TEAMS` of the team that has it last, int64.
        handed_over: True when another team had it first, bool.
        delay: Milliseconds until it is resolved, int64; `NEVER` for those that nobody resolves.
    """

    team: NDArray[np.int64]
    handed_over: NDArray[np.bool_]
    delay: NDArray[np.int64]


def handling(rng: np.random.Generator, topic: NDArray[np.int64]) -> Handling:
    """Draw what becomes of messages about topics (numbers in `TOPICS`).

    Those that the guessed team does not keep are handed over, which takes half a day to four days more.
    """
    n = len(topic)
    team = (rng.random(n)[:, None] >= _CUMULATIVE[topic]).sum(axis=1)
    handed_over = (team != _GUESSED[topic]) | (rng.random(n) < HANDED_BACK)
    hours = _MEDIAN_HOURS[team] * rng.lognormal(0.0, 0.9, n)
    hours = np.where(handed_over, hours + rng.uniform(12.0, 96.0, n), hours)
    longest = 24.0 * MAX_RESOLUTION_DAYS - MIN_HOURS
    hours = MIN_HOURS + longest * hours / (hours + longest)  # always less than ten days
    delay = np.asarray(hours * MILLISECONDS_AN_HOUR, dtype=np.int64)
    return Handling(team, handed_over, np.where(rng.random(n) < NEVER_SHARE, NEVER, delay))


_SHARES = np.array([[topic.teams.get(team, 0.0) for team in TEAMS] for topic in TOPICS])
_CUMULATIVE = np.cumsum(_SHARES, axis=1)[:, :-1]
_GUESSED = np.array([TEAMS.index(next(iter(topic.teams))) for topic in TOPICS])
_MEDIAN_HOURS = np.array([TEAM_HOURS[team] for team in TEAMS], dtype=np.float64)
