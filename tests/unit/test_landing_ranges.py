"""The runs that the landing sensor asks for, tick by tick."""

from hypothesis import given
from hypothesis import strategies as st

from sensors.landing import Asked, next_ranges

DAYS = [f"2024-01-{day:02}" for day in range(1, 32)]


def tick(files: dict[str, str], asked: Asked) -> list[list[str]]:
    requests = list(next_ranges(files, asked, DAYS))
    for days in requests:
        asked.update({day: (files[day], len(days)) for day in days})
    return requests


def test_new_days_are_one_range_where_the_calendar_has_no_gap() -> None:
    files = dict.fromkeys([*DAYS[:3], *DAYS[5:7]], "new")
    assert tick(files, {}) == [DAYS[:3], DAYS[5:7]]


def test_a_day_that_failed_alone_waits_for_other_files() -> None:
    asked: Asked = {}
    assert tick({DAYS[0]: "broken"}, asked) == [[DAYS[0]]]
    assert tick({DAYS[0]: "broken"}, asked) == []
    assert tick({DAYS[0]: "mended"}, asked) == [[DAYS[0]]]


@given(landed=st.sets(st.sampled_from(DAYS), min_size=1), broken=st.sets(st.sampled_from(DAYS)))
def test_every_good_day_is_loaded_and_every_bad_one_is_tried_alone_once(
    landed: set[str], broken: set[str]
) -> None:
    files, asked, alone = dict.fromkeys(sorted(landed), "as it is"), Asked(), list[str]()
    for _ in range(len(DAYS)):
        requests = tick(files, asked)
        if not requests:
            break
        for days in requests:
            if broken.isdisjoint(days):
                for day in days:
                    del files[day]
            elif len(days) == 1:
                alone += days
    assert sorted(files) == sorted(alone) == sorted(landed & broken)
