"""Finding days and files, and saying what is odd."""

import json
import os

import pytest
from pydantic import ValidationError

from ml_platform.errors import UnreadableFileError
from ml_platform.ingestion.checks import landing_outcome
from ml_platform.ingestion.source import RawColumn, RawSource

DAY = "2020-01-01"
OTHERS = RawSource(name="others", columns={"id": RawColumn(kind="identifier")})


def test_days_are_those_with_a_usable_file(place, things) -> None:
    assert place.folder.partitions(things) == []
    place.drop("2021-05-05", "a.parquet", b"x")
    place.drop("1999-12-31", "a.JSONL.gz", b"x", OTHERS)
    place.drop("2020-02-02", ".hidden.csv", b"x")
    place.drop("2020-02-03", "_temporary.csv", b"x")
    place.drop("2020-02-04", "notes.txt", b"x")
    place.path("2020-02-05", "x")
    assert place.folder.partitions(things) == ["2021-05-05"]
    assert place.folder.partitions(OTHERS) == ["1999-12-31"]


def test_files_are_ordered_and_unfinished_ones_ignored(place, things) -> None:
    for name in ("b.csv", "a.parquet", ".c.csv", "_d.csv", "e.csv.tmp"):
        place.drop(DAY, name, b"12345")
    place.drop("2019-12-31", "z.csv", b"1")
    files = place.folder.files(things, [DAY, "2019-12-31", DAY])
    assert [file.name for file in files] == [
        "things/2019-12-31/z.csv",
        "things/2020-01-01/a.parquet",
        "things/2020-01-01/b.csv",
    ]
    assert files[1].size == 5


def test_odd_things_are_named_and_do_no_harm(place, things) -> None:
    place.drop(DAY, "good.csv", b"x")
    for day in ("20200101", "2020-02-30", "2020-1-1", "yesterday", "2020-W01-1", "9999-12-31", "0020-01-01"):
        place.drop(day, "a.csv", b"x")
    place.drop(DAY, "table.xlsx", b"x")
    place.drop(DAY, "_SUCCESS", b"")
    (place.landing / "things" / "stray.csv").write_bytes(b"x")
    (place.landing / "thingz").mkdir()
    assert place.folder.partitions(things) == [DAY]
    found = [*place.folder.oddities(things), *place.folder.strangers([things])]
    assert len(found) == 10
    assert {text.split(":")[0] for text in found} == {
        "things/20200101", "things/2020-02-30", "things/2020-1-1", "things/yesterday", "things/2020-W01-1",
        "things/9999-12-31", "things/0020-01-01",
        "things/2020-01-01/table.xlsx", "things/stray.csv", "thingz",
    }  # fmt: skip
    outcome = landing_outcome(place.folder, things, [things])
    assert not outcome.passed
    assert outcome.severity == "WARN"
    assert outcome.metadata["number"] == 10


def test_a_name_that_is_not_utf8_is_told_and_stops_nothing_else(place, things) -> None:
    place.drop(DAY, "good.csv", "id,seen,amount\na,2020-01-01T10:00:00Z,1\n")
    place.drop("2020-01-02", "good.csv", "id,seen,amount\nb,2020-01-02T10:00:00Z,1\n")
    for folder, name in ((place.landing / "things" / DAY, b"caf\xe9.csv"), (place.landing, b"caf\xe9")):
        (folder / os.fsdecode(name)).write_bytes(b"x")
    place.path("2020-01-03", os.fsdecode(b"caf\xe9.csv")).write_bytes(b"x")
    assert place.folder.partitions(things) == [DAY, "2020-01-02"]
    assert [load.rows for load in place.load("2020-01-02")] == [1]
    with pytest.raises(
        UnreadableFileError, match=r"things/2020-01-01/caf\\xe9\.csv: the name is not UTF-8; rename it"
    ):
        place.load(DAY)
    outcome = landing_outcome(place.folder, things, [things])
    assert not outcome.passed
    assert (
        sum(
            r"caf\xe9" in text for text in (*place.folder.oddities(things), *place.folder.strangers([things]))
        )
        == 3
    )
    assert json.dumps(outcome.metadata, ensure_ascii=False).encode()


def test_a_day_without_a_required_source_is_odd(place, things) -> None:
    required = things.model_copy(update={"required": True})
    place.drop(DAY, "a.csv", b"x", OTHERS)
    assert landing_outcome(place.folder, things, [things, OTHERS]).passed
    outcome = landing_outcome(place.folder, required, [required, OTHERS])
    assert not outcome.passed
    assert "things/2020-01-01" in outcome.description


def test_a_required_source_that_others_outlast_lacks_only_what_lies_before_its_end(place, things) -> None:
    required = things.model_copy(update={"required": True})
    for day in range(1, 9):
        place.drop(f"2020-01-0{day}", "a.csv", b"x", OTHERS)
    for day in (1, 2, 4):
        place.drop(f"2020-01-0{day}", "a.csv", b"x", required)
    outcome = landing_outcome(place.folder, required, [required, OTHERS])
    remedy = "no files; bring them, or a file without rows where there was nothing"
    assert outcome.metadata["oddities"] == [f"things/2020-01-03: {remedy}"]
    place.drop("2020-01-09", "a.csv", b"x", required)
    outcome = landing_outcome(place.folder, required, [required, OTHERS])
    assert outcome.metadata["oddities"] == [
        f"things/2020-01-03: {remedy}",
        f"things/2020-01-05 to 2020-01-08: {remedy}",
    ]


def test_a_required_source_alone_lacks_the_days_between_its_own(place, things) -> None:
    required = things.model_copy(update={"required": True})
    assert landing_outcome(place.folder, required, [required]).passed
    for day in ("2018-12-30", "2020-01-01"):
        place.drop(day, "a.csv", b"x", required)
    (gap,) = landing_outcome(place.folder, required, [required]).metadata["oddities"]
    assert gap.startswith("things/2018-12-31 to 2019-12-31: no files")


def test_a_fingerprint_is_of_content(place, things) -> None:
    assert place.folder.fingerprint(things, DAY) is None
    place.path(DAY, "a.csv")
    assert place.folder.fingerprint(things, DAY) == ""
    place.drop(DAY, "a.csv", b"one")
    first = place.folder.fingerprint(things, DAY)
    assert place.folder.fingerprint(things, DAY) == first
    place.path(DAY, "a.csv").rename(place.path(DAY, "b.csv"))
    assert place.folder.fingerprint(things, DAY) == first
    place.drop(DAY, "_unfinished.csv", b"two")
    assert place.folder.fingerprint(things, DAY) == first
    place.drop(DAY, "c.csv", b"two")
    second = place.folder.fingerprint(things, DAY)
    assert second != first
    place.path(DAY, "c.csv").unlink()
    place.drop(DAY, "b.csv", b"ones")
    assert place.folder.fingerprint(things, DAY) not in {first, second}
    place.path(DAY, "b.csv").unlink()
    place.drop(DAY, "b.jsonl", b"one")
    assert place.folder.fingerprint(things, DAY) != first


def test_a_file_that_cannot_be_read_stops_no_other_day(place, things) -> None:
    place.path(DAY, "a.csv").symlink_to("/proc/self/mem")  # whose first byte nobody can read
    found = place.folder.fingerprint(things, DAY)
    assert found
    place.path(DAY, "a.csv").unlink()
    place.drop(DAY, "a.csv", b"x")
    assert place.folder.fingerprint(things, DAY) != found


@pytest.mark.parametrize(
    "wrong",
    [
        {"partition_of": "nothing"}, {"partition_of": "amount"}, {"unique": "nothing"}, {"naive_is_utc": ("amount",)},
        {"columns": {"day": RawColumn(kind="date")}}, {"columns": {"a b": RawColumn(kind="text")}},
        {"name": "A b"},
        {"misspelt": 1},
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused(things, wrong: dict) -> None:
    content = {
        name: getattr(things, name) for name in ("name", "columns", "partition_of", "unique", "row_schema")
    }
    with pytest.raises(ValidationError):
        RawSource(**(content | wrong))


def test_days_without_files_load_no_rows_and_create_the_table(place, things) -> None:
    loads = place.load("2020-01-02", "2020-01-01")
    assert [(load.partition, load.rows, load.files) for load in loads] == [
        ("2020-01-01", 0, 0),
        ("2020-01-02", 0, 0),
    ]
    assert loads[0].version == loads[1].version
    assert set(place.warehouse.columns("raw.things")) == {"id", "seen", "amount", "note", "day"}
    assert place.warehouse.columns("raw.quarantine")
    assert place.load() == []
