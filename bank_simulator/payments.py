"""One day of payments, honest and fraudulent."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_simulator.fraud import NEVER, Scheme, compromised_cards, compromised_terminals, report_delays
from bank_simulator.geography import geography
from bank_simulator.population import Customers, customers_on, terminals_on
from bank_simulator.randomness import Purpose, day_number, generator
from bank_simulator.rhythm import MILLISECONDS_A_DAY, is_weekend, times_of_day, timestamps, weekday_factor

__all__ = ["DayOfPayments", "simulate_day"]

IDS_A_DAY = 10_000_000
"""Room for the payments of the largest bank; with it, ids have at most twelve digits until 2243."""

TRAVELLING = 0.03
"""Share of honest payments made anywhere in the country."""
EXPENSIVE = 0.004
"""Share of honest payments that are several times the customer's usual amount."""
LARGE_AMOUNT_RATE = 8e-4
"""Share of payments that are single large frauds; the handbook's rule (every amount above 220) gives 6e-4."""
TERMINAL_FRAUD_SHARE = 0.8
"""Share of the payments at a compromised terminal that are fraudulent; in the handbook all are."""
CARD_FRAUD_SHARE = 1 / 3
"""Share of the payments with a compromised card that are fraudulent, as in the handbook."""
CARD_FRAUD_AWAY = 0.4
"""Share of a compromised card's frauds that are made anywhere in the country, at any hour."""


@dataclass(frozen=True, eq=False)
class DayOfPayments:
    """All that happened on one day.

    Attributes:
        payments: payment_id, occurred_at, customer_id, terminal_id, amount; ordered by occurred_at.
        frauds: payment_id, scheme and reported_at (null: never) of the fraudulent ones, in the same order.
    """

    payments: pa.Table
    frauds: pa.Table


@dataclass(eq=False)
class _Draft:
    """A day's payments while they are being made; one entry a payment, in any order."""

    customer: NDArray[np.int64]
    site: NDArray[np.int64]
    amount: NDArray[np.float64]
    time: NDArray[np.int64]
    scheme: NDArray[np.int8]


def simulate_day(seed: int, customers: int, terminals: int, day: date) -> DayOfPayments:
    """Simulates one day of payments, from the seed and the day alone."""
    number = day_number(day)
    people = customers_on(seed, customers, terminals, number)
    draft = _honest(generator(seed, Purpose.PAYMENTS, number), people, seed, terminals, day)
    _defraud(draft, people, seed, terminals, number)
    return _tables(draft, people, seed, terminals, number)


def _honest(rng: np.random.Generator, people: Customers, seed: int, terminals: int, day: date) -> _Draft:
    habits = people.profile
    expected = habits["payments_per_day"] * weekday_factor(day)
    if is_weekend(day):
        expected = expected * habits["weekend_factor"]
    customer = np.repeat(np.arange(len(habits)), rng.poisson(expected))
    n = len(customer)

    country = geography(seed, terminals)
    near = people.site[customer]
    # Squaring makes the first favourites the most visited.
    rank = (habits["favourites"][customer] * rng.random(n) ** 2).astype(np.int64)
    favourite = (habits["first"][customer] + rank * habits["step"][customer]) % country.sizes[near]
    travelling = rng.random(n) < TRAVELLING
    site = np.where(travelling, rng.integers(terminals, size=n), country.reachable[near, favourite])

    # A gamma distribution of the customer's own mean and spread is never negative.
    variation = habits["amount_spread"][customer] ** 2
    amount = rng.gamma(1 / variation, habits["amount_mean"][customer] * variation)
    expensive = rng.random(n) < EXPENSIVE
    amount[expensive] *= rng.uniform(3, 8, int(expensive.sum()))
    time = times_of_day(rng, day, habits["later_hours"][customer])
    return _Draft(customer, site, amount, time, np.zeros(n, dtype=np.int8))


def _defraud(draft: _Draft, people: Customers, seed: int, terminals: int, number: int) -> None:
    """Turns some payments of the draft into frauds, in place."""
    rng = generator(seed, Purpose.FRAUDS, number)
    n = len(draft.customer)

    card = compromised_cards(seed, number, people)[draft.customer] & (rng.random(n) < CARD_FRAUD_SHARE)
    draft.scheme[card] = Scheme.CARD
    draft.amount[card] *= rng.uniform(3, 7, int(card.sum()))
    away = card & (rng.random(n) < CARD_FRAUD_AWAY)
    draft.site[away] = rng.integers(terminals, size=int(away.sum()))
    draft.time[away] = rng.integers(MILLISECONDS_A_DAY, size=int(away.sum()))

    large = rng.random(n) < LARGE_AMOUNT_RATE
    draft.scheme[large] = Scheme.LARGE_AMOUNT
    draft.amount[large] = rng.lognormal(np.log(500), 0.4, int(large.sum()))

    devices = terminals_on(seed, terminals, number)
    stolen = compromised_terminals(seed, number, devices)[draft.site] & (rng.random(n) < TERMINAL_FRAUD_SHARE)
    draft.scheme[stolen & (draft.scheme == Scheme.NONE)] = Scheme.TERMINAL


def _tables(draft: _Draft, people: Customers, seed: int, terminals: int, number: int) -> DayOfPayments:
    order = np.argsort(draft.time, kind="stable")
    time = number * MILLISECONDS_A_DAY + draft.time[order]
    payments = pa.table(
        {
            "payment_id": pa.array(number * IDS_A_DAY + np.arange(len(order))).cast(pa.string()),
            "occurred_at": timestamps(time),
            "customer_id": people.ids.take(pa.array(draft.customer[order])),
            "terminal_id": terminals_on(seed, terminals, number).ids.take(pa.array(draft.site[order])),
            "amount": np.maximum(np.round(draft.amount[order], 2), 0.01),
        }
    )
    scheme = draft.scheme[order]
    fraudulent = np.flatnonzero(scheme)
    delays = report_delays(seed, number, len(fraudulent))
    names = pa.array([scheme.name.lower() for scheme in Scheme])
    frauds = pa.table(
        {
            "payment_id": payments["payment_id"].combine_chunks().take(pa.array(fraudulent)),
            "scheme": names.take(pa.array(scheme[fraudulent])),
            "reported_at": pc.if_else(delays == NEVER, None, timestamps(time[fraudulent] + delays)),
        }
    )
    return DayOfPayments(payments, frauds)
