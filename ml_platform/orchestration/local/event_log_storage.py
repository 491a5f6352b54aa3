"""Dagster's event log in one SQLite file, with its connections kept.

Dagster's default opens a connection (and, for each run, makes a database) for every event, which costs about 15 ms an
event and half a second a run. A graph of daily assets writes two events for each asset and day, so locally that
would be most of the time of an update. Nothing is stored otherwise than Dagster stores it.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.sqlite.consolidated_sqlite_event_log import (
    ConsolidatedSqliteEventLogStorage,
)
from dagster._serdes import ConfigurableClassData

from ml_platform.locks import locked

__all__ = ["LocalEventLogStorage"]

_BUSY_TIMEOUT_SECONDS = 60


class LocalEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """The consolidated SQLite event log with pooled connections and batches in one transaction.

    Args:
        base_dir: folder of the database.
        inst_data: Dagster's own.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        folder = Path(base_dir)
        folder.mkdir(parents=True, exist_ok=True)
        self._engine: sqlalchemy.Engine | None = None
        self._current = threading.local()
        # Two processes that find no database would both make it.
        with locked(
            folder / ".create.lock",
            _BUSY_TIMEOUT_SECONDS,
            busy=lambda holder: f"waiting for {holder}, which makes Dagster's event log in {folder}",
            held=lambda holder: (
                f"{holder} has been making Dagster's event log in {folder} for more than {_BUSY_TIMEOUT_SECONDS} s; "
                "end it, try again"
            ),
        ):
            super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self) -> Iterator[sqlalchemy.Connection]:
        current = getattr(self._current, "connection", None)
        if current is not None:
            yield current
            return
        with self._pool().connect() as connection, connection.begin():
            yield connection

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store events in one transaction."""
        with self._connect() as connection:
            self._current.connection = connection
            try:
                super().store_event_batch(events)
            finally:
                self._current.connection = None

    def _has_asset_key_col_on_connection(self, conn: sqlalchemy.Connection, column_name: str) -> bool:
        known: dict[str, bool] = self.__dict__.setdefault("_asset_key_columns", {})
        if column_name not in known:
            known[column_name] = super()._has_asset_key_col_on_connection(conn, column_name)
        return known[column_name]

    def dispose(self) -> None:
        """Close all connections."""
        super().dispose()  # type: ignore[no-untyped-call]
        if self._engine is not None:
            self._engine.dispose()

    def _pool(self) -> sqlalchemy.Engine:
        if self._engine is None:
            engine = sqlalchemy.create_engine(
                self._conn_string, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS}
            )

            @sqlalchemy.event.listens_for(engine, "connect")
            def _configure(connection: Any, _record: object) -> None:  # noqa: ANN401 (the driver's)
                # With a write-ahead log this survives a killed process; only a power cut may lose the last events.
                connection.execute("PRAGMA synchronous=NORMAL")

            self._engine = engine
        return self._engine
