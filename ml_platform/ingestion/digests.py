"""Digests of files' contents, remembered so that a file that has not changed is not read again."""

import hashlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

__all__ = ["Digests", "Stamp"]

_LOG = logging.getLogger(__name__)

RACY_NS = 2_000_000_000
"""The coarsest clock of a file system (FAT's). A file may be changed twice within one tick of it without a trace."""

_BUSY_SECONDS = 5.0
_LAYOUT = 1
_SCHEMA = f"""
    BEGIN IMMEDIATE;
    DROP TABLE IF EXISTS digests;
    CREATE TABLE digests (
        folder TEXT NOT NULL,
        file TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (folder, file)
    ) WITHOUT ROWID;
    PRAGMA user_version = {_LAYOUT};
    COMMIT;
"""


class Stamp(NamedTuple):
    """The state of a file that the file system tells without reading it; the same stamp means the same content."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: str  # SQLite's integers are signed, some inodes use all 64 bits

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """The stamp in a file's status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns, f"{status.st_ino:x}")


class Digests:
    """SHA-256 of files by their stamp, kept in a SQLite file between processes.

    It only saves work: the file may be deleted at any time, and where it cannot be used, files are read. Any number of
    threads and processes may share it. As in git's index, a file that was changed so short a time before it was read
    that a further change would leave the same stamp is not remembered, and so read again the next time.

    Args:
        path: the SQLite file, made when there is something to remember; None: digests live as long as this object.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, tuple[Stamp, str]]] = {}

    def of_files(self, folder: Path, files: Iterable[tuple[str, os.stat_result]]) -> dict[str, str]:
        """Digest of each file; of one that cannot be read, the reason.

        Args:
            folder: the folder that is remembered as one.
            files: name below the folder, and status, of each file.
        """
        known = self._of_folder(str(folder))
        found: dict[str, str] = {}
        fresh: dict[str, tuple[Stamp, str]] = {}
        for name, status in files:
            entry = known.get(name)
            if entry is not None and entry[0] == Stamp.of(status):
                found[name] = entry[1]
                continue
            try:
                found[name], stamp = _read(folder / name)
            except OSError as error:
                found[name] = str(error)
                continue
            if stamp is not None:
                fresh[name] = (stamp, found[name])
        if fresh:
            self._remember(str(folder), fresh)
        return found

    def _of_folder(self, folder: str) -> dict[str, tuple[Stamp, str]]:
        def stored(connection: sqlite3.Connection) -> None:
            select = "SELECT file, size, mtime_ns, ctime_ns, inode, digest FROM digests WHERE folder = ?"
            for name, *stamp, digest in connection.execute(select, (folder,)):
                self._known[folder][name] = (Stamp(*stamp), digest)

        with self._lock:
            if folder not in self._known:
                self._known[folder] = {}
                if self._path is not None and self._path.exists():
                    self._use(stored)
            return self._known[folder]

    def _remember(self, folder: str, fresh: dict[str, tuple[Stamp, str]]) -> None:
        def store(connection: sqlite3.Connection) -> None:
            rows = [(folder, name, *stamp, digest) for name, (stamp, digest) in fresh.items()]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            connection.execute("COMMIT")

        with self._lock:
            self._known[folder].update(fresh)
            self._use(store)

    def _use(self, action: Callable[[sqlite3.Connection], None]) -> None:
        """Do something with the database, if there is one to be had."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(
                sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            ) as connection:
                if connection.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
                    connection.executescript(_SCHEMA)
                action(connection)
        except (sqlite3.Error, OSError) as error:
            _LOG.debug("%s is of no use now, files are read again: %s", self._path, error)
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
                self._path.unlink(missing_ok=True)  # damaged: the next use begins a new one


def _read(path: Path) -> tuple[str, Stamp | None]:
    """Digest of a file's content, and the stamp that stands for it; None when another content could have it too."""
    started = time.time_ns()
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
    settled = max(before.st_mtime_ns, before.st_ctime_ns) < started - RACY_NS
    return digest, Stamp.of(before) if settled and Stamp.of(before) == Stamp.of(after) else None
