"""A durable local event log: one SQLite file, written ahead and flushed to the disk at every commit."""

import json
import os
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from ml_platform.errors import ConfigurationError, DataError, LockTimeoutError, StoreUnavailableError
from ml_platform.events.base import Consumer, EventLog, LoggedEvent, Published, Publisher
from ml_platform.events.cloudevents import CloudEvent

__all__ = ["LocalEventLog"]

# What Pub/Sub and NSQ both accept.
_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9._-]{2,63}$")
_LAYOUT = 1
_SCHEMA = f"""
    CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last INTEGER NOT NULL);
    CREATE TABLE events (
        topic INTEGER NOT NULL REFERENCES topics (id),
        offset INTEGER NOT NULL,
        id TEXT NOT NULL,
        event TEXT NOT NULL,
        PRIMARY KEY (topic, offset),
        UNIQUE (topic, id)
    ) WITHOUT ROWID;
    CREATE TABLE consumers (
        topic TEXT NOT NULL,
        name TEXT NOT NULL,
        committed INTEGER NOT NULL,
        PRIMARY KEY (topic, name)
    ) WITHOUT ROWID;
    CREATE TRIGGER no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TRIGGER no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    PRAGMA user_version = {_LAYOUT};
"""


class LocalEventLog(Publisher, EventLog):
    """A publisher and the log of what it published in one file, for any number of processes on one machine.

    A topic has each event once: killed half way, what was published is a prefix, and published again it counts as
    duplicates. Offsets of a topic have no gaps. Every call opens the file and closes it again, so a log can be
    shared by threads and survives a fork.

    Args:
        path: the file; it and its folder are made when they are first needed.
        lock_timeout_seconds: how long to wait for another process's transaction.
        batch: events a transaction, the unit of memory.
    """

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 60.0, batch: int = 20_000) -> None:
        self._path = path
        self._timeout = lock_timeout_seconds
        self._batch = batch

    def publish(self, topic: str, events: Iterable[CloudEvent]) -> Published:
        """See :meth:`Publisher.publish`; a transaction holds ``batch`` events."""
        _legal(topic)
        new = seen = 0
        remaining = iter(events)
        with self._open() as connection:
            while batch := list(islice(remaining, self._batch)):
                with _transaction(connection):
                    new += _append(connection, topic, batch)
                seen += len(batch)
        return Published(seen, new, seen - new)

    def read(self, topic: str, after_offset: int = 0, limit: int = 1000) -> list[LoggedEvent]:
        """See :meth:`EventLog.read`."""
        return self._select(topic, "offset > ? ORDER BY offset LIMIT ?", (after_offset, limit))

    def tail(self, topic: str, n: int) -> list[LoggedEvent]:
        """See :meth:`EventLog.tail`."""
        return self._select(topic, "TRUE ORDER BY offset DESC LIMIT ?", (n,))[::-1]

    def topics(self) -> dict[str, int]:
        """See :meth:`EventLog.topics`."""
        with self._open() as connection:
            return dict(connection.execute("SELECT name, last FROM topics ORDER BY name"))

    def consumer(self, topic: str, name: str) -> "LocalConsumer":
        """See :meth:`EventLog.consumer`."""
        return LocalConsumer(self, _legal(topic), _legal(name))

    def committed(self, topic: str, consumer: str) -> int:
        """The offset up to which a consumer has declared everything done; 0 for none."""
        with self._open() as connection:
            row = connection.execute(
                "SELECT committed FROM consumers WHERE topic = ? AND name = ?", (topic, consumer)
            ).fetchone()
        return int(row[0]) if row else 0

    def commit(self, topic: str, consumer: str, offset: int) -> None:
        """Store a consumer's offset; a lower one than stored changes nothing."""
        with self._open() as connection:
            connection.execute(
                "INSERT INTO consumers VALUES (?, ?, ?)"
                " ON CONFLICT DO UPDATE SET committed = max(committed, excluded.committed)",
                (topic, consumer, offset),
            )

    def read_mark(self) -> str:
        """See :class:`~ml_platform.marks.Marked`."""
        if not self._path.exists():
            return ""
        with self._open() as connection:
            is_there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'mark'").fetchone()
            found = connection.execute("SELECT mark FROM mark").fetchone() if is_there else None
        return str(found[0]) if found else ""

    def write_mark(self, mark: str) -> None:
        """See :class:`~ml_platform.marks.Marked`."""
        with self._open() as connection, _transaction(connection):
            connection.execute(
                "CREATE TABLE IF NOT EXISTS mark (one INTEGER PRIMARY KEY, mark TEXT NOT NULL)"
            )
            connection.execute("INSERT OR REPLACE INTO mark VALUES (1, ?)", (mark,))

    def _select(self, topic: str, which: str, parameters: tuple[int, ...]) -> list[LoggedEvent]:
        of_topic = "SELECT offset, event FROM events WHERE topic = (SELECT id FROM topics WHERE name = ?)"
        with self._open() as connection:
            rows = connection.execute(f"{of_topic} AND {which}", (topic, *parameters)).fetchall()
        return [LoggedEvent(offset, CloudEvent.from_json(event)) for offset, event in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self._path.exists():
            _create(self._path)
        try:
            with closing(
                sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None)
            ) as connection:
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA cache_size = -32768")
                layout = connection.execute("PRAGMA user_version").fetchone()[0]
                if layout != _LAYOUT:
                    raise ConfigurationError(
                        f"{self._path} has layout {layout}, this version reads layout {_LAYOUT}; move it away"
                    )
                yield connection
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: sqlite3.Error) -> Exception:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            return LockTimeoutError(
                f"{self._path} was locked by another process for {self._timeout:g} s; end it, or try again"
            )
        return StoreUnavailableError(
            f"the event log {self._path} cannot be used: {error}; free or restore it, or remove it and run"
            " `ml-platform run`, which publishes again"
        )


class LocalConsumer(Consumer):
    """A consumer of a :class:`LocalEventLog`."""

    def __init__(self, log: LocalEventLog, topic: str, name: str) -> None:
        self._log = log
        self._topic = topic
        self._name = name
        self._position = log.committed(topic, name)

    def poll(self, limit: int = 1000) -> list[LoggedEvent]:
        """See :meth:`Consumer.poll`."""
        records = self._log.read(self._topic, self._position, limit)
        if records:
            self._position = records[-1].offset
        return records

    def commit(self, offset: int) -> None:
        """See :meth:`Consumer.commit`."""
        if offset > self._position:
            raise ConfigurationError(
                f"consumer {self._name} of {self._topic} was given events up to {self._position};"
                f" it cannot commit {offset}"
            )
        self._log.commit(self._topic, self._name, offset)


def _legal(name: str) -> str:
    if not _NAME.match(name):
        raise ConfigurationError(
            f"{name!r} cannot name a topic or consumer; use 3 to 64 letters, digits, '.', '_', '-'"
        )
    return name


def _encode(event: CloudEvent) -> str:
    try:
        return event.to_json()
    except (TypeError, ValueError) as error:
        raise DataError(f"event {event.id} of {event.source} cannot be written as JSON: {error}") from error


def _append(connection: sqlite3.Connection, topic: str, events: list[CloudEvent]) -> int:
    """Append those whose id the topic does not have; returns how many."""
    connection.execute("INSERT OR IGNORE INTO topics (name, last) VALUES (?, 0)", (topic,))
    number, last = connection.execute("SELECT id, last FROM topics WHERE name = ?", (topic,)).fetchone()
    ids = json.dumps([event.id for event in events])
    rows = connection.execute(
        "SELECT id FROM events WHERE topic = ? AND id IN (SELECT value FROM json_each(?))", (number, ids)
    )
    seen = {row[0] for row in rows}
    fresh: list[tuple[int, int, str, str]] = []
    for event in events:
        if event.id not in seen:
            seen.add(event.id)
            fresh.append((number, last + len(fresh) + 1, event.id, _encode(event)))
    if fresh:
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", fresh)
        connection.execute("UPDATE topics SET last = ? WHERE id = ?", (last + len(fresh), number))
    return len(fresh)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create(path: Path) -> None:
    """Make an empty log elsewhere and link it into place, so that two that begin at once share one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
        fresh = Path(scratch, "fresh")
        with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        try:
            os.link(fresh, path)
        except FileExistsError:
            return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
