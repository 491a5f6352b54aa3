"""Contents of files are read once for each change, and never once too few."""

import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.ingestion import digests
from ml_platform.ingestion.landing import LandingFolder

DAY = "2020-01-01"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    found: list[str] = []
    read = digests._read

    def noted(path: Path) -> tuple[str, digests.Stamp | None]:
        found.append(path.name)
        return read(path)

    monkeypatch.setattr(digests, "_read", noted)
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is an hour ahead, so that files written now were written long ago."""
    now = time.time_ns
    monkeypatch.setattr(digests.time, "time_ns", lambda: now() + 3_600 * 10**9)


def folder(place) -> LandingFolder:
    """The landing folder, as another process sees it."""
    return LandingFolder(place.landing, place.landing.parent / "digests.db")


@pytest.mark.usefixtures("later")
def test_a_file_is_read_once_whatever_the_process(place, things, reads: list[str]) -> None:
    for name in ("a.csv", "b.csv"):
        place.drop(DAY, name, name)
    found = {folder(place).fingerprint(things, DAY) for _ in range(3)}
    found |= {one for _ in range(3) for one in folder(place).fingerprints(things).values()}
    assert len(found) == 1
    assert sorted(reads) == ["a.csv", "b.csv"]


@pytest.mark.usefixtures("later")
def test_every_change_is_seen_even_with_the_same_size_and_time(place, things) -> None:
    seen = set()
    landing = folder(place)
    for content in ("one", "two", "three", "3.14!"):
        path = place.drop(DAY, "a.csv", content)
        os.utime(path, ns=(10**18, 10**18))  # as `rsync --times` and `cp --preserve` do
        seen.add(landing.fingerprint(things, DAY))
        assert landing.fingerprint(things, DAY) == folder(place).fingerprint(things, DAY)
    assert len(seen) == 4


def test_a_file_changed_within_the_clock_s_resolution_is_not_missed(place, things, reads: list[str]) -> None:
    path = place.drop(DAY, "a.csv", "one")
    landing = folder(place)
    before = landing.fingerprint(things, DAY)
    stamp = digests.Stamp.of(path.stat())
    path.write_bytes(b"two")
    same = digests.Stamp.of(path.stat())._replace(mtime_ns=stamp.mtime_ns, ctime_ns=stamp.ctime_ns) == stamp
    assert same, "on a coarse clock nothing but the content would differ"
    assert landing.fingerprint(things, DAY) != before
    assert folder(place).fingerprint(things, DAY) == landing.fingerprint(things, DAY)
    assert len(reads) == 4, "a file that was written just now is read each time"


@pytest.mark.usefixtures("later")
def test_the_memory_may_be_deleted_or_damaged_at_any_time(place, things, reads: list[str]) -> None:
    place.drop(DAY, "a.csv", "one")
    path = place.landing.parent / "digests.db"
    first = folder(place).fingerprint(things, DAY)
    path.unlink()
    assert folder(place).fingerprint(things, DAY) == first
    path.write_bytes(b"no database" * 1000)
    assert folder(place).fingerprint(things, DAY) == first
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert [folder(place).fingerprint(things, DAY) for _ in range(3)] == [first] * 3
    assert len(reads) < 7


@pytest.mark.usefixtures("later")
def test_a_memory_that_cannot_be_written_stops_nothing(place, things, tmp_path: Path) -> None:
    place.drop(DAY, "a.csv", "one")
    (tmp_path / "file").touch()
    nowhere = LandingFolder(place.landing, tmp_path / "file" / "digests.db")
    assert nowhere.fingerprint(things, DAY) == folder(place).fingerprint(things, DAY)


@pytest.mark.usefixtures("later")
def test_many_at_once_agree(place, things) -> None:
    for n in range(20):
        place.drop(f"2020-01-{n + 1:02}", "a.csv", str(n))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: folder(place).fingerprints(things), range(16)))
    assert all(one == found[0] for one in found)
    assert len(set(found[0].values())) == 20


def test_fingerprints_are_those_of_each_partition(place, things) -> None:
    place.drop(DAY, "a.csv", "one")
    place.drop("2020-01-03", "a.csv", "two")
    place.drop("2020-01-02", "_unfinished.csv", "two")
    landing = folder(place)
    assert landing.fingerprints(things) == {
        DAY: landing.fingerprint(things, DAY),
        "2020-01-02": "",
        "2020-01-03": landing.fingerprint(things, "2020-01-03"),
    }
