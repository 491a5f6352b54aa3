"""Cadences: how often something is made, and all that follows from it.

A partition is a half-open window of UTC time, *[start, end)*, of one hour, one day, or one week from Monday. Its key
is a text that Dagster, the landing folder and the command line show; its value is what the partition column of a
warehouse table holds.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from ml_platform.errors import ConfigurationError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Cadence", "PartitionValue"]

PartitionValue = date | datetime
"""Value that a partition column holds: the hour's start (UTC), the day, or the week's Monday."""

YEARS = range(1900, 2200)
"""Of a key: another year is a slip, and windows could not be reckoned around the first or last day of all."""

_KEY = {
    "hourly": re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}"),
    "daily": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "weekly": re.compile(r"\d{4}-\d{2}-\d{2}"),
}


class Cadence(StrEnum):
    """A frequency: hourly, daily or weekly.

    >>> Cadence.WEEKLY.key(datetime(2024, 3, 1, 12, tzinfo=UTC))
    '2024-02-26'
    >>> Cadence.HOURLY.start("2024-03-01T13")
    datetime.datetime(2024, 3, 1, 13, 0, tzinfo=datetime.timezone.utc)
    """

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"

    @property
    def length(self) -> timedelta:
        """Length of a partition."""
        return {
            Cadence.HOURLY: timedelta(hours=1),
            Cadence.DAILY: timedelta(days=1),
            Cadence.WEEKLY: timedelta(days=7),
        }[self]

    @property
    def column(self) -> str:
        """Name of the partition column: ``hour``, ``day`` or ``week``."""
        return {Cadence.HOURLY: "hour", Cadence.DAILY: "day", Cadence.WEEKLY: "week"}[self]

    @property
    def noun(self) -> str:
        """One partition, for a sentence: hour, day or week."""
        return self.column

    @property
    def one(self) -> str:
        """One partition with its article: ``an hour``, ``a day``, ``a week``."""
        return f"{'an' if self is Cadence.HOURLY else 'a'} {self.noun}"

    @property
    def pattern(self) -> str:
        """The shape of a key, for a message."""
        return "YYYY-MM-DDThh" if self is Cadence.HOURLY else "YYYY-MM-DD"

    @property
    def arrow_type(self) -> "pa.DataType":
        """Type of the partition column: ``timestamp[us, tz=UTC]`` for hours, ``date32`` for days and weeks."""
        import pyarrow as pa  # declarations are read by services that have no need of it

        return pa.timestamp("us", tz="UTC") if self is Cadence.HOURLY else pa.date32()

    @property
    def freshness(self) -> tuple[timedelta, timedelta]:
        """After how long what is made anew each partition is late (a warning), and overdue (a failure)."""
        return {
            Cadence.HOURLY: (timedelta(hours=2), timedelta(hours=4)),
            Cadence.DAILY: (timedelta(hours=26), timedelta(hours=36)),
            Cadence.WEEKLY: (timedelta(days=8), timedelta(days=10)),
        }[self]

    def is_key(self, text: str) -> bool:
        """Tell whether a text is a key: of the right shape, a real time of a believable year, and a week's Monday."""
        if not _KEY[self.value].fullmatch(text):
            return False
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return False
        return moment.year in YEARS and (self is not Cadence.WEEKLY or moment.weekday() == 0)

    def key(self, moment: datetime) -> str:
        """Key of the partition that a moment (with a zone) lies in.

        Raises:
            ConfigurationError: the moment has no time zone.
        """
        if moment.tzinfo is None:
            raise ConfigurationError(f"{moment} has no time zone; give it in UTC")
        utc = moment.astimezone(UTC)
        if self is Cadence.HOURLY:
            return f"{utc:%Y-%m-%dT%H}"
        day = utc.date()
        return (day - timedelta(days=day.weekday()) if self is Cadence.WEEKLY else day).isoformat()

    def start(self, key: str) -> datetime:
        """Start of a partition (UTC).

        Raises:
            ConfigurationError: the text is no key of this cadence.
        """
        if not self.is_key(key):
            monday = ", a Monday" if self is Cadence.WEEKLY else ""
            raise ConfigurationError(f"{key!r} is not the key of {self.one}; write {self.pattern}{monday}")
        return datetime.fromisoformat(key).replace(tzinfo=UTC)

    def end(self, key: str) -> datetime:
        """End of a partition (UTC, exclusive): the start of the next."""
        return self.start(key) + self.length

    def column_value(self, key: str) -> PartitionValue:
        """Value that the partition column holds of a key."""
        start = self.start(key)
        return start if self is Cadence.HOURLY else start.date()

    def key_of(self, value: PartitionValue) -> str:
        """Key of what a partition column holds; the inverse of :meth:`column_value`."""
        if isinstance(value, datetime):
            return self.key(value.replace(tzinfo=UTC) if value.tzinfo is None else value)
        return self.key(datetime(value.year, value.month, value.day, tzinfo=UTC))

    def keys(self, start: datetime, end: datetime) -> Iterator[str]:
        """Keys of the partitions that overlap *[start, end)*, in order."""
        at = self.start(self.key(start))
        while at < end:
            yield self.key(at)
            at += self.length
