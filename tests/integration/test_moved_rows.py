"""Whatever is corrected, in whatever order, the tables are those that loading everything anew would give."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples.things import THINGS, Place

from ml_platform.ingestion.load import PartitionLoad

DAYS = ("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04")
ROWS = "SELECT * FROM raw.things ORDER BY ALL"
QUARANTINE = "SELECT * FROM raw.quarantine ORDER BY ALL"
SOURCE = THINGS.model_copy(update={"partition_of": None})
Steps = list[tuple[dict[str, list[tuple[str, int]]], list[str]]]
IDS = st.sampled_from("abcd")
FILES = st.lists(st.tuples(IDS, st.integers(-1, 2)), max_size=3)
STEPS = st.lists(
    st.tuples(st.dictionaries(st.sampled_from(DAYS), FILES, min_size=1), st.permutations(DAYS)),
    min_size=1,
    max_size=4,
)


def write(place: Place, day: str, rows: list[tuple[str, int]]) -> None:
    lines = [f"{one},{DAYS[0]}T10:00:00Z,{amount}" for one, amount in rows]
    place.drop(day, "a.csv", "id,seen,amount\n" + "".join(f"{line}\n" for line in lines))


def tables(place: Place) -> list[list[dict[str, object]]]:
    return [place.warehouse.table(query).to_pylist() for query in (ROWS, QUARANTINE)]


def rebuilt(folder: Place, path: Path) -> list[list[dict[str, object]]]:
    new = Place(path)
    new.folder = folder.folder
    new.load(*DAYS, source=SOURCE)
    return tables(new)


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_corrections_give_what_a_rebuild_gives(
    tmp_path_factory: pytest.TempPathFactory, steps: Steps
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    versions: dict[str, str] = {}
    for corrected, order in steps:
        for day, rows in corrected.items():
            write(place, day, rows)
        for day in order:  # each by a run of its own
            if day in corrected:
                versions |= {load.partition: load.version for load in place.load(day, source=SOURCE)}
    assert tables(place) == rebuilt(place, tmp_path_factory.mktemp("rebuilt"))
    known = place.warehouse.partition_versions(
        "raw.things", "day", [SOURCE.cadence.column_value(day) for day in DAYS]
    )
    assert (
        versions.items()
        <= {SOURCE.cadence.key_of(day): version for day, (version, _) in known.items()}.items()
    )


@settings(max_examples=15, deadline=None)
@given(STEPS)
def test_it_does_not_matter_how_much_is_loaded_at_once(
    tmp_path_factory: pytest.TempPathFactory, steps: Steps
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml_platform.ingestion.load.BYTES_AT_ONCE", 1)
        for corrected, _ in steps:
            for day, rows in corrected.items():
                write(place, day, rows)
            place.load(*corrected, source=SOURCE)
    assert tables(place) == rebuilt(place, tmp_path_factory.mktemp("rebuilt"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def moved(place: Place) -> list[PartitionLoad]:
    """A row of the third day is moved to the first, both are corrected, and the first is loaded before the third."""
    for day in DAYS[:3]:
        write(place, day, [(f"of {day}", 1), *([("x", 1)] if day == DAYS[2] else [])])
    place.load(*DAYS[:3], source=SOURCE)
    write(place, DAYS[0], [(f"of {DAYS[0]}", 1), ("x", 1)])
    write(place, DAYS[2], [(f"of {DAYS[2]}", 1)])
    return place.load(DAYS[0], source=SOURCE)


def test_a_row_that_is_moved_to_an_earlier_day_is_there(place: Place, moved: list[PartitionLoad]) -> None:
    assert [load.partition for load in moved] == [DAYS[0], DAYS[2]]
    assert ("x", DAYS[0]) in [(one, str(day)) for one, day in place.rows("id, day")]
    assert place.quarantine() == []


def test_a_row_taken_out_where_it_was_kept_comes_back_where_it_was_a_duplicate(place: Place) -> None:
    for day in DAYS[:2]:
        write(place, day, [("x", 1), (day, 1)])
    place.load(*DAYS[:2], source=SOURCE)
    write(place, DAYS[0], [(DAYS[0], 1)])
    told: list[str] = []
    loads = place.load(DAYS[0], source=SOURCE, also=told.append)
    assert [load.partition for load in loads] == [*DAYS[:2]]
    assert told == [DAYS[1]]
    assert sorted(place.rows()) == sorted(["x", *DAYS[:2]])
