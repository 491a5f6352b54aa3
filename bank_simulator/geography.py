"""The country: cities, places, and which terminals lie within reach of one another."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bank_simulator.randomness import Purpose, generator

__all__ = ["Geography", "geography"]

SIDE_KM = 100.0
CITIES = 15
COUNTRYSIDE = 0.15
"""Share of places outside the cities, uniform over the country."""
REACH_KM = 6.0
"""Distance from the nearest terminal within which people shop; the Fraud Detection Handbook has 5 around the home."""
MAX_REACHABLE = 32
NEAREST = 64
"""Of this many nearest terminals the reachable ones are chosen, the popular ones more often."""
POPULARITY_SPREAD = 0.7
"""Sigma of the log-normal popularity of terminals."""


@dataclass(frozen=True, eq=False)
class Geography:
    """Terminal sites, and around each the sites that people who live there pay at.

    Attributes:
        cities: Structured array of x, y, spread (km) and weight.
        sites: Places of the terminals, float64 (terminals, 2), km.
        reachable: Sites within reach of each, int32 (terminals, up to 32); the first `sizes` of a row count.
        sizes: How many are within reach, int32 (terminals,), >= 1.
    """

    cities: NDArray[np.void]
    sites: NDArray[np.float64]
    reachable: NDArray[np.int32]
    sizes: NDArray[np.int32]
    tree: Any

    def places(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        """Draws `n` places, float64 (n, 2), in km, to the metre."""
        return _places(rng, self.cities, n)

    def nearest_site(self, places: NDArray[np.float64]) -> NDArray[np.int32]:
        """The site nearest to each place, int32 (n,)."""
        return np.asarray(self.tree.query(places)[1], dtype=np.int32)


@lru_cache(maxsize=4)
def geography(seed: int, terminals: int) -> Geography:
    """The country of a bank with so many terminals."""
    from scipy.spatial import KDTree

    cities = _cities(generator(seed, Purpose.CITIES))
    rng = generator(seed, Purpose.TERMINAL_PLACES)
    sites = _places(rng, cities, terminals)
    tree = KDTree(sites)
    ranks = np.arange(1, min(NEAREST, terminals) + 1)
    distances, neighbours = tree.query(sites, k=ranks, distance_upper_bound=REACH_KM)
    within = np.isfinite(distances)
    popularity = rng.normal(0.0, POPULARITY_SPREAD, terminals)
    # The largest of weight + Gumbel noise are a weighted draw without replacement.
    liking = popularity[np.where(within, neighbours, 0)] + rng.gumbel(size=neighbours.shape)
    order = np.argsort(np.where(within, -liking, np.inf), axis=1, kind="stable")[:, :MAX_REACHABLE]
    reachable = np.take_along_axis(neighbours, order, axis=1).astype(np.int32)
    sizes = np.minimum(within.sum(axis=1), order.shape[1]).astype(np.int32)
    return Geography(cities, sites, reachable, sizes, tree)


def _cities(rng: np.random.Generator) -> NDArray[np.void]:
    cities = np.zeros(CITIES, dtype=[("x", "f8"), ("y", "f8"), ("spread", "f8"), ("weight", "f8")])
    cities["x"], cities["y"] = rng.uniform(0.1 * SIDE_KM, 0.9 * SIDE_KM, (2, CITIES))
    cities["spread"] = rng.uniform(1.5, 5.0, CITIES)
    sizes = 1 / np.arange(1, CITIES + 1)  # Zipf's law of city sizes
    cities["weight"] = sizes / sizes.sum()
    return cities


def _places(rng: np.random.Generator, cities: NDArray[np.void], n: int) -> NDArray[np.float64]:
    city = cities[rng.choice(len(cities), size=n, p=cities["weight"])]
    centre = np.stack([city["x"], city["y"]], axis=1)
    places: NDArray[np.float64] = centre + rng.normal(size=(n, 2)) * city["spread"][:, None]
    rural = rng.random(n) < COUNTRYSIDE
    places[rural] = rng.uniform(0.0, SIDE_KM, (int(rural.sum()), 2))
    return places.clip(0.0, SIDE_KM).round(3)
