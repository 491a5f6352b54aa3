"""Customers and terminals as they are on a day.

The bank keeps its size: a customer stays for about three years and is then followed by a new one, a terminal
is replaced by a new device at the same site, some customers move. Who is there follows from the day alone.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bank_simulator.geography import geography
from bank_simulator.randomness import Purpose, generator

__all__ = ["Customers", "Terminals", "customers_on", "terminal_generations", "terminals_on"]

CUSTOMER_STAYS_DAYS = 1000
TERMINAL_LASTS_DAYS = 1500
MOVING = 0.3
"""Share of customers who move once during their stay."""

PROFILE = np.dtype(
    [
        ("home", "f8", 2),
        ("next_home", "f8", 2),
        ("moves_at_age", "i4"),  # days; never when it is the length of the stay
        ("site", "i4"),  # terminal site nearest to the home
        ("next_site", "i4"),
        ("payments_per_day", "f8"),
        ("amount_mean", "f8"),
        ("amount_spread", "f8"),  # standard deviation over mean
        ("later_hours", "f8"),  # how much later than others this customer is about
        ("weekend_factor", "f8"),
        ("favourites", "i4"),
        ("first", "i4"),  # the favourites are the reachable sites first, first + step, first + 2 step, …
        ("step", "i4"),
    ]
)


@dataclass(frozen=True, eq=False)
class Customers:
    """The customers of a day; all arrays have one entry a customer.

    Attributes:
        ids: Strings such as `C102345`.
        home: float64 (customers, 2), km.
        site: Nearest terminal site, int32.
        profile: Structured array of habits.
        generation: How many customers held this place before, int64.
        news: Whether the customer is new or has moved on this day, bool.
    """

    ids: pa.StringArray
    home: NDArray[np.float64]
    site: NDArray[np.int32]
    profile: NDArray[np.void]
    generation: NDArray[np.int64]
    news: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Terminals:
    """The terminals of a day; all arrays have one entry a terminal.

    Attributes:
        ids: Strings such as `T102345`.
        places: float64 (terminals, 2), km.
        generation: How many devices stood at this site before, int64.
        news: Whether the device is new on this day, bool.
    """

    ids: pa.StringArray
    places: NDArray[np.float64]
    generation: NDArray[np.int64]
    news: NDArray[np.bool_]


@lru_cache(maxsize=2)
def customers_on(seed: int, customers: int, terminals: int, day: int) -> Customers:
    """The customers on a day (days since 1970-01-01)."""
    generation, age = _turnover(seed, Purpose.CUSTOMER_TURNOVER, customers, CUSTOMER_STAYS_DAYS, day)
    era = int(generation.min())
    profile = _profiles(seed, customers, terminals, era).copy()
    followed = generation > era
    profile[followed] = _profiles(seed, customers, terminals, era + 1)[followed]
    moved = age >= profile["moves_at_age"]
    return Customers(
        ids=_ids("C", generation),
        home=np.where(moved[:, None], profile["next_home"], profile["home"]),
        site=np.where(moved, profile["next_site"], profile["site"]),
        profile=profile,
        generation=generation,
        news=(age == 0) | (age == profile["moves_at_age"]),
    )


@lru_cache(maxsize=2)
def terminals_on(seed: int, terminals: int, day: int) -> Terminals:
    """The terminals on a day (days since 1970-01-01)."""
    generation, age = _turnover(seed, Purpose.TERMINAL_TURNOVER, terminals, TERMINAL_LASTS_DAYS, day)
    return Terminals(_ids("T", generation), geography(seed, terminals).sites, generation, age == 0)


def terminal_generations(seed: int, terminals: int, day: int) -> NDArray[np.int64]:
    """Generation of the device that stands at each site on the day, int64 (terminals,)."""
    return _turnover(seed, Purpose.TERMINAL_TURNOVER, terminals, TERMINAL_LASTS_DAYS, day)[0]


def _turnover(
    seed: int, purpose: Purpose, places: int, lasts: int, day: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Generation that holds each place on the day, and its age in days."""
    generation, age = np.divmod(day + generator(seed, purpose).integers(lasts, size=places), lasts)
    return generation, age


def _ids(prefix: str, generation: NDArray[np.int64]) -> pa.StringArray:
    numbers = generation * len(generation) + np.arange(len(generation))
    return pc.binary_join_element_wise(pa.scalar(prefix), pa.array(numbers).cast(pa.string()), "")


@lru_cache(maxsize=4)
def _profiles(seed: int, customers: int, terminals: int, era: int) -> NDArray[np.void]:
    """Habits of one generation of customers: structured array of `PROFILE`."""
    rng = generator(seed, Purpose.CUSTOMER_PROFILES, era)
    country = geography(seed, terminals)
    people = np.zeros(customers, dtype=PROFILE)
    people["home"] = country.places(rng, customers)
    people["next_home"] = country.places(rng, customers)
    moves_at = rng.integers(1, CUSTOMER_STAYS_DAYS, customers)
    people["moves_at_age"] = np.where(rng.random(customers) < MOVING, moves_at, CUSTOMER_STAYS_DAYS)
    people["site"] = country.nearest_site(people["home"])
    people["next_site"] = country.nearest_site(people["next_home"])
    people["payments_per_day"] = rng.gamma(2.0, 0.75, customers)
    people["amount_mean"] = rng.lognormal(np.log(38.0), 0.5, customers)
    people["amount_spread"] = rng.uniform(0.3, 0.7, customers)
    people["later_hours"] = rng.normal(0.0, 1.0, customers)
    people["weekend_factor"] = rng.uniform(0.6, 1.4, customers)
    people["favourites"] = rng.integers(4, 25, customers)
    people["first"] = rng.integers(0, 1000, customers)
    people["step"] = rng.integers(1, 32, customers)
    return people
