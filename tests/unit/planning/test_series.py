"""Windows over partitions: their digest says what they hold, however it is reckoned."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ml_platform.cadence import Cadence
from ml_platform.orchestration.planning.calendars import Calendar, derived
from ml_platform.orchestration.planning.series import Series, Spans

DAYS = Calendar("days", Cadence.DAILY)
HOURS = Calendar("hours", Cadence.HOURLY)
MONDAYS = derived(DAYS, Cadence.WEEKLY, instant=True)
START = datetime(2024, 1, 1, tzinfo=UTC)

calendars = st.sampled_from([DAYS, HOURS, derived(DAYS, Cadence.WEEKLY), MONDAYS])
offsets = st.integers(-24 * 15, 24 * 60).map(lambda hours: START + timedelta(hours=hours))
windows = st.tuples(st.none() | offsets, st.none() | offsets)


@st.composite
def built(draw: st.DrawFn) -> tuple[Calendar, dict[str, str]]:
    """A calendar, and versions of some of its partitions."""
    calendar = draw(calendars)
    numbers = draw(st.sets(st.integers(0, 40), max_size=25))
    keys = [calendar.cadence.key(START + n * calendar.cadence.length) for n in numbers]
    return calendar, {key: draw(st.sampled_from("abc")) for key in keys}


def overlaps(calendar: Calendar, key: str, window: tuple[datetime | None, datetime | None]) -> bool:
    """Tell whether a partition overlaps a window, the obvious way; an instant is a point."""
    start, end = window
    first, last = calendar.cadence.start(key), calendar.cadence.end(key)
    after = start is None or (first >= start if calendar.instant else last > start)
    return after and (end is None or first < end)


@given(built(), windows)
def test_a_window_holds_the_partitions_that_overlap_it(
    made: tuple[Calendar, dict[str, str]], window: tuple[datetime | None, datetime | None]
) -> None:
    calendar, versions = made
    chosen = sorted(key for key in versions if overlaps(calendar, key, window))
    if window[0] is not None and window[1] is not None and window[1] < window[0]:
        chosen = []
    assert Spans(calendar, versions).within(window) == chosen
    assert Spans(calendar, versions).touch(window) == bool(chosen)
    alone = Series(calendar, {key: versions[key] for key in chosen}).digest((None, None))
    assert Series(calendar, versions).digest(window) == alone


@given(built(), st.data())
def test_another_version_or_partition_gives_another_digest(
    made: tuple[Calendar, dict[str, str]], data: st.DataObject
) -> None:
    calendar, versions = made
    whole = Series(calendar, versions).digest((None, None))
    if versions:
        key = data.draw(st.sampled_from(sorted(versions)))
        assert Series(calendar, {**versions, key: "other"}).digest((None, None)) != whole
        assert Series(calendar, {k: v for k, v in versions.items() if k != key}).digest((None, None)) != whole
