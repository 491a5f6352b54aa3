"""Which days are simulated."""

from datetime import date, timedelta

import pytest

from bank_simulator.calendar import days_of_existing_bank, days_of_new_bank
from ml_platform.errors import ConfigurationError

YESTERDAY = date(2025, 6, 30)
OPENED = date(2025, 4, 1)


def first_last_count(days: list[date]) -> tuple[str, str, int]:
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    return days[0].isoformat(), days[-1].isoformat(), len(days)


@pytest.mark.parametrize(
    ("days", "start", "end", "expected"),
    [
        (None, None, None, ("2025-04-02", "2025-06-30", 90)),
        (10, None, None, ("2025-06-21", "2025-06-30", 10)),
        (None, date(2025, 6, 1), None, ("2025-06-01", "2025-06-30", 30)),
        (3, date(2030, 1, 1), None, ("2030-01-01", "2030-01-03", 3)),
        (3, None, date(2020, 1, 10), ("2020-01-08", "2020-01-10", 3)),
        (None, date(2020, 1, 9), date(2020, 1, 10), ("2020-01-09", "2020-01-10", 2)),
    ],
)
def test_a_new_bank(
    days: int | None, start: date | None, end: date | None, expected: tuple[str, str, int]
) -> None:
    assert first_last_count(days_of_new_bank(days, start, end, yesterday=YESTERDAY)) == expected


def existing(
    days: int | None = None,
    start: date | None = None,
    end: date | None = None,
    last: date = date(2025, 6, 27),
    through: date | None = None,
) -> list[date]:
    next_day = last + timedelta(days=1)
    return days_of_existing_bank(
        days, start, end, opened=OPENED, next_day=next_day, through=through or last, yesterday=YESTERDAY
    )


def test_an_existing_bank_continues_up_to_yesterday() -> None:
    assert first_last_count(existing()) == ("2025-06-28", "2025-06-30", 3)
    assert existing(last=YESTERDAY) == []
    assert existing(last=YESTERDAY + timedelta(days=5)) == []


def test_further_days_may_lie_in_the_future() -> None:
    assert first_last_count(existing(days=7)) == ("2025-06-28", "2025-07-04", 7)


def test_days_that_are_there_can_be_asked_for_again() -> None:
    assert first_last_count(existing(start=OPENED, days=5)) == ("2025-04-01", "2025-04-05", 5)
    assert first_last_count(existing(days=5, end=date(2025, 6, 28))) == ("2025-06-24", "2025-06-28", 5)
    assert existing(end=date(2025, 6, 1)) == []


def test_an_interrupted_run_is_completed_first() -> None:
    through = date(2025, 7, 10)
    assert first_last_count(existing(days=90, through=through)) == ("2025-06-28", "2025-07-10", 13)
    assert first_last_count(existing(through=through)) == ("2025-06-28", "2025-07-10", 13)
    assert first_last_count(existing(through=date(2025, 6, 28))) == ("2025-06-28", "2025-06-30", 3)


def test_refusals_name_the_remedy() -> None:
    with pytest.raises(ConfigurationError, match="leave one out"):
        days_of_new_bank(1, OPENED, OPENED, yesterday=YESTERDAY)
    with pytest.raises(ConfigurationError, match="on or before 2025-06-30"):
        days_of_new_bank(None, date(2025, 7, 1), None, yesterday=YESTERDAY)
    with pytest.raises(ConfigurationError, match=r"before 1970-01-01.*later days"):
        days_of_new_bank(5, None, date(1970, 1, 3), yesterday=YESTERDAY)
    with pytest.raises(ConfigurationError, match="leave one out"):
        existing(days=1, start=OPENED, end=OPENED)
    with pytest.raises(ConfigurationError, match="give --start 2025-04-01 or later"):
        existing(start=date(2025, 3, 31))
    with pytest.raises(ConfigurationError, match=r"leave a gap.*--start 2025-06-28 or earlier"):
        existing(start=date(2025, 6, 29))
