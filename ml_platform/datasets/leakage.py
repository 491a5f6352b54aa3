"""Does a feature know labels that nobody had reported yet? A natural experiment that every snapshot contains.

A feature that predicts well and a feature that was computed from the label look alike in old events: both are
high where the label is 1. They part in the newest ones. Some of those are positive without anybody having said so
yet; call them hidden. An honest feature points at hidden positives as it points at reported ones, for it was
computed from what came before the event, and the report came after. A feature made from labels cannot: when the
snapshot was made, the label of a hidden positive was not in the warehouse.

So events are cut into blocks that end at ``as_of``, one block length earlier, and so on. At the end of each block
its positives are *reported* (by then) or *hidden* (reported within a further block length; known for all blocks
but the last). Take the events that the feature points at: a tail of its values. The earlier blocks say what share
*p* of its positives is reported at a block's end, and at what rate it takes in negatives. In the last block, with *o*
events reported and *u* not, an honest feature has (1 - p)/p hidden positives among the *u* for each of the *o*; a
feature made from labels has none. ``missing`` is the share of those expected that is not there: about 0 for an
honest feature, about 1 for a leaking one. It is measured in standard deviations: the signed root of the likelihood
ratio (both counts Poisson), divided by how much more than that the earlier blocks scatter, each treated as the
last (placebos). The tail is chosen by the earlier blocks alone, as the one that would show a leak best; when none
would, the feature is not judged.

A feature may also hold the label among others, as a terminal's share of frauds does. Then it changes where the label
is: at the event itself, or soon after. So besides a feature itself, its change since the entity's last event, until its
next, and until its first on a later day, are judged in the same way, for each entity.

Where reports take so long that no positive is reported by the end of its block (all of them a week, say), *p* is 0 and
*o* says nothing. There the earlier blocks say how full the tail is, and how full of positives: in the last block an
honest feature fills it as before, and one made from labels lacks as many as were positive.

What it assumes: that reports come in at the pace at which they came in before. When the share of all events that
is reported in the last block is out of line with the earlier blocks, nothing is judged; nor is a tail whose reported
positives are younger or older than they were, as those of an attack on one day are. A day with far more events than
others is sampled, so that it does not speak for its block alone. A feature that is related to the delay of reports, a
changing rate of positives, and a drifting feature widen the spread and do no other harm.
What it cannot see: labels spread thin over many events (the share of positives of an entity's whole history, say),
features too weak for the number of hidden positives, and snapshots without any (``as_of`` long after the last event).
There, only a feature that separates the labels almost perfectly is called a
leak.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

__all__ = ["MIN_MISSING", "MIN_POWER", "MOST_BLOCKS", "NEVER", "Events", "FeatureEvidence", "judge"]

NEVER = np.iinfo(np.int64).max
MOST_BLOCKS = 9
FEWEST_BLOCKS = 4
FEWEST_POSITIVES = 20
TAILS = 24
MIN_MISSING = 0.5
MIN_SPREADS = 5.0
"""It counts from this many standard deviations: chance does not reach it with hundreds of features."""
MIN_POWER = 3.0
"""At how many standard deviations a leak must be expected for a feature to be judged at all."""
MAX_AUC = 0.999
MOST_NEGATIVES = 50_000
DAY_US = 86_400_000_000
WEEK_US = 7 * DAY_US
OUT_OF_LINE = 1.5
PRIOR_BLOCKS = 4
"""How many blocks' worth of trust the spread by counting alone gets against that of the placebos."""
AGES = 14
"""Parts of a block: in each, positives have had about as long to be reported."""
LEAST_SHARE = 0.2
"""The share of an age's positives that is taken to be reported, at least: a young one does not stand for many."""
BUSY = 2
"""How many times as many events as the median day a day may have before it is sampled."""
CLUSTERED = 1.5
"""How full a tail is scatters more than which share of it is reported: a stolen card pays often. Without this, honest
features of the Fraud Detection Handbook's payments, drawn seven times, came up to 3.4 standard deviations."""

Floats = npt.NDArray[np.floating]
Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
_Step = tuple[Integers, Integers, Integers]


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
        """Which events have had all the time that a report may take; shape (rows,)."""
        return self.occurred <= self.as_of - self.longest


@dataclass(frozen=True)
class FeatureEvidence:
    """What the data say of one feature.

    Attributes:
        leaks: the verdict.
        auc: how well the feature alone separates the labels of mature events, in its better direction (0.5-1);
            None without mature events of both labels.
        missing: share of the hidden positives that it should point at and does not: about 0 for an honest
            feature, 1 for one that knows reported labels; None when it cannot be judged.
        spreads: how many standard deviations that is from 0; None when it cannot be judged.
        aspect: what of the feature that was: itself, or a change of it.
    """

    leaks: bool
    auc: float | None
    missing: float | None = None
    spreads: float | None = None
    aspect: str = "value"


def judge(
    events: Events, features: Mapping[str, Floats], entities: Mapping[str, Integers] | None = None
) -> dict[str, FeatureEvidence]:
    """Judge each feature.

    Args:
        events: the events.
        features: floats of shape (rows,) each; NaN for a missing value, which counts as the lowest.
        entities: name of an entity to a code for each event's, shape (rows,); negative where it is unknown.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        blocks = _cut(events)
        steps = {
            f"{step} of {name}": pair
            for name, codes in (entities or {}).items()
            for step, pair in (_steps(events.occurred, codes, blocks.block) if blocks else ())
        }
        return {
            name: _judged(events, blocks, np.where(np.isnan(raw), -np.inf, raw), steps)
            for name, raw in features.items()
        }


def _judged(
    events: Events, blocks: "_Blocks | None", values: Floats, steps: Mapping[str, _Step]
) -> FeatureEvidence:
    mature = events.mature
    auc = _auc(values[mature], events.reported[mature] != NEVER)
    found: list[FeatureEvidence] = []
    for aspect, aspect_values in _aspects(values, steps):
        if blocks and (telling := blocks.most_telling(aspect_values)):
            missing, spreads = telling
            leaks = missing >= MIN_MISSING and spreads >= MIN_SPREADS
            found.append(FeatureEvidence(leaks, auc, missing, spreads, aspect))
    if found:
        return max(found, key=lambda e: (e.leaks, e.spreads))
    return FeatureEvidence(auc is not None and auc >= MAX_AUC, auc)


def _steps(occurred: Integers, codes: Integers, block: Integers) -> Iterator[tuple[str, _Step]]:
    """Pairs of events of one entity: which event a change is ascribed to, and from and to which it is measured.

    The last block has no later one to look into, so no change reaches over the end of its block.
    """
    order = np.lexsort((occurred, codes))
    order = order[codes[order] >= 0]
    entity, time = codes[order], occurred[order]
    same = entity[1:] == entity[:-1]
    before, after = order[:-1][same], order[1:][same]
    yield "change since the last event", (after, before, after)
    inside = block[before] == block[after]
    yield "change until the next event", (before[inside], before[inside], after[inside])
    day = time // DAY_US
    day -= day.min(initial=0)
    place = entity * (day.max(initial=0) + 2) + day
    later = np.searchsorted(place, place + 1)
    inside = later < len(place)
    later[~inside] = 0
    inside &= (entity[later] == entity) & (block[order[later]] == block[order])
    yield "change until the next day", (order[inside], order[inside], order[later[inside]])


def _aspects(values: Floats, steps: Mapping[str, _Step]) -> Iterator[tuple[str, Floats]]:
    """The feature itself, and its changes; 0 where there is none."""
    yield "value", values
    for aspect, (ascribed, start, end) in steps.items():
        change = np.zeros(len(values))
        change[ascribed] = np.nan_to_num(
            values[end] - values[start], posinf=np.inf, neginf=-np.inf
        )  # null - null
        yield aspect, change


@dataclass(frozen=True)
class _Blocks:
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
        """Which tails have enough positives, some of them in the last block and no younger or older; shape (tails,)."""
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
        """How much more the blocks differ from each other than counting explains, at least 1; shape (tails,)."""
        o, u, h = (c.sum(axis=1, keepdims=True) - c for c in (self.reported, self.unreported, self.hidden))
        negatives = self.silent * (u - h) / (self.silent.sum() - self.silent)
        return _inflation(_compare(self.reported, self.unreported, o / (o + h), negatives)[1])


class _SilentPast(_Past):
    """Counts of earlier blocks of which no positive is reported by the block's end."""

    def tells(self, reported: Floats, owed: Floats) -> Booleans:  # noqa: ARG002
        """Which tails have enough positives; shape (tails,)."""
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
        """How much more the blocks differ from each other than counting explains, at least 1; shape (tails,)."""
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


def _cut(events: Events) -> _Blocks | None:
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
    blocks = _Blocks(count, block, reported, hidden, ((1 - share) / share)[age])
    return blocks if later.sum() >= FEWEST_POSITIVES and _in_line(blocks) else None


def _surplus(events: Events, inside: Booleans) -> Booleans:
    """A sample of the events of days that have far more than others; what is left has as many as a busy day."""
    day = np.where(inside, (events.as_of - 1 - events.occurred) // DAY_US, -1) + 1
    sizes = np.bincount(day)
    sizes[0] = 0
    most = BUSY * np.median(sizes[sizes > 0]) if sizes.any() else 0.0
    kept = most / np.maximum(sizes, 1)
    return np.asarray(np.random.default_rng(0).random(len(day)) >= kept[day])


def _in_line(blocks: _Blocks) -> bool:
    """Whether about as many events are reported in the last block as in the earlier ones, in proportion."""
    (known,), (unknown,), _, _ = blocks.tally(np.zeros_like(blocks.block), 1)
    share = known / np.maximum(known + unknown, 1)
    return bool(share[1:].min() / OUT_OF_LINE <= share[0] <= share[1:].max() * OUT_OF_LINE)


def _auc(values: Floats, positive: Booleans) -> float | None:
    """Area under the ROC curve, in the better direction, against a sample of the negatives; None of too few rows.

    A handful of large frauds is separated by the amount without any leak.
    """
    negatives = np.flatnonzero(~positive)
    if min(positive.sum(), len(negatives)) < FEWEST_POSITIVES:
        return None
    from sklearn.metrics import roc_auc_score

    chosen = np.concatenate([np.flatnonzero(positive), negatives[:: len(negatives) // MOST_NEGATIVES + 1]])
    ranks = np.unique(values[chosen], return_inverse=True)[1]
    area = float(roc_auc_score(positive[chosen], ranks))
    return max(area, 1 - area)
