"""Prepared reads from SQLite, one key or a thousand."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from ml_platform.errors import NotFoundError, StoreUnavailableError
from ml_platform.features.online.base import Key, Row, TableReader, check_key, missing_row
from ml_platform.features.online.columns import Column
from ml_platform.features.online.records import Table
from ml_platform.features.online.sqlite.values import decoder, key_encoder, quoted

__all__ = ["Reader"]

_MOST_KEYS = 1024  # in one statement
_INLINE_KEYS = 32  # fewer keys are read faster than a thread is woken


class Reader(TableReader):
    """Reads some features of one table."""

    def __init__(
        self,
        connection: Callable[[], sqlite3.Connection],
        unavailable: Callable[[sqlite3.Error], StoreUnavailableError],
        table: Table,
        features: Sequence[Column],
    ) -> None:
        self._connection = connection
        self._unavailable = unavailable
        self._table = table
        self._encode = key_encoder(table)
        self._decode = decoder(features)
        self._missing = missing_row(len(features))
        keys = quoted(table.keys)
        columns = ", ".join(["event_timestamp", "_nan", *quoted(features)])
        where = " AND ".join(f"{name} = ?" for name in keys)
        self._one = f'SELECT {columns} FROM "{table.name}" WHERE {where}'
        self._many = f'SELECT {keys[0]}, {columns} FROM "{table.name}" WHERE {keys[0]} IN '
        self._single = len(keys) == 1

    def get(self, keys: Sequence[Key]) -> list[Row]:
        """See the contract."""
        try:
            if self._single and len(keys) > 1:
                return self._get_many(keys)
            execute, encode, decode = self._connection().execute, self._encode, self._decode
            found: list[Row] = []
            for key in keys:
                row = execute(self._one, encode(key)).fetchone()
                if row is None or row[0] is None:
                    found.append(self._missing)
                else:
                    found.append(Row("found", decode(row[2:], row[1]), row[0]))
        except sqlite3.Error as error:
            if "no such" in str(error):
                raise NotFoundError(f"online table {self._table.name}: {error}; it was dropped") from error
            raise self._unavailable(error) from error
        except UnicodeEncodeError:
            for key in keys:
                check_key(self._table, key)
            raise
        return found

    async def get_async(self, keys: Sequence[Key]) -> list[Row]:
        """See the contract; few keys are read in place, which never blocks for long."""
        if len(keys) <= _INLINE_KEYS:
            return self.get(keys)
        return await asyncio.to_thread(self.get, keys)

    def _get_many(self, keys: Sequence[Key]) -> list[Row]:
        encode, decode, execute = self._encode, self._decode, self._connection().execute
        encoded = [encode(key)[0] for key in keys]
        found: dict[Any, Row] = {}
        for start in range(0, len(encoded), _MOST_KEYS):
            part = encoded[start : start + _MOST_KEYS]
            size = (
                1 << (len(part) - 1).bit_length()
            )  # padded, so that few statements serve any number of keys
            part += part[-1:] * (size - len(part))
            for row in execute(f"{self._many}({','.join('?' * size)})", part):
                if row[1] is not None:
                    found[row[0]] = Row("found", decode(row[3:], row[2]), row[1])
        return [found.get(key, self._missing) for key in encoded]
