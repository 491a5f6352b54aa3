"""A full disk is told, whoever met it; other faults are not taken for one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.full_disk import explain_full_disk, texts_of


def met_by_a_file() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x" * 100_000)


def met_by_sqlite() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA max_page_count = 2")
        connection.execute("CREATE TABLE one (text)")
        connection.execute("INSERT INTO one VALUES (zeroblob(1000000))")


def wrapped() -> None:
    try:
        met_by_sqlite()
    except sqlite3.Error as error:
        raise RuntimeError("the storage failed") from error


@pytest.mark.parametrize("meet", [met_by_a_file, met_by_sqlite, wrapped])
def test_a_full_disk_is_told_with_its_folder_and_the_remedy(meet, tmp_path: Path) -> None:
    with pytest.raises(Exception) as raised:
        meet()
    told = explain_full_disk(texts_of(raised.value), [tmp_path / "not there yet"])
    assert told is not None
    assert "is full" in told
    assert "MB are free; free some space there, then run again" in told


@pytest.mark.parametrize(
    "error", [OSError("disk I/O error"), KeyError("no such file"), ValueError("could not write")]
)
def test_another_fault_of_a_disk_with_space_is_not_taken_for_it(error: Exception, tmp_path: Path) -> None:
    assert explain_full_disk(texts_of(error), [tmp_path]) is None
