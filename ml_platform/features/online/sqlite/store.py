"""The embedded online store: one SQLite file in WAL mode, so that readers never wait for the writer.

Floats are kept in columns without affinity: SQLite would otherwise turn -0.0 into 0.0. It turns NaN into NULL
whatever the column, so a NaN is kept as the text ``NaN`` and its row marked. A deleted row keeps its version,
with a null event time.
"""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.errors import ConflictError, SchemaMismatchError, StoreUnavailableError
from ml_platform.features.online.base import Key, OnlineStore, Row, Shipment, TableReader
from ml_platform.features.online.columns import Column
from ml_platform.features.online.records import Record, Table
from ml_platform.features.online.sqlite.reads import Reader
from ml_platform.features.online.sqlite.values import decoder, key_encoder, quoted, to_sql
from ml_platform.locks import locked

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["SQLiteOnlineStore"]

logger = logging.getLogger(__name__)

_AFFINITIES = {"string": "TEXT", "date": "INTEGER", "bool": "INTEGER"}


def _affinity(column: Column) -> str:
    if column.kind.startswith(("int", "timestamp")):
        return "INTEGER"
    return _AFFINITIES.get(column.kind, "")


class SQLiteOnlineStore(OnlineStore):
    """An online store in one file. Opening it creates nothing; the first sync does."""

    name = "sqlite"

    def __init__(self, path: Path, *, lock_timeout_seconds: float = 300.0) -> None:
        """Use the file at ``path``.

        A writer waits ``lock_timeout_seconds`` for another process's transaction.
        """
        super().__init__()
        self.path = path
        self._timeout = lock_timeout_seconds
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._guard = threading.Lock()

    def record(self, view: str, *, patient: bool = True) -> Record:  # noqa: ARG002 (of the contract)
        """See the contract."""
        if not self.path.exists():
            return Record(view)
        try:
            found = (
                self.connection()
                .execute("SELECT record, revision FROM _views WHERE view = ?", (view,))
                .fetchone()
            )
        except sqlite3.Error as error:
            if "no such table" in str(error):
                return Record(view)
            raise self.unavailable(error) from error
        return _with_revision(Record.from_json(found[0]), found[1]) if found else Record(view)

    def replace_record(self, old: Record, new: Record) -> Record:
        """See the contract."""
        new = _with_revision(new, old.revision + 1)
        with self._transaction() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS _views"
                " (view TEXT PRIMARY KEY, revision INTEGER NOT NULL, record TEXT NOT NULL)"
            )
            if old.revision:
                done = connection.execute(
                    "UPDATE _views SET record = ?, revision = ? WHERE view = ? AND revision = ?",
                    (new.to_json(), new.revision, new.view, old.revision),
                )
            else:
                done = connection.execute(
                    "INSERT INTO _views (record, revision, view) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    (new.to_json(), new.revision, new.view),
                )
            if done.rowcount != 1:
                raise ConflictError(f"the record of view {new.view} was changed by somebody else; try again")
        return new

    @contextlib.contextmanager
    def lock(self, view: str, timeout_seconds: float) -> Iterator[None]:
        """See the contract; a file lock beside the database, which the system frees when its holder dies."""
        with locked(
            self.path.with_name(f"{self.path.name}.{view}.lock"),
            timeout_seconds,
            busy=lambda holder: f"view {view}: waiting for the sync of {holder} to end",
            held=lambda holder: (
                f"view {view} is being synced by {holder}, for longer than {timeout_seconds:g} s; "
                "let it end, or end it"
            ),
            waiting=logger.info,
        ):
            yield

    def create_table(self, table: Table) -> None:
        """See the contract."""
        keys = ", ".join(quoted(table.keys))
        columns = [f'"{c.name}" {_affinity(c)} NOT NULL' for c in table.keys]
        columns += ["event_timestamp INTEGER", "_version INTEGER NOT NULL", "_nan INTEGER"]
        columns += [f'"{c.name}" {_affinity(c)}' for c in table.features]
        wanted = {(c.name, _affinity(c), number) for number, c in enumerate(table.keys, 1)}
        wanted |= {("event_timestamp", "INTEGER", 0), ("_version", "INTEGER", 0), ("_nan", "INTEGER", 0)}
        wanted |= {(c.name, _affinity(c), 0) for c in table.features}
        with self._transaction() as connection:
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{table.name}" ({", ".join(columns)}, PRIMARY KEY ({keys}))'
                " WITHOUT ROWID"
            )
            there = connection.execute(f'PRAGMA table_info("{table.name}")').fetchall()
            if wrong := wanted ^ {(name, kind, key) for _, name, kind, _, _, key in there}:
                raise SchemaMismatchError(
                    f"table {table.name} of {self.path} was made by somebody else:"
                    f" {', '.join(sorted({name for name, _, _ in wrong}))} should be otherwise; drop or rename"
                    " that table, then sync again"
                )

    def add_columns(self, table: Table, columns: Sequence[Column]) -> None:
        """See the contract."""
        with self._transaction() as connection:
            there = {row[1] for row in connection.execute(f'PRAGMA table_info("{table.name}")')}
            for column in columns:
                if column.name not in there:
                    connection.execute(
                        f'ALTER TABLE "{table.name}" ADD COLUMN "{column.name}" {_affinity(column)}'
                    )

    def drop_table(self, name: str) -> None:
        """See the contract."""
        with self._transaction() as connection:
            connection.execute(f'DROP TABLE IF EXISTS "{name}"')

    def put(self, table: Table, shipment: Shipment) -> None:
        """See the contract; one transaction."""
        keys, features = quoted(table.keys), quoted(table.features)
        columns = [*keys, "event_timestamp", "_version", "_nan", *features]
        settings = ", ".join(f"{c} = excluded.{c}" for c in columns[len(keys) :])
        sql = (
            f'INSERT INTO "{table.name}" ({", ".join(columns)}) VALUES ({", ".join("?" * len(columns))})'
            f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {settings} WHERE excluded._version > _version"
        )
        rows = shipment.rows
        marks: list[int | None] = [None] * rows.num_rows
        values = [to_sql(column, rows.column(column.name), marks) for column in table.features]
        events = to_sql(Column("event_timestamp", "timestamp_utc"), rows.column("event_timestamp"), marks)
        key_values = [to_sql(column, rows.column(column.name), marks) for column in table.keys]
        with self._transaction() as connection:
            connection.executemany(
                sql, zip(*key_values, events, shipment.versions.tolist(), marks, *values, strict=True)
            )

    def remove(self, table: Table, keys: "pa.RecordBatch", versions: "np.ndarray[Any, Any]") -> None:
        """See the contract; one transaction."""
        names = quoted(table.keys)
        emptied = ", ".join(f"{c} = NULL" for c in ["event_timestamp", "_nan", *quoted(table.features)])
        sql = (
            f'INSERT INTO "{table.name}" ({", ".join([*names, "_version"])}) VALUES'
            f" ({', '.join('?' * (len(names) + 1))})"
            f" ON CONFLICT ({', '.join(names)}) DO UPDATE SET _version = excluded._version, {emptied}"
            " WHERE excluded._version >= _version"
        )
        marks: list[int | None] = [None] * keys.num_rows
        key_values = [to_sql(column, keys.column(column.name), marks) for column in table.keys]
        with self._transaction() as connection:
            connection.executemany(sql, zip(*key_values, versions.tolist(), strict=True))

    def reader(self, table: Table, features: Sequence[Column]) -> TableReader:
        """See the contract."""
        return Reader(self.connection, self.unavailable, table, features)

    def versions(self, table: Table, keys: Sequence[Key]) -> list[int | None]:
        """See the contract; a deleted row still has its version."""
        encode = key_encoder(table)
        where = " AND ".join(f"{name} = ?" for name in quoted(table.keys))
        connection = self.connection()
        sql = f'SELECT _version FROM "{table.name}" WHERE {where}'
        found = [connection.execute(sql, encode(key)).fetchone() for key in keys]
        return [row[0] if row else None for row in found]

    def scan(self, table: Table) -> Iterator[tuple[Key, Row]]:
        """See the contract; in the order of the keys."""
        decode, decode_key = decoder(table.features), decoder(table.keys)
        columns = ", ".join([*quoted(table.keys), "event_timestamp", "_nan", *quoted(table.features)])
        width = len(table.keys)
        connection = self._connect()
        try:
            for row in connection.execute(
                f'SELECT {columns} FROM "{table.name}" WHERE event_timestamp IS NOT NULL'
            ):
                values = decode(row[width + 2 :], row[width + 1])
                yield decode_key(row[:width], None), Row("found", values, row[width])
        finally:
            connection.close()

    def read_mark(self) -> str:
        """See :class:`~ml_platform.marks.Marked`."""
        if not self.path.exists():
            return ""
        try:
            found = self.connection().execute("SELECT mark FROM _mark").fetchone()
        except sqlite3.Error as error:
            if "no such table" in str(error):
                return ""
            raise self.unavailable(error) from error
        return str(found[0]) if found else ""

    def write_mark(self, mark: str) -> None:
        """See :class:`~ml_platform.marks.Marked`."""
        with self._transaction() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS _mark (one INTEGER PRIMARY KEY, mark TEXT NOT NULL)"
            )
            connection.execute("INSERT OR REPLACE INTO _mark VALUES (1, ?)", (mark,))

    def close(self) -> None:
        """See the contract."""
        with self._guard:
            for connection in self._open:
                connection.close()
            self._open.clear()
        self._local = threading.local()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection, for reading.

        Raises:
            StoreUnavailableError: the file cannot be opened.
        """
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            with self._guard:
                self._open.append(connection)
        return connection

    def _connect(self, mode: str = "ro") -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None,
                timeout=self._timeout, check_same_thread=False,
            )  # fmt: skip
            connection.execute("PRAGMA mmap_size = 268435456")
        except sqlite3.Error as error:
            raise self.unavailable(error) from error
        return connection

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """This thread's writing connection, in a transaction that is committed when the block ends well."""
        connection: sqlite3.Connection | None = getattr(self._local, "writer", None)
        try:
            if connection is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                connection = self._local.writer = self._connect("rwc")
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = NORMAL")
                with self._guard:
                    self._open.append(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise self.unavailable(error) from error

    def unavailable(self, error: sqlite3.Error) -> StoreUnavailableError:
        """The platform's error for one of SQLite's."""
        return StoreUnavailableError(
            f"the online store {self.path} cannot be used: {error}; check that the file may be read and"
            " written, or move it away: the next sync makes it anew"
        )


def _with_revision(record: Record, revision: int) -> Record:
    return replace(record, revision=revision)
