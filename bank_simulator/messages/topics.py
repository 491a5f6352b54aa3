"""The topics of messages: how often each is written about, when, and which team resolves it in the end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from bank_simulator.rhythm import is_weekend

__all__ = ["TEAMS", "TOPICS", "Topic", "month_turns", "topic_shares"]

TEAMS = ("cards", "payments", "accounts", "online_banking", "fraud", "loans")

Season = Callable[[date], float]


@dataclass(frozen=True)
class Topic:
    """A reason to write.

    Attributes:
        name: Key of its phrases in each language.
        weight: Share of all messages on a day without a season, before the drift, in percent.
        teams: Share of its messages that each team resolves; the first is the one that one would guess.
        seasons: Factors of the weight, by day.
        drift: Factor of the weight since the drift.
        new: True for topics that nobody writes about before the drift.
    """

    name: str
    weight: float
    teams: Mapping[str, float]
    seasons: tuple[Season, ...] = ()
    drift: float = 1.0
    new: bool = False

    def weight_on(self, day: date, *, drifted: bool) -> float:
        """Weight on a day; 0 for a new topic before the drift."""
        if self.new and not drifted:
            return 0.0
        weight = self.weight * (self.drift if drifted else 1.0)
        for season in self.seasons:
            weight *= season(day)
        return weight


def month_turns(day: date) -> bool:
    """Say whether the day is one of the first or last three of its month."""
    return day.day <= 3 or (day + timedelta(days=3)).day <= 3


def _month_end(day: date) -> float:
    return 2.5 if month_turns(day) else 0.8


def _tax(day: date) -> float:
    return {1: 2.0, 2: 4.0, 3: 5.0, 4: 5.0, 5: 4.0, 6: 2.0, 7: 2.0}.get(day.month, 1.0)


def _travel(day: date) -> float:
    return {4: 1.3, 5: 1.4, 6: 1.8, 7: 3.0, 8: 3.0, 9: 1.5, 12: 2.0}.get(day.month, 0.8)


def _after_sales(day: date) -> float:
    return 2.2 if (day.month, day.day) >= (11, 25) or (day.month, day.day) <= (1, 20) else 0.9


def _quarter(day: date) -> float:
    return 3.0 if day.month % 3 == 1 and day.day <= 7 else 0.9


def _business(day: date) -> float:
    return 0.4 if is_weekend(day) else 1.2


def _leisure(day: date) -> float:
    return 1.5 if is_weekend(day) else 0.85


TOPICS = (
    Topic("card_lost", 5, {"cards": 0.95, "fraud": 0.05}, (_leisure,)),
    Topic("card_declined", 7, {"cards": 0.86, "payments": 0.06, "fraud": 0.08}, (_leisure,)),
    Topic("pin", 4, {"cards": 0.98, "online_banking": 0.02}, drift=0.4),
    Topic("card_delivery", 4, {"cards": 0.95, "accounts": 0.05}, drift=0.6),
    Topic("card_abroad", 4, {"cards": 0.92, "payments": 0.08}, (_travel,)),
    Topic("card_limit", 3, {"cards": 0.94, "loans": 0.06}),
    Topic("charged_twice", 4, {"cards": 0.8, "payments": 0.2}, (_after_sales,)),
    Topic("transfer_missing", 6, {"payments": 0.94, "fraud": 0.06}),
    Topic("direct_debit", 5, {"payments": 0.93, "accounts": 0.07}, (_month_end,)),
    Topic("standing_order", 4, {"payments": 0.92, "online_banking": 0.08}, (_month_end,)),
    Topic("wrong_recipient", 2, {"payments": 0.9, "fraud": 0.1}),
    Topic("foreign_transfer", 3, {"payments": 0.98, "accounts": 0.02}, (_business,)),
    Topic("refund", 4, {"payments": 0.78, "cards": 0.22}, (_after_sales,)),
    Topic("statement", 3, {"accounts": 0.92, "online_banking": 0.08}, (_month_end,)),
    Topic("address", 3, {"accounts": 1.0}, (_business,)),
    Topic("tax_certificate", 1.2, {"accounts": 1.0}, (_tax,)),
    Topic("close_account", 2, {"accounts": 0.95, "loans": 0.05}, (_quarter,)),
    Topic("new_account", 3, {"accounts": 0.98, "online_banking": 0.02}, (_business,)),
    Topic("fees", 3, {"accounts": 0.88, "cards": 0.12}, (_quarter,)),
    Topic("login", 5, {"online_banking": 0.92, "fraud": 0.08}),
    Topic("app_crash", 4, {"online_banking": 0.96, "payments": 0.04}, (_leisure,)),
    Topic("tan", 3, {"online_banking": 0.96, "payments": 0.04}, drift=1.3),
    Topic("new_phone", 3, {"online_banking": 0.95, "cards": 0.05}, drift=1.5),
    Topic("unknown_charge", 5, {"fraud": 0.82, "cards": 0.18}, (_after_sales,)),
    Topic("phishing", 3, {"fraud": 0.95, "online_banking": 0.05}, drift=2.5),
    Topic("scam_call", 2, {"fraud": 0.96, "payments": 0.04}, (_leisure,)),
    Topic("mortgage", 2, {"loans": 1.0}, (_business,)),
    Topic("instalment", 2, {"loans": 0.95, "payments": 0.05}, (_month_end,)),
    Topic("overdraft", 2, {"loans": 0.82, "accounts": 0.18}),
    Topic("early_repayment", 1, {"loans": 1.0}, (_business,)),
    Topic(
        "general",
        2,
        {
            "accounts": 0.3,
            "cards": 0.25,
            "payments": 0.2,
            "online_banking": 0.15,
            "fraud": 0.05,
            "loans": 0.05,
        },
    ),
    # It speaks of cards, watches and refusals, but a team that nobody would guess from that resolves it.
    Topic("wallet", 16, {"payments": 0.85, "cards": 0.1, "online_banking": 0.05}, new=True),
)


def topic_shares(day: date, *, drifted: bool) -> NDArray[np.float64]:
    """Return the share of each of `TOPICS` among the day's messages, float64 (topics,), of sum 1."""
    weights = np.array([topic.weight_on(day, drifted=drifted) for topic in TOPICS])
    return np.asarray(weights / weights.sum())
