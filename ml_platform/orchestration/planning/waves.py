"""Waves: the part of an update that is made now, and the runs that make it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from ml_platform.orchestration.planning.calendars import Calendar, Calendars, ranges
from ml_platform.orchestration.planning.ledger import Partition
from ml_platform.orchestration.planning.nodes import Graph, in_order
from ml_platform.orchestration.planning.series import Spans
from ml_platform.orchestration.planning.staleness import Staleness

__all__ = ["Batch", "Wave", "batches", "first_of"]

Wave = Mapping[dg.AssetKey, frozenset[Partition]]
"""Assets and their partitions (``None`` for an asset without) to be made before staleness is asked again."""


@dataclass(frozen=True)
class Batch:
    """One run: assets, and the range of partitions of those that have some, in Dagster's order."""

    keys: frozenset[dg.AssetKey]
    calendar: Calendar | None = None
    first: str | None = None
    last: str | None = None


def first_of(wave: Wave, state: Staleness, nodes: Graph) -> Wave:
    """A wave without what is made, through others, from something in it.

    A model may be stale by its code alone, while the data that its dataset is made from is about to be loaded: the
    dataset is not stale yet, and the model would be trained twice. What reads a view that is in the wave waits too.
    """
    changing: dict[dg.AssetKey, frozenset[Partition]] = {}
    waiting: dict[dg.AssetKey, frozenset[Partition]] = {}
    left: dict[dg.AssetKey, frozenset[Partition]] = {}
    for key in in_order(nodes):
        own = wave.get(key, frozenset())
        if not own and not any(dep in changing for dep in (*nodes[key].inputs, *nodes[key].deps)):
            continue
        # What is made together is made in order by one run: only what lies before all of it counts.
        before = {
            dep: (waiting if dep in nodes[key].together else changing).get(dep, frozenset())
            for dep in nodes[key].inputs
        }
        touched = _touched(key, before, wave, state, nodes)
        changing[key], waiting[key] = own | touched, touched
        if own - touched:
            left[key] = own - touched
    return left


def _touched(
    key: dg.AssetKey,
    before: Mapping[dg.AssetKey, frozenset[Partition]],
    wave: Wave,
    state: Staleness,
    nodes: Graph,
) -> frozenset[Partition]:
    """The partitions of an asset that are made, directly or not, from what is about to change."""
    node = nodes[key]
    candidates = frozenset(state.wanted(node)) | wave.get(key, frozenset())
    if any(nodes[dep].view and dep in wave and dep not in node.together for dep in node.deps if dep in nodes):
        return candidates
    upstream: list[tuple[dg.AssetKey, Spans | None]] = []
    for dep, found in before.items():
        if found:
            calendar = nodes[dep].calendar
            upstream.append((dep, Spans(calendar, [p for p in found if p]) if calendar else None))
    if not upstream:
        return frozenset()
    stale, built = state.stale.get(key, frozenset()), state.built(key)

    def until(partition: Partition) -> str:
        return built[partition].until if partition in built and partition not in stale else ""

    return frozenset(
        p for p in candidates if any(state.reads_any(key, p, dep, spans, until(p)) for dep, spans in upstream)
    )


def batches(wave: Wave, state: Staleness, nodes: Graph, calendars: Calendars) -> list[Batch]:
    """Group a wave into runs: assets with the same range of one calendar share one, and so do those without.

    What is made together is made in one go where some of it is stale, but not where some of it waits. Earlier
    partitions come first: that is where what is made together reads from.

    Args:
        wave: what is to be made.
        state: what is stale now.
        nodes: the assets, by key.
        calendars: in whose order ranges are.
    """
    keys_of: dict[tuple[Calendar | None, str | None, str | None], set[dg.AssetKey]] = defaultdict(set)
    groups = {
        frozenset(k for k in wave if k in nodes[key].together and nodes[k].calendar == nodes[key].calendar)
        for key in wave
    }
    for group in groups:
        calendar = nodes[next(iter(group))].calendar
        chosen: dict[frozenset[dg.AssetKey], set[Partition]] = defaultdict(set)
        for partition in {p for key in group for p in wave[key]}:
            waits = any(state.waits_for(key, partition) for key in group)
            chosen[frozenset(k for k in group if partition in wave[k]) if waits else group].add(partition)
        for keys, partitions in chosen.items():
            for first, last in _spans(calendar, partitions, calendars):
                keys_of[calendar, first, last] |= keys
    found = [Batch(frozenset(keys), *span) for span, keys in keys_of.items()]
    # Partitions come before what has none: a new day is scored by the release that is there, not by one made with it.
    return sorted(
        found,
        key=lambda batch: (batch.first is None, batch.first or "", batch.last or "", sorted(batch.keys)),
    )


def _spans(
    calendar: Calendar | None, partitions: set[Partition], calendars: Calendars
) -> Sequence[tuple[str | None, str | None]]:
    if calendar is None:
        return [(None, None)]
    runs = ranges((p for p in partitions if p is not None), calendars.order(calendar))
    return [(run[0], run[-1]) for run in runs]
