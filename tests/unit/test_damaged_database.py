"""A damaged SQLite file is told by its path, whichever library met it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.damaged_database import explain_damaged_database
from ml_platform.full_disk import texts_of


def database(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE one (text)")
        connection.executemany("INSERT INTO one VALUES (?)", [["x" * 1000]] * 50)
    return path


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def overwrite(path: Path) -> None:
    path.write_bytes(b"?" * 8192)


@pytest.mark.parametrize("damage", [cut, overwrite])
def test_the_damaged_file_is_named_with_a_remedy(tmp_path: Path, damage) -> None:
    sound = database(tmp_path / "online.db")
    broken = database(tmp_path / "records of runs" / "history" / "runs.db")
    damage(broken)
    with closing(sqlite3.connect(broken)) as connection, pytest.raises(sqlite3.DatabaseError) as raised:
        connection.execute("SELECT sum(length(text)) FROM one").fetchall()
    told = explain_damaged_database(texts_of(raised.value), tmp_path)
    assert told
    assert str(broken) in told
    assert str(sound) not in told
    assert "move it away" in told


def test_other_errors_and_sound_files_are_not_taken_for_it(tmp_path: Path) -> None:
    database(tmp_path / "online.db")
    assert explain_damaged_database(["no such table: one"], tmp_path) is None
    assert explain_damaged_database(["database disk image is malformed"], tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["online.db"]
