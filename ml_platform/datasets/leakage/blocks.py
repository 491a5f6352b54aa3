"""Events in blocks of time, and what the tails of a feature hold in each; see :mod:`.search`."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["MIN_POWER", "MOST_BLOCKS", "NEVER", "Blocks", "Events", "cut"]

NEVER = np.iinfo(np.int64).max
MOST_BLOCKS = 9
FEWEST_BLOCKS = 4
FEWEST_POSITIVES = 20
TAILS = 24
MIN_POWER = 3.0
"""At how many standard deviations a leak must be expected for a feature to be judged at all."""
DAY_US = 86_400_000_000
WEEK_US = 7 * DAY_US
OUT_OF_LINE = 1.5
PRIOR_BLOCKS = 4
"""Number of blocks' worth of trust that the spread by counting alone gets against that of the placebos."""
AGES = 14
"""Parts of a block: in each, positives have had about as long to be reported."""
LEAST_SHARE = 0.2
"""The share of an age's positives that is taken to be reported, at least: a young one does not stand for many."""
BUSY = 2
"""Multiple of the median day's events that a day may have before it is sampled."""
CLUSTERED = 1.5
"""The fullness of a tail scatters more than its reported share: an entity in trouble has many events. Without
this, honest features of a published simulation, drawn seven times, came up to 3.4 standard deviations."""

Floats = npt.NDArray[np.floating]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """Events of a snapshot, or a uniform sample of them.

    Attributes:
        occurred: int64 of shape (rows,), microseconds since 1970.
        reported: int64 of shape (rows,), microseconds; :data:`NEVER` for an event without a report.
        as_of: microseconds; no report is later.
        longest: microseconds: after this long without a report an event is taken as negative.
    """

    occurred: Integers
    reported: Integers
    as_of: int
    longest: int

    @property
    def mature(self) -> Booleans:
        """Events that have had all the time that a report may take; shape (rows,)."""
        return self.occurred <= self.as_of - self.longest


@dataclass(frozen=True)
class Blocks:
    """Events by block: 0 is the last, 1 the one before; block ``count`` holds those in none.

    ``owed`` is how many hidden positives of its age a reported one stands for.
    """

    count: int
    block: Integers
    reported: Booleans
    hidden: Booleans
    owed: Floats

    @cached_property
    def cell(self) -> Integers:
        """A number for each event's block and what became of it: not reported, hidden, reported."""
        return (self.hidden + 2 * self.reported) * (self.count + 1) + self.block

    def tally(self, group: Integers, groups: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Reported, unreported, hidden and owed events of each group and block; each of shape (groups, count)."""
        size = 3 * (self.count + 1)
        cells = np.bincount(group * size + self.cell, minlength=groups * size).astype(float)
        silent, hidden, reported = np.moveaxis(cells.reshape(groups, 3, -1)[:, :, : self.count], 1, 0)
        known = np.flatnonzero(self.reported)
        place = group[known] * (self.count + 1) + self.block[known]
        owed: Floats = np.bincount(place, self.owed[known], minlength=groups * (self.count + 1)).astype(float)
        return reported, silent + hidden, hidden, owed.reshape(groups, -1)[:, : self.count]

    def most_telling(self, values: Floats) -> tuple[float, float] | None:
        """Missing share and its standard deviations, in the tail that the earlier blocks choose.

        None: no tail would tell.
        """
        positives = values[(self.reported | self.hidden) & (self.block > 0) & (self.block < self.count)]
        edges = np.quantile(positives, np.linspace(0, 1, TAILS), method="nearest")
        edges = np.unique(
            [edges, np.nextafter(edges, np.inf)]
        )  # so that tails can end before and after a value
        counts = self.tally(np.searchsorted(edges, values, side="right"), len(edges) + 1)
        silent = counts[1].sum(axis=0)
        # Upper and lower tails: of each count, shape (tails, blocks).
        upper = [np.cumsum(c[::-1], axis=0)[::-1][1:] for c in counts]
        reported, unreported, hidden, owed = (
            np.concatenate([up, np.cumsum(c, axis=0)[:-1]]) for up, c in zip(upper, counts, strict=True)
        )
        kind = _Past if reported[:, 1:].sum(axis=1).max(initial=0) >= FEWEST_POSITIVES else _SilentPast
        past = kind(reported[:, 1:], unreported[:, 1:], hidden[:, 1:], owed[:, 1:], silent[1:])
        power = np.where(past.tells(reported[:, 0], owed[:, 0]), past.power(), 0.0)
        if not power.size or power[best := int(power.argmax())] < MIN_POWER:
            return None
        missing, spreads = past.judge(reported[:, 0], unreported[:, 0], silent[0])
        return float(missing[best]), float(spreads[best] / past.inflation()[best])


@dataclass(frozen=True)
class _Past:
    """Counts of the earlier blocks in each tail, shape (tails, blocks); ``silent``: all unreported, (blocks,)."""

    reported: Floats
    unreported: Floats
    hidden: Floats
    owed: Floats
    silent: Floats

    def tells(self, reported: Floats, owed: Floats) -> Booleans:
        """Tails that have enough positives, some of them in the last block and no younger or older; shape (tails,)."""
        fewest = np.minimum(self.reported.sum(axis=1), self.hidden.sum(axis=1))
        youth = (owed / reported) / (self.owed.sum(axis=1) / self.reported.sum(axis=1))
        in_line = (youth >= 1 / OUT_OF_LINE) & (youth <= OUT_OF_LINE)
        return np.asarray((fewest >= FEWEST_POSITIVES) & (reported > 0) & in_line)

    def judge(self, reported: Floats, unreported: Floats, silent: float) -> tuple[Floats, Floats]:
        """Compare the last block."""
        # A tail that has become rarer has lost reported positives, too: that is drift, and no leak.
        kept = np.minimum(reported / self.reported.mean(axis=1), 1)
        return self.compare(reported, unreported, silent * kept)

    def compare(self, reported: Floats, unreported: Floats, silent: Floats | float) -> tuple[Floats, Floats]:
        """Missing share of hidden positives in another block, and its standard deviations by counting alone."""
        o, u, h = (c.sum(axis=1) for c in (self.reported, self.unreported, self.hidden))
        return _compare(reported, unreported, o / (o + h), silent * (u - h) / self.silent.sum())

    def power(self) -> Floats:
        """Standard deviations at which a leak would show in a block like these; shape (tails,)."""
        negatives = (self.unreported - self.hidden).mean(axis=1)
        spreads = self.compare(self.reported.mean(axis=1), negatives, self.silent.mean())[1]
        return spreads / self.inflation()

    def inflation(self) -> Floats:
        """Factor by which the blocks differ from each other more than counting explains, at least 1; shape (tails,)."""
        o, u, h = (c.sum(axis=1, keepdims=True) - c for c in (self.reported, self.unreported, self.hidden))
        negatives = self.silent * (u - h) / (self.silent.sum() - self.silent)
        return _inflation(_compare(self.reported, self.unreported, o / (o + h), negatives)[1])


class _SilentPast(_Past):
    """Counts of earlier blocks of which no positive is reported by the block's end."""

    def tells(self, reported: Floats, owed: Floats) -> Booleans:  # noqa: ARG002
        """Tails that have enough positives; shape (tails,)."""
        return np.asarray((self.hidden.sum(axis=1) >= FEWEST_POSITIVES) & (reported == 0))

    def judge(self, reported: Floats, unreported: Floats, silent: float) -> tuple[Floats, Floats]:
        """Compare the last block."""
        return self.compare(reported, unreported, silent)

    def compare(self, reported: Floats, unreported: Floats, silent: Floats | float) -> tuple[Floats, Floats]:  # noqa: ARG002
        """Missing share of positives, by how full the tail is, and its standard deviations by counting alone."""
        share = silent / self.silent.sum()
        expected = share * self.unreported.sum(axis=1)
        return (expected - unreported) / (share * self.hidden.sum(axis=1)), _shortfall(unreported, expected)

    def inflation(self) -> Floats:
        """Factor by which the blocks differ from each other more than counting explains, at least 1; shape (tails,)."""
        others = self.unreported.sum(axis=1, keepdims=True) - self.unreported
        expected = self.silent * others / (self.silent.sum() - self.silent)
        return CLUSTERED * _inflation(_shortfall(self.unreported, expected))


def _inflation(spreads: Floats) -> Floats:
    """From placebos' standard deviations, shape (tails, blocks)."""
    squares = np.nansum(spreads**2, axis=1)
    return np.asarray(np.sqrt(np.maximum(1.0, (PRIOR_BLOCKS + squares) / (PRIOR_BLOCKS + spreads.shape[1]))))


def _shortfall(found: Floats, expected: Floats) -> Floats:
    """Standard deviations by which a Poisson count lies below its mean: the signed root of the likelihood ratio."""
    deviance = 2 * (np.where(found > 0, found * np.log(found / expected), 0) - (found - expected))
    return np.asarray(np.sign(expected - found) * np.sqrt(np.maximum(deviance, 0)))


def _compare(reported: Floats, unreported: Floats, share: Floats, negatives: Floats) -> tuple[Floats, Floats]:
    """Missing share of hidden positives, and the signed root of the likelihood ratio against an honest feature.

    With an unknown number m of positives, ``reported`` is Poisson(share m) and ``unreported`` Poisson(negatives +
    (1 - share) m); the alternative fits both exactly. NaN where nothing can be said.
    """
    rest = 1 - share
    missing = 1 - (unreported - negatives) / (reported * rest / share)
    slope = negatives - rest * (reported + unreported)
    m = (-slope + np.sqrt(slope**2 + 4 * rest * reported * negatives)) / (2 * rest)
    deviance = np.zeros_like(m)
    for found, fitted in ((reported, share * m), (unreported, negatives + rest * m)):
        deviance = deviance + 2 * (np.where(found > 0, found * np.log(found / fitted), 0) - (found - fitted))
    sign = np.sign(negatives + rest * m - unreported)
    return missing, sign * np.sqrt(np.maximum(deviance, 0))


def cut(events: Events) -> Blocks | None:
    """Blocks as long as nine in ten reports take, or longer; None when they cannot tell anything."""
    delays = (events.reported - events.occurred)[events.mature & (events.reported != NEVER)]
    if len(delays) < FEWEST_POSITIVES:
        return None
    span = events.as_of - int(events.occurred.min())
    length = max(int(np.quantile(delays, 0.9)), 1)
    whole_weeks = -(-length // WEEK_US) * WEEK_US
    if length > WEEK_US // 2 and span // whole_weeks >= FEWEST_BLOCKS:
        length = whole_weeks  # so that weekdays do not make the blocks differ
    count = min(span // length, MOST_BLOCKS)
    if count < FEWEST_BLOCKS:
        return None
    block = (events.as_of - 1 - events.occurred) // length
    block[(block < 0) | (block > count)] = count
    block[_surplus(events, block < count)] = count
    end = events.as_of - block * length
    reported = events.reported <= end
    hidden = ~reported & (events.reported <= end + length)
    age = np.clip((end - 1 - events.occurred) * AGES // length, 0, AGES - 1)
    earlier = (block > 0) & (block < count)
    known, later = (np.bincount(age[earlier & which], minlength=AGES) for which in (reported, hidden))
    share = np.maximum(known / np.maximum(known + later, 1), LEAST_SHARE)
    blocks = Blocks(count, block, reported, hidden, ((1 - share) / share)[age])
    return blocks if later.sum() >= FEWEST_POSITIVES and _in_line(blocks) else None


def _surplus(events: Events, inside: Booleans) -> Booleans:
    """A sample of the events of days that have far more than others; what is left has as many as a busy day."""
    day = np.where(inside, (events.as_of - 1 - events.occurred) // DAY_US, -1) + 1
    sizes = np.bincount(day)
    sizes[0] = 0
    most = BUSY * np.median(sizes[sizes > 0]) if sizes.any() else 0.0
    kept = most / np.maximum(sizes, 1)
    return np.asarray(np.random.default_rng(0).random(len(day)) >= kept[day])


def _in_line(blocks: Blocks) -> bool:
    """Tell whether about as many events are reported in the last block as in the earlier ones, in proportion."""
    (known,), (unknown,), _, _ = blocks.tally(np.zeros_like(blocks.block), 1)
    share = known / np.maximum(known + unknown, 1)
    return bool(share[1:].min() / OUT_OF_LINE <= share[0] <= share[1:].max() * OUT_OF_LINE)
