import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.errors import ConfigurationError, LockTimeoutError, StoreUnavailableError
from ml_platform.events.base import Published
from ml_platform.events.cloudevents import CloudEvent
from ml_platform.events.local import LocalEventLog

TIME = "2018-04-01T00:00:00Z"


def events(prefix: str, n: int) -> list[CloudEvent]:
    return [CloudEvent(f"{prefix}-{i}", "/s", "t.v1", TIME) for i in range(n)]


def test_what_is_logged_can_be_neither_changed_nor_deleted(tmp_path: Path) -> None:
    LocalEventLog(tmp_path / "events.db").publish("topic", events("a", 1))
    with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
        for statement in ("UPDATE events SET event = ''", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)


def test_publishing_is_exactly_once_and_told(tmp_path: Path) -> None:
    log = LocalEventLog(tmp_path / "events.db", batch=3)
    assert log.publish("topic", events("a", 7)) == Published(7, new=7, duplicates=0)
    assert log.publish("topic", events("a", 9)) == Published(9, new=2, duplicates=7)


def test_commits_are_flushed_to_the_disk(tmp_path: Path) -> None:
    log = LocalEventLog(tmp_path / "events.db")
    with log._open() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


def test_many_that_begin_at_once_share_one_log(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        told = list(
            pool.map(
                lambda n: LocalEventLog(tmp_path / "events.db", batch=10).publish(
                    "topic", events(f"{n % 4}", 50)
                ),
                range(8),
            )
        )
    records = LocalEventLog(tmp_path / "events.db").read("topic")
    assert sum(p.new for p in told) == 200
    assert [r.offset for r in records] == list(range(1, 201))
    for n in range(4):
        mine = [r.event.id for r in records if r.event.id.startswith(f"{n}-")]
        assert mine == [e.id for e in events(f"{n}", 50)]
    assert sorted(p.name for p in tmp_path.iterdir() if not p.name.startswith("events.db")) == []


def test_a_lock_held_for_too_long_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    log = LocalEventLog(tmp_path / "events.db", lock_timeout_seconds=0.05)
    log.publish("topic", events("a", 1))
    with closing(sqlite3.connect(tmp_path / "events.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockTimeoutError, match=r"events\.db"):
            log.publish("topic", events("b", 1))
        assert len(log.read("topic")) == 1  # readers do not wait for writers


def test_a_file_that_is_no_log_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "events.db").write_bytes(b"something else" * 1000)
    with pytest.raises(StoreUnavailableError, match=r"events\.db"):
        LocalEventLog(tmp_path / "events.db").topics()
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    with pytest.raises(ConfigurationError, match="layout 0"):
        LocalEventLog(tmp_path / "other.db").topics()
