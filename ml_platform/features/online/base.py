"""The contract of an online store: one row an entity, the newest event wins, and what readers may rely on.

**Versions.** Every write and delete of a row carries a version, an integer. The highest version wins, in
whatever order writes arrive and however often; at one version a delete wins over a write. A row's version is
its event time in microseconds, or one more than the version it corrects. One version never names two
contents: the synchronisation, which holds the view's lock, and :meth:`OnlineStore.write`, which reads first,
see to that.

**What a reader is promised.** A row is read whole: all its features and its ``event_timestamp`` come from one write.
Once a version was read, no older one is, unless servers crash and lose what they acknowledged, which the next sync
ships again. Rows of different entities may be from different syncs while one is under way; ``Record.complete`` says
whether that is so. A column that is added is null until the sync that adds it is complete. A view whose columns were
dropped or retyped is filled in a table of its own and switched to when complete, so its readers never see it half
full; from then on a reader gets the new type, and NotFoundError for a column that was dropped.
"""

import asyncio
import datetime as dt
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ml_platform.errors import ConflictError, DataError, NotFoundError, StoreUnavailableError
from ml_platform.features.online.columns import Column, micros, timestamp
from ml_platform.features.online.records import Mark, Record, Table
from ml_platform.use_case import FeatureView

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = [
    "Key",
    "OnlineStore",
    "Row",
    "Shipment",
    "TableReader",
    "check_key",
    "missing_row",
    "select_columns",
]

Key = tuple[Any, ...]
Status = Literal["found", "missing", "expired"]


class Row(NamedTuple):
    """The result of a read for one key.

    ``values`` are the features asked for, in order; all None when the entity is missing or its values have
    expired. ``event_us`` is the time of the values, in microseconds since 1970-01-01 UTC; None when the
    entity is missing.
    """

    status: Status
    values: tuple[Any, ...]
    event_us: int | None

    @property
    def event_timestamp(self) -> dt.datetime | None:
        """When the values were true, UTC; None when the entity is missing."""
        return None if self.event_us is None else timestamp(self.event_us)

    def age(self, now: dt.datetime) -> dt.timedelta | None:
        """Age of the values at ``now`` (with a zone); None when the entity is missing."""
        return None if self.event_us is None else dt.timedelta(microseconds=micros(now) - self.event_us)


@dataclass(frozen=True)
class Shipment:
    """Rows to write to a table, in Arrow: keys, ``event_timestamp`` (any timestamp type) and features.

    ``versions`` are int64, one a row. ``lifetimes`` are the seconds after which a store may forget each row
    (int64), or
    None: keep them for good. What has expired is decided when reading; a lifetime only frees the space.
    """

    rows: "pa.RecordBatch"
    versions: "np.ndarray[Any, Any]"
    lifetimes: "np.ndarray[Any, Any] | None" = None


class TableReader(ABC):
    """A prepared read of some features of one table."""

    @abstractmethod
    def get(self, keys: Sequence[Key]) -> list[Row]:
        """Rows in the order asked, found (however old they are) or missing.

        Raises:
            NotFoundError: the table is gone.
            DataError: a key has the wrong number or type of values.
            StoreUnavailableError: the store cannot be reached.
        """

    @abstractmethod
    async def get_async(self, keys: Sequence[Key]) -> list[Row]:
        """Like :meth:`get`, without blocking the event loop on a server."""


class OnlineStore(ABC):
    """One row an entity, typed columns, atomic an entity. See the module for versions and promises."""

    @abstractmethod
    def record(self, view: str, *, patient: bool = True) -> Record:
        """Read what the store knows of a view now; an empty record of revision 0 when nothing.

        Args:
            view: its name.
            patient: whether to outwait a server that is restarted, as syncs do and readers do not.

        Raises:
            StoreUnavailableError: the store cannot be reached.
        """

    @abstractmethod
    def replace_record(self, old: Record, new: Record) -> Record:
        """Durably replace a record if it is still ``old``, and return it with its next revision.

        Raises:
            ConflictError: somebody else changed it first.
        """

    def mark(self) -> Mark:
        """The moment now, in the life of the store's servers.

        Empty for a store that loses nothing it acknowledged.
        """
        return Mark()

    @abstractmethod
    def lock(self, view: str, timeout_seconds: float) -> AbstractContextManager[None]:
        """Hold the view's lock, so that one sync at a time changes it; freed when its holder dies.

        Raises:
            LockTimeoutError: another sync held it for all of ``timeout_seconds``; the message says who.
        """

    @abstractmethod
    def create_table(self, table: Table) -> None:
        """Create a table; one that is there already is left as it is."""

    @abstractmethod
    def add_columns(self, table: Table, columns: Sequence[Column]) -> None:
        """Add columns, null everywhere, while readers read.

        Those that are there already are left as they are.
        """

    @abstractmethod
    def drop_table(self, name: str) -> None:
        """Drop a table and its rows, if it is there."""

    @abstractmethod
    def put(self, table: Table, shipment: Shipment) -> None:
        """Write rows; each takes effect whole, unless an equal or higher version is there. Safe to repeat.

        Raises:
            StoreUnavailableError: some rows may not have been written; repeat the call.
        """

    @abstractmethod
    def remove(self, table: Table, keys: "pa.RecordBatch", versions: "np.ndarray[Any, Any]") -> None:
        """Delete rows whose version is not higher than given; nothing of that version or below comes back."""

    @abstractmethod
    def reader(self, table: Table, features: Sequence[Column]) -> TableReader:
        """Prepare the read of some features; without a round trip where that is possible."""

    @abstractmethod
    def versions(self, table: Table, keys: Sequence[Key]) -> list[int | None]:
        """The version of each row.

        None where there is none (the version of a deleted row may be forgotten).
        """

    @abstractmethod
    def scan(self, table: Table) -> "Iterator[tuple[Key, Row]]":
        """Every row, in the store's own order, in bounded memory."""

    @abstractmethod
    def close(self) -> None:
        """Free connections; the store cannot be used afterwards."""

    #: Names the store among others that share an object store, e.g. by its keyspace.
    name: str

    #: Whether a read is a round trip to a server, so that several are worth making at once.
    remote: bool = False

    #: Whether rows are forgotten at the end of their lifetime.
    forgets: bool = False

    #: How old the record that readers go by may be: a new table or column is seen after at most this long.
    refresh_seconds: float = 1.0

    def __init__(self) -> None:
        self._served: dict[str, tuple[Record, float]] = {}
        self._readers: dict[tuple[str, tuple[str, ...]], tuple[Table, TableReader]] = {}

    def served(self, view: str) -> Record:
        """The record of a view as readers see it.

        About :attr:`refresh_seconds` old at most, without a round trip in between; older while the store does
        not answer.
        """
        cached = self._served.get(view)
        if cached is not None:
            if cached[1] >= time.monotonic():
                return cached[0]
            # Others go on with it meanwhile.
            self._served[view] = (cached[0], time.monotonic() + self.refresh_seconds)
        try:
            record = self.record(view, patient=False)
        except StoreUnavailableError:
            if cached is None:
                raise
            return cached[0]
        self._served[view] = (record, time.monotonic() + self.refresh_seconds)
        return record

    def read(
        self,
        view: FeatureView,
        keys: Sequence[Key],
        features: Sequence[str] | None = None,
        *,
        now: dt.datetime | None = None,
    ) -> list[Row]:
        """Read entities, in the order asked.

        Args:
            view: what to read.
            keys: a tuple of key values an entity, in the order of ``view.entity``.
            features: names, in the order wanted; None: all of the view's.
            now: the moment against which values expire; None: the clock's.

        Raises:
            NotFoundError: the view was never synced, or has no such feature.
            DataError: a key has the wrong number or type of values.
            StoreUnavailableError: the store cannot be reached.
        """
        reader = self._reader(view, features)
        try:
            rows = reader.get(keys)
        except NotFoundError:  # the table was retired and dropped meanwhile; its successor is in the record
            self._served.pop(view.name, None)
            reader = self._reader(view, features)
            rows = reader.get(keys)
        return _expired(rows, view.ttl, now)

    async def read_async(
        self,
        view: FeatureView,
        keys: Sequence[Key],
        features: Sequence[str] | None = None,
        *,
        now: dt.datetime | None = None,
    ) -> list[Row]:
        """Like :meth:`read`, for an event loop, which is never blocked on a server."""
        reader = await self._reader_async(view, features)
        try:
            rows = await reader.get_async(keys)
        except NotFoundError:
            self._served.pop(view.name, None)
            reader = await self._reader_async(view, features)
            rows = await reader.get_async(keys)
        return _expired(rows, view.ttl, now)

    def write(self, view: FeatureView, batches: "Iterable[pa.RecordBatch]") -> int:
        """Write rows directly: a newer event replaces an older one, an older one changes nothing.

        Of rows with one entity and one event time that say different things, the one with the greater digest
        of its content stays, so that the order of writing does not matter; to replace values for good, sync
        the view. Writers of one view take turns.

        Args:
            view: a view that was synced or prepared.
            batches: keys, event timestamp and features, named as the view names them.

        Returns:
            The number of rows that took effect.

        Raises:
            NotFoundError: the view has no table yet.
            DataError: a row lacks a part of its key or its time; nothing of its batch was written.
            LockTimeoutError: another writer held the view for too long.
        """
        from ml_platform.features.online.direct_writes import write_rows

        return write_rows(self, view, batches)

    def delete(self, view: FeatureView, keys: Sequence[Key]) -> None:
        """Delete entities as they are now; what was written of them before does not come back."""
        from ml_platform.features.online.direct_writes import delete_rows

        delete_rows(self, view, keys)

    def pause(self, view: str, *, paused: bool = True) -> None:
        """Have the syncs of a view stop, within about a second, until it is resumed (``paused=False``)."""
        while True:
            record = self.record(view)
            if record.paused == paused:
                return
            try:
                self.replace_record(record, replace(record, paused=paused))
            except ConflictError:  # a sync just reported progress: take its record and try again
                continue
            return

    def drop_retired(self, view: str) -> tuple[str, ...]:
        """Drop the tables that were replaced by newer ones, and return their names."""
        record = self.record(view)
        if record.retired:
            self.replace_record(record, replace(record, retired=()))
            for name in record.retired:
                self.drop_table(name)
        return record.retired

    def _reader(self, view: FeatureView, features: Sequence[str] | None) -> TableReader:
        table = self.served(view.name).serving
        if table is None:
            raise NotFoundError(
                f"view {view.name} is not in the online store; sync it first (materialise online/{view.name})"
            )
        wanted = view.features if features is None else tuple(features)
        cached = self._readers.get((view.name, wanted))
        if cached is None or cached[0] is not table:
            columns = select_columns(table, view, wanted)
            cached = self._readers[view.name, wanted] = (table, self.reader(table, columns))
        return cached[1]

    async def _reader_async(self, view: FeatureView, features: Sequence[str] | None) -> TableReader:
        wanted = view.features if features is None else tuple(features)
        served = self._served.get(view.name)
        at_hand = (
            served is not None and served[1] >= time.monotonic() and (view.name, wanted) in self._readers
        )
        if at_hand or not self.remote:
            return self._reader(view, features)
        return await asyncio.to_thread(self._reader, view, features)


def select_columns(table: Table, view: FeatureView, wanted: Sequence[str]) -> tuple[Column, ...]:
    """The columns of a table that hold the named features, in that order. Raises NotFoundError."""
    by_name = {column.name: column for column in table.features}
    if unknown := [name for name in wanted if name not in by_name]:
        raise NotFoundError(
            f"view {view.name} has no feature {', '.join(unknown)} online; it has {', '.join(by_name)}."
            " A feature that was just declared is there after the next sync"
        )
    return tuple(by_name[name] for name in wanted)


def missing_row(width: int) -> Row:
    """The row that a read of so many features gives for an entity that is missing."""
    return Row("missing", (None,) * width, None)


def _expired(rows: list[Row], ttl: dt.timedelta | None, now: dt.datetime | None) -> list[Row]:
    """The rows, without the values of those that have expired."""
    if ttl is None:
        return rows
    # Numbers, as there is no datetime before the year 1.
    oldest = micros(now or dt.datetime.now(dt.UTC)) - ttl // dt.timedelta(microseconds=1)
    return [
        row
        if row.event_us is None or row.event_us > oldest
        else Row("expired", (None,) * len(row.values), row.event_us)
        for row in rows
    ]


def check_key(table: Table, key: Key) -> None:
    """Refuse a key that cannot be one of the table's. Raises DataError."""
    if not isinstance(key, tuple) or len(key) != len(table.keys):
        raise DataError(
            f"{key!r} is no key of {table.name}: give a tuple of ({', '.join(c.name for c in table.keys)})"
        )
    for column, value in zip(table.keys, key, strict=True):
        expected = _KEY_TYPES["int" if column.kind.startswith("int") else column.kind]
        if type(value) is not expected:
            raise DataError(
                f"key {key!r}: {column.name} is {column.kind}, so give a {expected.__name__}, not a"
                f" {type(value).__name__}"
            )
        if isinstance(value, int) and not isinstance(value, bool):
            bits = int(column.kind.removeprefix("int"))
            if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
                raise DataError(f"key {key!r}: {column.name} is {column.kind}, which cannot hold {value}")
        elif isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise DataError(f"key {key!r}: {column.name} is no text: {error}") from error


_KEY_TYPES: dict[str, type] = {
    "int": int, "bool": bool, "string": str, "binary": bytes, "date": dt.date,
    "timestamp": dt.datetime, "timestamp_utc": dt.datetime,
}  # fmt: skip
