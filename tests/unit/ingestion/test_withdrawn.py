"""A folder that is removed withdraws its rows; many at once are a lost disk."""

import shutil
from datetime import timedelta

import pytest

from ml_platform.errors import DataError
from ml_platform.orchestration.assets.naming import asset_key
from ml_platform.orchestration.assets.raw import fingerprints

DAYS = [f"2020-01-{day:02d}" for day in range(1, 13)]


@pytest.fixture
def loaded(place, things):
    for day in DAYS:
        place.drop(day, "a.csv", f"id,seen,amount\n{day},{day}T10:00:00Z,1\nx,{day}T11:00:00Z,1\n")
    place.load(*DAYS)
    return place


def remove(place, *days: str) -> None:
    for day in days:
        shutil.rmtree(place.landing / "things" / day)


def test_the_rows_of_a_removed_folder_go(loaded, things) -> None:
    remove(loaded, DAYS[0])
    outside = fingerprints([things], loaded.folder)[asset_key(things.relation)]
    assert outside(DAYS[0]) == ""
    assert outside(DAYS[1])
    loads = loaded.load(DAYS[0])
    assert [(load.partition, load.rows, load.files) for load in loads] == [
        (DAYS[0], 0, 0),
        *((day, 2, 1) for day in DAYS[1:2]),
        *((day, 1, 1) for day in DAYS[2:]),
    ]
    assert sorted(loaded.rows()) == sorted([*DAYS[1:], "x"])


def test_many_that_are_gone_at_once_are_refused(loaded) -> None:
    remove(loaded, *DAYS[:4])
    before = loaded.rows("id, day")
    with pytest.raises(DataError, match=r"4 of 12 loaded days have no folder any more.*leave them empty"):
        loaded.load(DAYS[0])
    assert loaded.rows("id, day") == before
    for day in DAYS[:4]:
        (loaded.landing / "things" / day).mkdir()
    loaded.load(*DAYS[:4])
    assert len(loaded.rows()) == 9


def test_a_landing_folder_that_is_gone_is_refused(loaded) -> None:
    shutil.rmtree(loaded.landing)
    with pytest.raises(DataError, match=r"12 of 12 loaded days"):
        loaded.load(DAYS[-1])


def test_folders_older_than_they_are_kept_leave_their_rows(loaded, things) -> None:
    kept = things.model_copy(update={"retention": timedelta(days=5)})
    remove(loaded, *DAYS[:7])
    outside = fingerprints([kept], loaded.folder)[asset_key(kept.relation)]
    assert outside(DAYS[6]) is None
    assert outside(DAYS[7])
    loaded.drop(DAYS[8], "a.csv", f"id,seen,amount\nx,{DAYS[8]}T10:00:00Z,1\n")
    loaded.load(DAYS[8], source=kept)
    assert len(loaded.rows()) == 12
    with pytest.raises(DataError, match="its rows are kept; to load it again, restore the folder"):
        loaded.load(DAYS[0], source=kept)


def test_a_row_that_moves_to_a_folder_before_archived_ones_stays_where_it_was(loaded, things) -> None:
    kept = things.model_copy(update={"retention": timedelta(days=1)})
    remove(loaded, *DAYS[2:6])
    loaded.drop(
        DAYS[0], "a.csv", f"id,seen,amount\n{DAYS[3]},{DAYS[0]}T10:00:00Z,1\nx,{DAYS[0]}T11:00:00Z,1\n"
    )
    loaded.load(DAYS[0], source=kept)
    assert (DAYS[3], DAYS[3]) in [(one, str(day)) for one, day in loaded.rows("id, day")]
