"""Of the rows with one id, the earliest is kept."""

import itertools
from datetime import date
from pathlib import Path

import pytest

DAY, NEXT, THIRD = "2020-01-01", "2020-01-02", "2020-01-03"
HEADER = "id,seen,amount\n"


def test_the_earliest_is_kept_whatever_the_order_of_rows_and_files(place) -> None:
    rows = [
        f"x,{DAY}T{hour}:00:00Z,{amount}\n" for hour, amount in (("10", 1), ("09", 2), ("09", 3), ("11", 1))
    ]
    results = set()
    for first, second in itertools.permutations([rows[:2], rows[2:]]):
        for names in (("a.csv", "b.csv"), ("b.csv", "a.csv")):
            place.drop(DAY, names[0], HEADER + "".join(first))
            place.drop(DAY, names[1], HEADER + "".join(reversed(second)))
            (load,) = place.load(DAY)
            assert (load.rows, load.quarantined, load.duplicates) == (1, 3, 3)
            results.add((load.version, place.rows("amount")[0]))
    assert len(results) == 1
    assert results.pop()[1] == 2


def test_repeated_and_conflicting_rows_are_both_caught_and_say_of_what(place) -> None:
    place.drop(DAY, "a.csv", HEADER + f"x,{DAY}T09:00:00Z,1\nx,{DAY}T09:00:00Z,1\ny,{DAY}T09:00:00Z,1\n")
    place.drop(DAY, "b.csv", HEADER + f"y,{DAY}T10:00:00Z,7\n")
    place.load(DAY)
    assert place.quarantine() == [
        (f"things/{DAY}/a.csv", 2, f"duplicate of id x: things/{DAY}/a.csv 1"),
        (f"things/{DAY}/b.csv", 1, f"duplicate of id y: things/{DAY}/a.csv 3"),
    ]


def test_other_days_count_and_a_reload_does_not_see_itself(place) -> None:
    for day in (DAY, NEXT, THIRD):
        place.drop(day, "a.csv", HEADER + f"x,{day}T09:00:00Z,1\n{day},{day}T09:00:00Z,1\n")
    together = place.load(DAY, NEXT, THIRD)
    assert [load.duplicates for load in together] == [0, 1, 1]
    assert place.rows("id, day")[-1] == ("x", date(2020, 1, 1))
    for days in ([DAY], [NEXT], [THIRD], [NEXT, THIRD], [DAY, NEXT, THIRD], [DAY, THIRD]):
        again = place.load(*days)
        assert {load.partition: load.version for load in again}.items() <= {
            load.partition: load.version for load in together
        }.items()
    assert place.load(NEXT)[0].reasons == {"duplicate id": 1}
    assert (f"things/{NEXT}/a.csv", 1, "duplicate of id x of 2020-01-01") in place.quarantine()


def test_days_loaded_one_after_another_give_the_same_as_together(
    place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (DAY, NEXT, THIRD):
        place.drop(day, "a.csv", HEADER + f"x,{day}T09:00:00Z,1\n{day},{day}T09:00:00Z,1\n")
    together = place.load(DAY, NEXT, THIRD)
    monkeypatch.setattr("ml_platform.ingestion.load.BYTES_AT_ONCE", 1)
    apart = place.load(DAY, NEXT, THIRD)
    assert [(a.partition, a.version, a.reasons) for a in apart] == [
        (t.partition, t.version, t.reasons) for t in together
    ]
    assert len(place.quarantine()) == 2


def test_ids_may_be_unique_within_a_day_only(place, things) -> None:
    daily = things.model_copy(update={"unique_within": "partition"})
    for day in (DAY, NEXT):
        place.drop(day, "a.csv", HEADER + f"x,{day}T09:00:00Z,1\nx,{day}T09:00:00Z,2\n")
    assert [load.duplicates for load in place.load(DAY, NEXT, source=daily)] == [1, 1]
    assert place.rows("id, amount") == [("x", 1.0), ("x", 1.0)]


def test_a_rejected_row_is_nobodys_original(place) -> None:
    place.drop(DAY, "a.csv", HEADER + f"x,{DAY}T08:00:00Z,-1\nx,{DAY}T09:00:00Z,5\n")
    (load,) = place.load(DAY)
    assert (load.rows, load.duplicates, load.quarantined) == (1, 0, 1)
    assert place.rows("amount") == [5.0]


def test_staging_leaves_nothing_behind(place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    place.drop(DAY, "a.csv", HEADER + f"x,{DAY}T08:00:00Z,1\n")
    place.load(DAY)
    assert list(temporary.iterdir()) == []
