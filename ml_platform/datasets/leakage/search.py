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

A feature may also hold the label among others, as a shop's share of returned orders does. Then it changes where the
label is: at the event itself, or soon after. So besides a feature itself, its change since the entity's last event,
until its next, and until its first on a later day, are judged in the same way, for each entity.

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

import numpy as np

from ml_platform.datasets.leakage.blocks import (
    DAY_US,
    FEWEST_POSITIVES,
    NEVER,
    Blocks,
    Booleans,
    Events,
    Floats,
    Integers,
    cut,
)

__all__ = ["MIN_MISSING", "FeatureEvidence", "judge"]

MIN_MISSING = 0.5
MIN_SPREADS = 5.0
"""It counts from this many standard deviations: chance does not reach it with hundreds of features."""
MAX_AUC = 0.999
MOST_NEGATIVES = 50_000

_Step = tuple[Integers, Integers, Integers]


@dataclass(frozen=True)
class FeatureEvidence:
    """The evidence that the data give of one feature.

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
        blocks = cut(events)
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
    events: Events, blocks: Blocks | None, values: Floats, steps: Mapping[str, _Step]
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


def _auc(values: Floats, positive: Booleans) -> float | None:
    """Area under the ROC curve, in the better direction, against a sample of the negatives; None of too few rows.

    A handful of large positives is separated by their size without any leak.
    """
    negatives = np.flatnonzero(~positive)
    if min(positive.sum(), len(negatives)) < FEWEST_POSITIVES:
        return None
    from sklearn.metrics import roc_auc_score

    chosen = np.concatenate([np.flatnonzero(positive), negatives[:: len(negatives) // MOST_NEGATIVES + 1]])
    ranks = np.unique(values[chosen], return_inverse=True)[1]
    area = float(roc_auc_score(positive[chosen], ranks))
    return max(area, 1 - area)
