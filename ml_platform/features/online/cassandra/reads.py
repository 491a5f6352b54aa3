"""Prepared reads from Cassandra, one key or a thousand."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from cassandra import DriverException
from cassandra.cluster import NoHostAvailable, PreparedStatement, ResponseFuture, Session
from cassandra.connection import ConnectionException
from cassandra.util import Date

from ml_platform.features.online.base import Key, Row, TableReader, missing_row
from ml_platform.features.online.cassandra.session import READ, TRANSIENT, explained
from ml_platform.features.online.cassandra.settings import CassandraSettings
from ml_platform.features.online.cassandra.values import can_be_stored, decoder, key_encoder
from ml_platform.features.online.columns import Column
from ml_platform.features.online.records import Table

__all__ = ["Reader"]

KEYS_A_QUERY = 100
"""One ``IN`` of this many keys is five times faster than as many reads, and small for a coordinator."""

_ERRORS = (DriverException, NoHostAvailable, ConnectionException)

Request = tuple[PreparedStatement, tuple[Any, ...]]


class Reader(TableReader):
    """Reads some features of one table.

    Keys of one column are asked for together, by the replica that has them.
    """

    def __init__(
        self,
        session: Session,
        settings: CassandraSettings,
        prepare: Callable[[str], PreparedStatement],
        table: Table,
        features: Sequence[Column],
    ) -> None:
        self._session = session
        self._settings = settings
        self._encode = key_encoder(table)
        self._decode = decoder(features)
        self._missing = missing_row(len(features))
        self._dated = any(column.kind == "date" for column in table.keys)
        self._width = len(table.keys)
        self._alone = len(session.cluster.metadata.all_hosts()) == 1
        keys = [f'"{column.name}"' for column in table.keys]
        columns = ", ".join([*keys, "event_timestamp", *(f'"{column.name}"' for column in features)])
        source = f'FROM {settings.keyspace}."{table.name}" WHERE '
        self._one = prepare(f"SELECT {columns} {source}{' AND '.join(f'{key} = ?' for key in keys)}")
        self._many = prepare(f"SELECT {columns} {source}{keys[0]} IN ?") if self._width == 1 else None

    def get(self, keys: Sequence[Key]) -> list[Row]:
        """See the contract."""
        encoded = [self._encode(key) for key in keys]
        requests = self._requests(encoded)
        rows: dict[Any, Row] = {}
        for attempt in range(self._settings.read_attempts):
            futures = [(request, self._send(request)) for request in requests]
            requests = []
            for request, future in futures:
                try:
                    self._collect(future.result().all(), rows)
                except _ERRORS as error:
                    self._judge(error, attempt)
                    requests.append(request)
            if not requests:
                break
        return [rows.get(key, self._missing) for key in encoded]

    async def get_async(self, keys: Sequence[Key]) -> list[Row]:
        """See the contract."""
        encoded = [self._encode(key) for key in keys]
        requests = self._requests(encoded)
        rows: dict[Any, Row] = {}
        for attempt in range(self._settings.read_attempts):
            answers = await asyncio.gather(*map(self._send_async, requests), return_exceptions=True)
            failed = []
            for request, answer in zip(requests, answers, strict=True):
                if isinstance(answer, _ERRORS):
                    self._judge(answer, attempt)
                    failed.append(request)
                elif isinstance(answer, BaseException):
                    raise answer
                else:
                    self._collect(answer, rows)
            requests = failed
            if not requests:
                break
        return [rows.get(key, self._missing) for key in encoded]

    def _requests(self, keys: list[Key]) -> list[Request]:
        wanted = [key for key in dict.fromkeys(keys) if can_be_stored(key)]
        if self._many is None or len(wanted) == 1:
            return [(self._one, key) for key in wanted]
        groups: dict[Any, list[Any]] = {}
        for key in wanted:
            groups.setdefault(None if self._alone else self._replica(key), []).append(key[0])
        return [
            (self._many, (group[i : i + KEYS_A_QUERY],))
            for group in groups.values()
            for i in range(0, len(group), KEYS_A_QUERY)
        ]

    def _replica(self, key: Key) -> object:
        metadata = self._session.cluster.metadata
        replicas = metadata.get_replicas(self._settings.keyspace, self._one.bind(key).routing_key)
        return replicas[0] if replicas else None

    def _send(self, request: Request) -> ResponseFuture:
        return self._session.execute_async(*request, execution_profile=READ)

    def _send_async(self, request: Request) -> "asyncio.Future[list[tuple[Any, ...]]]":
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[tuple[Any, ...]]] = loop.create_future()

        def settle(rows: list[tuple[Any, ...]] | None, error: BaseException | None) -> None:
            if answer.done():  # the read was cancelled
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(rows or [])

        def answered(rows: list[tuple[Any, ...]] | None, error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(settle, rows, error)

        self._send(request).add_callbacks(
            callback=lambda rows: answered(rows, None), errback=lambda error: answered(None, error)
        )
        return answer

    def _collect(self, rows: list[tuple[Any, ...]], found: dict[Any, Row]) -> None:
        width, decode = self._width, self._decode
        for row in rows:
            key = row[:width]
            if self._dated:  # the driver takes a datetime.date, and gives one of its own
                key = tuple(cell.date() if isinstance(cell, Date) else cell for cell in key)
            found[key] = Row("found", decode(row[width + 1 :]), row[width])

    def _judge(self, error: BaseException, attempt: int) -> None:
        if not isinstance(error, TRANSIENT) or attempt + 1 >= self._settings.read_attempts:
            raise explained(error, self._settings) from error
