"""Calendars: which partitions there are. Each source has its own, and nobody else's data add to it.

The keys of a source's calendar are the folders that landed. A model that is made less often than what it reads has a
calendar derived from that one. In Dagster a calendar is a set of dynamic partitions, so that data of any year may
come, and a new key shows in running pages. Keys are only ever added. Dagster keeps them in the order in which they
were added, which is what a range of one run follows; windows follow time.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from ml_platform.cadence import Cadence
from ml_platform.errors import NotFoundError
from ml_platform.orchestration.planning.storage import Storage

__all__ = ["CALENDAR", "Calendar", "Calendars", "derived", "range_tags", "ranges"]

CALENDAR = "ml_platform/calendar"
"""Asset metadata: the calendar of an asset's partitions, as plain data."""


@dataclass(frozen=True)
class Calendar:
    """A named set of partitions.

    Attributes:
        name: also that of Dagster's dynamic partitions.
        cadence: how long a partition is.
        of: the calendar that this one is derived from; None for a source's own.
        instant: whether a partition holds a population as of its start: it reads only what lies before, and is there
            as soon as the data reach it.
        begins: whether it has the partitions of ``of`` from some time on, which :meth:`Calendars.begin` is told.
    """

    name: str
    cadence: Cadence
    of: "Calendar | None" = None
    instant: bool = False
    begins: bool = False

    @cached_property
    def partitions(self) -> dg.DynamicPartitionsDefinition:
        """Dagster's definition of the partitions."""
        return dg.DynamicPartitionsDefinition(name=self.name)

    @property
    def metadata(self) -> dict[str, Any]:
        """Itself as metadata of an asset, which :meth:`of_metadata` reads."""
        return {CALENDAR: asdict(self)}

    @classmethod
    def of_metadata(cls, content: Mapping[str, Any]) -> "Calendar":
        """The calendar that :attr:`metadata` describes."""
        of = content.get("of")
        return cls(
            content["name"],
            Cadence(content["cadence"]),
            cls.of_metadata(of) if of else None,
            bool(content["instant"]),
            bool(content["begins"]),
        )

    def span(self, key: str) -> tuple[datetime, datetime]:
        """The time of which a partition reads, without look-back: *[start, end)*; nothing, for an instant."""
        start = self.cadence.start(key)
        return start, start if self.instant else self.cadence.end(key)

    def keys_from(self, keys: Sequence[str]) -> list[str]:
        """Keys that follow from those of the calendar that it is derived from, in order."""
        if self.of is None:
            return []
        if self.begins:
            return sorted(keys)
        ends = [(self.of.cadence.start(key), self.of.cadence.end(key)) for key in keys]
        if not self.instant:
            return sorted({self.cadence.key(start) for start, _ in ends})
        until = max((end for _, end in ends), default=None)
        if until is None:
            return []
        found = set()
        for start, end in ends:  # the instants before which, within one length, something happened
            last = min(end + self.cadence.length, until + self.cadence.length)
            found |= {k for k in self.cadence.keys(start, last) if start < self.cadence.start(k) <= until}
        return sorted(found)


def derived(of: Calendar, cadence: Cadence, *, instant: bool = False) -> Calendar:
    """The calendar of what is made from ``of`` by another cadence; ``of`` itself when nothing differs."""
    if of.cadence is cadence and not instant:
        return of
    return Calendar(f"{of.name}_{cadence}{'_start' if instant else ''}", cadence, of, instant)


class Calendars:
    """The calendars of one instance, seen at one moment: their keys are read once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._keys: dict[str, list[str]] | None = None
        self._sorted: dict[str, list[str]] = {}
        self._order: dict[str, list[str]] = {}

    def order(self, calendar: Calendar) -> list[str]:
        """Keys in Dagster's own order, which a range of partitions follows."""
        if calendar.name not in self._order:
            self._order[calendar.name] = list(self._instance.get_dynamic_partitions(calendar.name))
        return self._order[calendar.name]

    def keys(self, calendar: Calendar) -> list[str]:
        """Keys by time: the text of keys of one cadence sorts like their times."""
        if self._keys is None:
            self._keys = Storage(self._instance).partitions()
        if calendar.name not in self._sorted:
            self._sorted[calendar.name] = sorted(self._keys.get(calendar.name, []))
        return self._sorted[calendar.name]

    @lru_cache(maxsize=1000)  # noqa: B019 (it lives as long as one look at an instance)
    def digest(self, calendar: Calendar) -> str:
        """All keys as one text: it changes when one is added."""
        return hashlib.sha256("\n".join(self.keys(calendar)).encode()).hexdigest()

    def as_of(self, calendar: Calendar) -> datetime:
        """End of the data (UTC): of the calendar's last partition, or of that which it is derived from.

        Raises:
            NotFoundError: there is none yet.
        """
        if calendar.of is not None:
            return self.as_of(calendar.of)
        if not self.keys(calendar):
            raise NotFoundError(f"nothing of {calendar.name} has landed yet; bring data and run again")
        return calendar.cadence.end(self.keys(calendar)[-1])

    def extend(self, calendar: Calendar, keys: Iterable[str]) -> list[str]:
        """Add the keys that a calendar lacks, and return them, in order."""
        new = sorted(set(keys) - set(self.keys(calendar)))
        if new:
            self._instance.add_dynamic_partitions(calendar.name, new)
            self._keys = None
            self._sorted.pop(calendar.name, None)
            self._order.pop(calendar.name, None)
            self.digest.cache_clear()
        return new

    def follow(self, calendars: Iterable[Calendar]) -> None:
        """Extend derived calendars by what follows from those that they are derived from, but for those that begin."""
        for calendar in calendars:
            if calendar.of is not None:
                self.follow([calendar.of])
                if not calendar.begins:
                    self.extend(calendar, calendar.keys_from(self.keys(calendar.of)))

    def begin(self, calendar: Calendar, first: datetime) -> None:
        """Extend a calendar by the partitions, of that which it is derived from, that start at a time (UTC) or later.

        One that does not begin at some time is left as it is.
        """
        if calendar.of is not None and calendar.begins:
            # Keys sort like their times, and parsing those of years at each tick would be felt.
            at = calendar.cadence.key(first)
            whole = calendar.cadence.start(at) == first
            keys = calendar.keys_from(self.keys(calendar.of))
            self.extend(calendar, [key for key in keys if key > at or (whole and key == at)])


def ranges(keys: Iterable[str], order: Sequence[str]) -> list[list[str]]:
    """Split keys into runs without a gap in ``order``."""
    position = {key: i for i, key in enumerate(order)}
    found: list[list[str]] = []
    for key in sorted(keys, key=position.__getitem__):
        if found and position[key] == position[found[-1][-1]] + 1:
            found[-1].append(key)
        else:
            found.append([key])
    return found


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of one run over a range of partitions, ends included."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
