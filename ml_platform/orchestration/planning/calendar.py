"""The calendar of daily assets: its days come from the data, never from the clock."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

__all__ = ["DAYS", "calendar", "end_of", "extend_calendar", "range_tags", "ranges"]

DAYS = dg.DynamicPartitionsDefinition(name="days")


def calendar(instance: dg.DagsterInstance) -> list[str]:
    """Every day of the calendar, in order, as ``YYYY-MM-DD``."""
    return sorted(instance.get_dynamic_partitions("days"))


def extend_calendar(instance: dg.DagsterInstance, days: Iterable[date]) -> list[str]:
    """Add the days that the calendar lacks and return them, in order.

    Dagster keeps dynamic partitions in the order in which they were added, and a range of them means that order. So
    when a day arrives that lies before one already there, the later ones are added anew behind it. Deleting a
    partition does not touch what was materialised; a process killed in between is mended by the next call, as the
    days come from the data.
    """
    known = instance.get_dynamic_partitions("days")
    wanted = sorted({day.isoformat() for day in days} | set(known))
    agreed = next(
        (i for i, (a, b) in enumerate(zip(known, wanted, strict=False)) if a != b),
        min(len(known), len(wanted)),
    )
    for misplaced in known[agreed:]:
        instance.delete_dynamic_partition("days", misplaced)
    if wanted[agreed:]:
        instance.add_dynamic_partitions("days", wanted[agreed:])
    return sorted(set(wanted) - set(known))


def end_of(day: str) -> datetime:
    """The end of a day: 00:00 UTC of the next."""
    return datetime.fromisoformat(f"{day}T00:00:00+00:00") + timedelta(days=1)


def ranges(days: Iterable[str], order: Sequence[str]) -> list[list[str]]:
    """Split days into runs of days without a gap in the calendar ``order``."""
    position = {day: i for i, day in enumerate(order)}
    found: list[list[str]] = []
    for day in sorted(days, key=position.__getitem__):
        if found and position[day] == position[found[-1][-1]] + 1:
            found[-1].append(day)
        else:
            found.append([day])
    return found


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags of one run over a range of days, ends included."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
