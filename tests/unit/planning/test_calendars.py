"""Calendars: what follows from the partitions that landed, and whose data say until when."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.cadence import Cadence
from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.orchestration.planning.calendars import Calendar, Calendars, derived, ranges

DAILY = Calendar("payments", Cadence.DAILY)
WEEKLY = derived(DAILY, Cadence.WEEKLY)
MONDAYS = derived(DAILY, Cadence.WEEKLY, instant=True)
MOMENTS = st.integers(-7000, 70_000).flatmap(
    lambda day: st.integers(0, 86_399_999_999).map(
        lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day, microseconds=us)
    )
)


@given(MOMENTS, st.sampled_from(Cadence))
def test_every_moment_lies_in_the_partition_of_its_key(moment: datetime, cadence: Cadence) -> None:
    key = cadence.key(moment)
    assert cadence.is_key(key)
    assert cadence.start(key) <= moment < cadence.end(key)
    assert cadence.end(key) - cadence.start(key) == cadence.length
    assert cadence.key_of(cadence.column_value(key)) == key


@given(st.lists(MOMENTS, min_size=2, max_size=20), st.sampled_from(Cadence))
def test_keys_sort_like_their_times(moments: list[datetime], cadence: Cadence) -> None:
    keys = [cadence.key(moment) for moment in moments]
    assert sorted(keys) == sorted(keys, key=cadence.start)


@pytest.mark.parametrize(
    ("cadence", "text"),
    [
        (Cadence.DAILY, "2024-02-30"),
        (Cadence.DAILY, "2024-2-3"),
        (Cadence.DAILY, "0001-01-01"),
        (Cadence.WEEKLY, "2024-03-05"),
        (Cadence.HOURLY, "2024-03-05"),
        (Cadence.HOURLY, "2024-03-05T24"),
        (Cadence.HOURLY, "2024-03-05T7"),
    ],
)
def test_what_is_no_key_is_refused_with_its_shape(cadence: Cadence, text: str) -> None:
    assert not cadence.is_key(text)
    with pytest.raises(ConfigurationError, match=r"is not the key of .*; write YYYY-MM-DD"):
        cadence.start(text)


def test_a_week_is_there_as_soon_as_one_of_its_days_is() -> None:
    assert WEEKLY.keys_from(["2024-03-03", "2024-03-04", "2024-03-12"]) == [
        "2024-02-26",
        "2024-03-04",
        "2024-03-11",
    ]


def test_a_population_is_there_when_the_data_reach_its_instant() -> None:
    days = [(date(2024, 3, 1) + timedelta(days=n)).isoformat() for n in range(10)]  # Friday to Sunday week
    assert MONDAYS.keys_from(days[:2]) == []
    assert MONDAYS.keys_from(days[:3]) == ["2024-03-04"]
    assert MONDAYS.keys_from(days) == ["2024-03-04", "2024-03-11"]


def test_no_population_is_made_of_a_gap_of_years() -> None:
    found = MONDAYS.keys_from(["2018-04-01", "2024-03-03"])
    assert found == ["2018-04-02", "2024-03-04"]


def test_each_source_has_its_own_end_of_the_data() -> None:
    other = Calendar("messages", Cadence.HOURLY)
    with dg.DagsterInstance.ephemeral() as instance:
        calendars = Calendars(instance)
        with pytest.raises(NotFoundError, match="nothing of payments has landed"):
            calendars.as_of(DAILY)
        assert calendars.extend(DAILY, ["2018-04-02", "2018-04-01"]) == ["2018-04-01", "2018-04-02"]
        calendars.extend(other, ["2024-03-01T13"])
        calendars.follow([MONDAYS])
        assert calendars.as_of(DAILY) == datetime(2018, 4, 3, tzinfo=UTC)
        assert calendars.as_of(MONDAYS) == datetime(2018, 4, 3, tzinfo=UTC), (
            "of the data, not of the last Monday"
        )
        assert calendars.as_of(other) == datetime(2024, 3, 1, 14, tzinfo=UTC)
        assert calendars.keys(MONDAYS) == ["2018-04-02"]


@pytest.mark.parametrize("of", [DAILY, MONDAYS])
def test_a_calendar_that_begins_at_some_time_has_nothing_before_it(of: Calendar) -> None:
    begins = Calendar("predictions", of.cadence, of, of.instant, begins=True)
    with dg.DagsterInstance.ephemeral() as instance:
        calendars = Calendars(instance)
        calendars.extend(DAILY, [f"2018-04-{day:02d}" for day in range(1, 24)])
        calendars.follow([of, begins])
        assert calendars.keys(begins) == [], "nobody said when"
        calendars.begin(begins, datetime(2018, 4, 9, tzinfo=UTC))
        expected = [key for key in calendars.keys(of) if key >= "2018-04-09"]
        assert expected[0] == "2018-04-09"
        assert calendars.keys(begins) == expected
        calendars.extend(DAILY, [f"2018-04-{day:02d}" for day in range(24, 31)])
        calendars.follow([of, begins])
        calendars.begin(begins, datetime(2018, 4, 20, tzinfo=UTC))
        new = [key for key in calendars.keys(of) if key >= "2018-04-24"]
        assert calendars.keys(begins) == expected + new
        assert calendars.keys(begins)[0] == "2018-04-09", "nothing is taken away"


def test_a_key_that_comes_late_is_added_and_nothing_is_taken_away() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        calendars = Calendars(instance)
        calendars.extend(DAILY, ["2024-01-03", "2024-01-05"])
        assert calendars.extend(DAILY, ["2024-01-04", "2024-01-05"]) == ["2024-01-04"]
        assert calendars.order(DAILY) == ["2024-01-03", "2024-01-05", "2024-01-04"]
        assert calendars.keys(DAILY) == ["2024-01-03", "2024-01-04", "2024-01-05"]
        assert ranges(["2024-01-03", "2024-01-04"], calendars.order(DAILY)) == [
            ["2024-01-03"],
            ["2024-01-04"],
        ]


def test_a_calendar_survives_as_metadata() -> None:
    content = MONDAYS.metadata["ml_platform/calendar"]
    assert Calendar.of_metadata(content) == MONDAYS
