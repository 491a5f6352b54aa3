"""The days to simulate, from what was asked for and what is there."""

from datetime import date, timedelta

from bank_simulator.randomness import FIRST_DAY
from ml_platform.errors import ConfigurationError

__all__ = ["DEFAULT_DAYS", "days_of_existing_bank", "days_of_new_bank"]

DEFAULT_DAYS = 90


def days_of_new_bank(
    days: int | None, start: date | None, end: date | None, *, yesterday: date
) -> list[date]:
    """Days of a bank that has none yet: by default the 90 days up to and including yesterday.

    Args:
        days: How many.
        start: First day.
        end: Last day, inclusive.
        yesterday: The last whole UTC day.

    Raises:
        ConfigurationError: All three are given, no day is left, or the first lies before 1970.
    """
    _refuse_all_three(days, start, end)
    if end is None:
        end = start + timedelta(days=days - 1) if start is not None and days is not None else yesterday
    if start is None:
        start = end - timedelta(days=(days or DEFAULT_DAYS) - 1)
    if start > end:
        raise ConfigurationError(
            f"no day lies between {start} and {end}; give --start a day on or before {end}, or --days"
        )
    if start < FIRST_DAY:
        raise ConfigurationError(
            f"{start} is before {FIRST_DAY}, the simulator's first day; ask for later days"
        )
    return _days(start, end)


def days_of_existing_bank(
    days: int | None,
    start: date | None,
    end: date | None,
    *,
    opened: date,
    next_day: date,
    through: date,
    yesterday: date,
) -> list[date]:
    """Days to add to a bank: by default those after its last, up to and including yesterday; can be none.

    Args:
        days: How many; from the day after the last, unless `start` or `end` says otherwise. When the run
            before was interrupted, its missing days are completed instead, so that repeating a killed command
            ends as the command would have.
        start: First day; may lie within the days that are there, to complete or verify them.
        end: Last day, inclusive.
        opened: The bank's first day.
        next_day: The day after the last that is there.
        through: The last day that was asked for so far.
        yesterday: The last whole UTC day.

    Raises:
        ConfigurationError: All three are given, or the days would leave a gap or begin before the bank did.
    """
    _refuse_all_three(days, start, end)
    if start is None and end is None and (days is None or through >= next_day):
        return _days(next_day, through if days is not None else max(yesterday, through))
    if start is None:
        start = end - timedelta(days=days - 1) if end is not None and days is not None else next_day
    if end is None:
        end = start + timedelta(days=days - 1) if days is not None else yesterday
    if start < opened:
        raise ConfigurationError(
            f"the bank in this folder opened on {opened}, so {start} cannot be added; give --start {opened} "
            "or later, or simulate into another folder with --landing"
        )
    if start > next_day:
        raise ConfigurationError(
            f"starting on {start} would leave a gap after the bank's last day, {next_day - timedelta(days=1)}"
            f"; give --start {next_day} or earlier, or leave it out"
        )
    return _days(start, end)


def _refuse_all_three(days: int | None, start: date | None, end: date | None) -> None:
    if days is not None and start is not None and end is not None:
        raise ConfigurationError(
            "--days, --start and --end were all given; two of them say which days, leave one out"
        )


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
