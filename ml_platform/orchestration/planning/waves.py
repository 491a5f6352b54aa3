"""What of an update is done now, and in which runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from ml_platform.orchestration.planning.ledger import READ_UNTIL
from ml_platform.orchestration.planning.nodes import Node
from ml_platform.orchestration.planning.staleness import Day, Staleness

__all__ = ["Batch", "Wave", "batches", "first_of"]

Wave = Mapping[dg.AssetKey, frozenset[Day]]
"""Assets and their days (``None`` for an asset without days) to be made before staleness is asked again."""


@dataclass(frozen=True)
class Batch:
    """One run: assets, and the range of days of those that have days."""

    keys: frozenset[dg.AssetKey]
    first: str | None
    last: str | None


def first_of(wave: Wave, state: Staleness, nodes: Mapping[dg.AssetKey, Node]) -> Wave:
    """A wave without what is made, through others, from something in it.

    A model may be stale by its code alone, while the data that its dataset is made from is about to be loaded: the
    dataset is not stale yet, and the model would be trained twice.
    """
    upstream = _Upstream(wave, state, nodes)
    left = {
        key: frozenset(day for day in days if not upstream.changes(key, day)) for key, days in wave.items()
    }
    return {key: days for key, days in left.items() if days}


class _Upstream:
    def __init__(self, wave: Wave, state: Staleness, nodes: Mapping[dg.AssetKey, Node]) -> None:
        self._wave, self._state, self._nodes = wave, state, nodes
        self._known: dict[tuple[dg.AssetKey, Day], bool] = {}

    def changes(self, key: dg.AssetKey, day: Day) -> bool:
        """Whether something that (key, day) is made from, directly or not, is in the wave."""
        if (key, day) not in self._known:
            self._known[key, day] = any(
                (d in self._wave.get(dep, ()) and dep not in self._nodes[key].together)
                or self.changes(dep, d)
                for dep in self._nodes[key].deps
                if dep in self._nodes
                for d in self._read(key, dep, day)
            )
        return self._known[key, day]

    def _read(self, key: dg.AssetKey, dep: dg.AssetKey, day: Day) -> list[Day]:
        built = self._state.built(key).get(day)
        until = None
        if built is not None and day not in self._state.stale.get(key, ()):
            until = str(built.metadata[READ_UNTIL]) if READ_UNTIL in built.metadata else None
        return self._state.read_days(self._nodes[key], dep, day, until)


def batches(
    wave: Wave, state: Staleness, nodes: Mapping[dg.AssetKey, Node], order: Sequence[str]
) -> list[Batch]:
    """Group a wave into runs: assets with the same range of days share one, and so do those without days.

    What is made together is made in one go for all the days on which some of it is stale, but not on days on which
    some of it waits. Earlier days come first: that is where a day of what is made together reads from.

    Args:
        wave: what is to be made.
        state: what is stale now.
        nodes: the assets, by key.
        order: the calendar.
    """
    days_of: dict[frozenset[dg.AssetKey], set[Day]] = defaultdict(set)
    for group in {nodes[key].together & frozenset(wave) for key in wave}:
        for day in {day for key in group for day in wave[key]}:
            waits = any(state.waits_for(key, day) for key in group)
            days_of[frozenset(key for key in group if day in wave[key]) if waits else group].add(day)
    keys_of: dict[tuple[str | None, str | None], set[dg.AssetKey]] = defaultdict(set)
    for keys, days in days_of.items():
        for span in [(None, None)] if None in days else _ranges(days, order):
            keys_of[span] |= keys
    found = [Batch(frozenset(keys), *span) for span, keys in keys_of.items()]
    # Days come before what has none: a new day is scored by the release that is there, not by one made with it.
    return sorted(found, key=lambda batch: (batch.first is None, batch.first or "", batch.last or ""))


def _ranges(days: set[Day], order: Sequence[str]) -> list[tuple[str, str]]:
    """Days as ranges without a gap in the calendar."""
    ranges: list[tuple[str, str]] = []
    previous = ""
    for day in order:
        if day in days:
            if ranges and ranges[-1][1] == previous:
                ranges[-1] = (ranges[-1][0], day)
            else:
                ranges.append((day, day))
        previous = day
    return ranges
