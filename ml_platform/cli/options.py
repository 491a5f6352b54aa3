"""Options that several commands have, and their bounds."""

from datetime import UTC, datetime

import typer

__all__ = ["FIRST", "LAST", "within_time"]

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
"""Earliest moment that an option takes."""

LAST = datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)
"""Latest moment that an option takes: every engine's timestamps reach further, also by a look-back or look-ahead."""


def within_time(moment: datetime | None) -> datetime | None:
    """Callback of an option that is a day or a moment: what has no zone is taken as UTC.

    Raises:
        BadParameter: it lies outside of the time that data can be of.
    """
    if moment is None:
        return None
    known = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not FIRST <= known <= LAST:
        raise typer.BadParameter(
            f"{moment.isoformat(' ').removesuffix(' 00:00:00')} is not between {FIRST:%Y-%m-%d} and {LAST:%Y-%m-%d}"
        )
    return known.astimezone(UTC)
