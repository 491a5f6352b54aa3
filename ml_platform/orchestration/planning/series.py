"""The versions of an asset's partitions by time, so that any window of them has a digest at once."""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import accumulate

from ml_platform.orchestration.planning.calendars import Calendar

__all__ = ["Series", "Spans", "Window"]

Window = tuple[datetime | None, datetime | None]
"""*[start, end)* in UTC; None is unbounded."""

_MODULUS = 1 << 128
_MOMENT = timedelta(microseconds=1)


class Series:
    """Partitions in the order of time, each with a version.

    A running sum of the hashes of (key, version) makes the digest of any window the difference of two sums. The sum
    of 128-bit hashes depends on which partitions there are and on what they hold, not on the order they came in; it
    guards against accidents, not against an adversary.
    """

    def __init__(self, calendar: Calendar, versions: Mapping[str, str]) -> None:
        self.keys = sorted(versions)
        self._length = _length(calendar)
        self._starts = [calendar.cadence.start(key) for key in self.keys]
        hashes = (_hash(key, versions[key]) for key in self.keys)
        self._sums = [0, *accumulate(hashes, lambda total, one: (total + one) % _MODULUS)]

    def within(self, window: Window) -> "slice[int, int, None]":
        """Positions of the partitions that overlap a window."""
        return overlapping(self._starts, self._length, window)

    def digest(self, window: Window) -> str:
        """The content of a window: number of partitions, and the sum of their hashes (hex)."""
        found = self.within(window)
        total = (self._sums[found.stop] - self._sums[found.start]) % _MODULUS
        return f"{found.stop - found.start}:{total:032x}"


class Spans:
    """Some partitions, to be asked which windows touch them."""

    def __init__(self, calendar: Calendar, keys: Iterable[str]) -> None:
        self.keys = sorted(keys)
        self._length = _length(calendar)
        self._starts = [calendar.cadence.start(key) for key in self.keys]

    def within(self, window: Window) -> list[str]:
        """Those that overlap a window."""
        return self.keys[overlapping(self._starts, self._length, window)]

    def touch(self, window: Window) -> bool:
        """Tell whether some overlap a window."""
        found = overlapping(self._starts, self._length, window)
        return found.stop > found.start


def overlapping(starts: list[datetime], length: timedelta, window: Window) -> "slice[int, int, None]":
    """Positions in ``starts`` of the partitions of one length that overlap a window."""
    start, end = window
    first = 0 if start is None else bisect_right(starts, start - length)
    last = len(starts) if end is None else bisect_left(starts, end)
    return slice(first, max(first, last))


def _length(calendar: Calendar) -> timedelta:
    """An instant is a point in time; anything else lasts as long as its cadence says."""
    return _MOMENT if calendar.instant else calendar.cadence.length


def _hash(key: str, version: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{key}\0{version}".encode(), digest_size=16).digest(), "little")
