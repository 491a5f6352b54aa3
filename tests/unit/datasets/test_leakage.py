"""Features that know the label, and honest ones as strong, on payments with frauds reported days later."""

import numpy as np
import pytest

from ml_platform.datasets.leakage.blocks import NEVER, Events
from ml_platform.datasets.leakage.search import judge

DAY = 86_400_000_000
DAYS, PER_DAY, SHOPS = 45, 3_000, 1_000


class World:
    """Events of shops, some of which are bad for ten days; what is bad is reported 3 days later on average.

    Or all of it ``delay`` days later, to the instant. One of the last days has ``busy`` times as many events, and
    ``attacks`` more bad ones.
    """

    def __init__(self, seed=0, as_of=DAYS, delay=None, busy=0, attacks=0):
        self.random = random = np.random.default_rng(seed)
        more = random.random(busy * PER_DAY + attacks) + DAYS - 6
        self.time = np.sort(np.concatenate([random.random(DAYS * PER_DAY) * DAYS, more]))
        n = len(self.time)
        self.shop = random.integers(0, SHOPS, n)
        cracked = np.zeros(n, bool)
        for shop, start in zip(random.integers(0, SHOPS, 40), random.random(40) * DAYS, strict=True):
            cracked |= (self.shop == shop) & (self.time > start) & (self.time < start + 10)
        self.bad = (cracked & (random.random(n) < 0.8)) | (random.random(n) < 0.008)
        self.bad |= (self.time >= DAYS - 6) & (self.time < DAYS - 5) & (random.random(n) < attacks / PER_DAY)
        # Those of cracked shops are reported later: the feature is related to the delay.
        self.reported_at = self.time + (delay or random.gamma(2, np.where(cracked, 2.2, 1.3)))
        self.reported = self.bad & (self.reported_at < as_of)
        reported = np.where(self.reported, self.reported_at * DAY, 0).astype(np.int64)
        self.events = Events(
            (self.time * DAY).astype(np.int64), np.where(self.reported, reported, NEVER), as_of * DAY, 7 * DAY
        )

    def noise(self):
        return self.random.normal(size=len(self.time))

    def share(self, *, before, by_then):
        """Share known as bad among the shop's events of seven days, ending ``before`` days ago."""
        order = np.lexsort((self.time, self.shop))
        place = (self.shop * 1_000.0 + self.time)[order]  # shops do not overlap
        known = np.zeros(len(place))
        for event in np.flatnonzero(self.reported):
            enters, leaves = self.time[event] + before, self.time[event] + before + 7
            if by_then:
                enters = max(enters, self.reported_at[event])
            first, end = np.searchsorted(place, self.shop[event] * 1_000.0 + np.array([enters, leaves]))
            known[first:end] += 1
        first, end = (np.searchsorted(place, place - days, side="right") for days in (before + 7, before))
        share = np.empty(len(place))
        share[order] = known / np.maximum(end - first, 1)
        return share

    def verdict(self, values):
        return judge(self.events, {"x": np.asarray(values, float)}, {"shop": self.shop})["x"]


@pytest.fixture(scope="module", params=[None, 7], ids=["reported in days", "reported after a week"])
def world(request):
    return World(1, delay=request.param)


LEAKS = {
    "the label": lambda w: w.reported,
    "its opposite, rarely wrong": lambda w: w.reported == (w.random.random(len(w.time)) < 0.002),
    "the label under noise": lambda w: 4 * w.reported + w.noise(),
    "null without a report": lambda w: np.where(w.reported, w.random.random(len(w.time)), np.nan),
    "days until the report": lambda w: np.where(w.reported, w.reported_at - w.time, 0),
    "the shop's share without delay": lambda w: w.share(before=0, by_then=False),
}
HONEST = {
    "almost perfect": lambda w: 7 * w.bad + w.noise(),
    "strong": lambda w: 4 * w.bad + w.noise(),
    "strong and growing": lambda w: 4 * w.bad + w.noise() + w.time / 10,
    "strong and shrinking": lambda w: 4 * w.bad + w.noise() - w.time / 10,
    "weak": lambda w: w.bad + w.noise(),
    "a count that takes a month to fill": lambda w: w.random.poisson(np.minimum(w.time, 30)),
    "the shop's share of reports": lambda w: w.share(before=0, by_then=True),
    "the shop's share, delayed": lambda w: w.share(before=7, by_then=True),
    "sometimes null": lambda w: np.where(w.random.random(len(w.time)) < 0.3, np.nan, 5 * w.bad + w.noise()),
    "constant": lambda w: np.ones(len(w.time)),
    "null": lambda w: np.full(len(w.time), np.nan),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_feature_that_knows_labels_is_caught(world, leak):
    found = world.verdict(LEAKS[leak](world))
    assert found.leaks, found


@pytest.mark.parametrize("honest", HONEST)
def test_an_honest_feature_is_not(world, honest):
    found = world.verdict(HONEST[honest](world))
    assert not found.leaks, found


def test_a_strong_honest_feature_is_judged(world):
    found = world.verdict(4 * world.bad + world.noise())
    assert abs(found.missing) < 0.5
    assert found.spreads < 4


def test_a_wave_of_late_reports_is_not_mistaken_for_a_leak():
    """Nobody reports on the last three days: more hidden positives than usual, in every honest feature."""
    world = World(3)
    late = world.events.reported > (DAYS - 3) * DAY
    events = Events(world.events.occurred, np.where(late, NEVER, world.events.reported), DAYS * DAY, 7 * DAY)
    assert not judge(events, {"x": 3 * world.bad + world.noise()})["x"].leaks


@pytest.mark.parametrize("unusual", [{"busy": 100}, {"attacks": 300}], ids=["busy", "attacked"])
def test_an_unusual_day_is_not_mistaken_for_a_leak(unusual):
    """More of the last days' positives are reported than usual, for they are older."""
    world = World(5, **unusual)
    assert not world.verdict(4 * world.bad + world.noise()).leaks


def test_a_leak_is_caught_beside_a_busy_day():
    world = World(5, busy=100)
    assert world.verdict(4 * world.reported + world.noise()).leaks


def test_without_hidden_positives_only_the_almost_perfect_is_called_a_leak():
    world = World(4, as_of=DAYS + 60)
    copied, strong = world.verdict(world.reported), world.verdict(3 * world.bad + world.noise())
    assert copied.leaks
    assert copied.missing is None
    assert not strong.leaks


@pytest.mark.parametrize("positives", [0, 5])
def test_too_few_labels_are_not_judged(positives):
    n = 1_000
    reported = np.full(n, NEVER)
    reported[:positives] = 20 * DAY
    events = Events(np.linspace(0, 30 * DAY, n).astype(np.int64), reported, 31 * DAY, 7 * DAY)
    honest = np.random.default_rng(0).random(n)
    for values in (honest, honest + (reported != NEVER)):  # five large frauds are separated by their amount
        found = judge(events, {"x": values})["x"]
        assert (found.leaks, found.missing) == (False, None)
