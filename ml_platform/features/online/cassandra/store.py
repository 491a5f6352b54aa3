"""The online store on Cassandra: one partition an entity, every cell with the row's version as its timestamp.

Cassandra itself then lets the highest version win, replica by replica, whatever the order of arrival; a
deletion's timestamp is the version that it deletes. Cells with one timestamp come from one write (see
:mod:`ml_platform.features.online.base`), so no row is ever a mixture.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cassandra import AlreadyExists, DriverException
from cassandra.cluster import PreparedStatement, Session
from cassandra.pool import Host
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from ml_platform.errors import ConflictError, DataError, SchemaMismatchError
from ml_platform.features.online.base import Key, OnlineStore, Row, Shipment, TableReader
from ml_platform.features.online.cassandra.lease import Lease
from ml_platform.features.online.cassandra.reads import Reader
from ml_platform.features.online.cassandra.session import (
    READ,
    TRANSIENT,
    WRITE,
    connect,
    explained,
    translated,
)
from ml_platform.features.online.cassandra.settings import CassandraSettings
from ml_platform.features.online.cassandra.values import (
    cells,
    cql_type,
    decoder,
    impossible_keys,
    key_encoder,
)
from ml_platform.features.online.cassandra.writes import BatchWriter
from ml_platform.features.online.columns import Column
from ml_platform.features.online.records import Mark, Record, Table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["CassandraOnlineStore"]

SCAN_ROWS = 2_000
VIEWS, LOCKS = "ml_platform_views", "ml_platform_locks"


class CassandraOnlineStore(OnlineStore):
    """An online store in one keyspace.

    Connects when first used; an account with SELECT is enough for reading.
    """

    remote = True
    forgets = True

    def __init__(self, settings: CassandraSettings) -> None:
        super().__init__()
        self.name = f"cassandra.{settings.keyspace}"
        self.settings = settings
        self._session: Session | None = None
        self._writer: BatchWriter | None = None
        self._prepared: dict[str, PreparedStatement] = {}
        self._guard = threading.Lock()
        self._catalogued = False

    @property
    def session(self) -> Session:
        """The session, connected when first asked for. Raises as :func:`connect`."""
        if self._session is None:
            with self._guard:
                if self._session is None:
                    self._session = connect(self.settings)
        return self._session

    def record(self, view: str, *, patient: bool = True) -> Record:
        """See the contract."""
        attempts = self.settings.write_attempts if patient else self.settings.read_attempts
        if not self._has_catalogue(attempts):
            return Record(view)
        sql = f"SELECT record, revision FROM {self._qualified(VIEWS)} WHERE name = ?"
        found = self._retried(
            lambda: self.session.execute(self.prepare(sql), (view,), execution_profile=READ).one(), attempts
        )
        return replace(Record.from_json(found[0]), revision=found[1]) if found else Record(view)

    def replace_record(self, old: Record, new: Record) -> Record:
        """See the contract; a lightweight transaction."""
        new = replace(new, revision=old.revision + 1)
        table = self._qualified(VIEWS)
        if not old.revision:
            self._create_catalogue()
            sql = f"INSERT INTO {table} (name, record, revision) VALUES (%s, %s, %s) IF NOT EXISTS"
            answer = self._conditional(sql, (new.view, new.to_json(), new.revision))
        else:
            sql = f"UPDATE {table} SET record = %s, revision = %s WHERE name = %s IF revision = %s"
            answer = self._conditional(sql, (new.to_json(), new.revision, new.view, old.revision))
        # An attempt whose answer was lost may have succeeded: then the record is the new one already.
        if not answer[0] and self.record(new.view) != new:
            raise ConflictError(f"the record of view {new.view} was changed by somebody else; try again")
        return new

    def mark(self) -> Mark:
        """See the contract; a server's start is its gossip generation."""
        cql = "SELECT gossip_generation, toUnixTimestamp(now()) FROM system.local"

        def ask(host: Host) -> tuple[int, int]:
            answer: tuple[int, int] = self.session.execute(cql, execution_profile=WRITE, host=host).one()
            return answer

        def ask_all() -> Mark:
            starts, times, failure = [], [], None
            for host in self.session.cluster.metadata.all_hosts():
                try:
                    start, milliseconds = ask(host)
                except TRANSIENT as error:  # a server that is down is not part of the mark
                    failure = error
                else:
                    starts.append((str(host.host_id), start))
                    times.append(milliseconds // 1000)
            if failure is not None and not starts:
                raise failure
            return Mark(max(times, default=0), tuple(sorted(starts)))

        mark: Mark = self._retried(ask_all)
        return mark

    @contextlib.contextmanager
    def lock(self, view: str, timeout_seconds: float) -> Iterator[None]:
        """See the contract; a lease that is renewed while it is held."""
        self._create_catalogue()
        table = self._qualified(LOCKS)
        lease = Lease(self._conditional, table, view, self.settings.lease_seconds)
        with lease.held(timeout_seconds):
            yield

    def create_table(self, table: Table) -> None:
        """See the contract. Raises SchemaMismatchError when a table of that name has other columns."""
        keys = ", ".join(f'"{column.name}"' for column in table.keys)
        columns = [f'"{c.name}" {cql_type(c)}' for c in table.keys]
        columns += ["event_timestamp bigint", *(f'"{c.name}" {cql_type(c)}' for c in table.features)]
        self._define(
            f"CREATE TABLE IF NOT EXISTS {self._qualified(table.name)} ({', '.join(columns)}, PRIMARY KEY"
            f" (({keys})))"
            " WITH compaction = {'class': 'LeveledCompactionStrategy'}"
        )
        self._check_columns(table)

    def add_columns(self, table: Table, columns: Sequence[Column]) -> None:
        """See the contract. Raises SchemaMismatchError when a column is there with another type."""
        there = self._columns(table.name)
        for column in columns:
            if column.name not in there:
                self._define(
                    f'ALTER TABLE {self._qualified(table.name)} ADD "{column.name}" {cql_type(column)}'
                )
        self._check_columns(table)

    def drop_table(self, name: str) -> None:
        """See the contract."""
        self._define(f"DROP TABLE IF EXISTS {self._qualified(name)}")

    def put(self, table: Table, shipment: Shipment) -> None:
        """See the contract; unlogged batches. Raises DataError for a key that Cassandra cannot have."""
        names = [column.name for column in (*table.keys, *table.features)]
        columns = ", ".join([*(f'"{name}"' for name in names), "event_timestamp"])
        marks = ", ".join("?" * (len(names) + 1))
        sql = (
            f"INSERT INTO {self._qualified(table.name)} ({columns}) VALUES ({marks}) USING TIMESTAMP ? AND"
            " TTL ?"
        )
        rows = shipment.rows
        values = [cells(column, rows.column(column.name)) for column in (*table.keys, *table.features)]
        keys = values[: len(table.keys)]
        if wrong := impossible_keys(keys):
            raise DataError(
                f"a key ({', '.join(c.name for c in table.keys)}) of {table.name} is empty or longer than 65535"
                f" bytes, which Cassandra cannot have: {str([part[wrong[0]] for part in keys])[:80]}; shorten it"
                " in the model"
            )
        values.append(cells(Column("event_timestamp", "timestamp_utc"), rows.column("event_timestamp")))
        forever = [bytes(4)] * rows.num_rows
        lifetimes = forever if shipment.lifetimes is None else _big_endian(shipment.lifetimes, ">i4")
        self._write(sql, zip(*values, _big_endian(shipment.versions, ">i8"), lifetimes, strict=True))

    def remove(self, table: Table, keys: "pa.RecordBatch", versions: "np.ndarray[Any, Any]") -> None:
        """See the contract; unlogged batches of partition deletions."""
        where = " AND ".join(f'"{column.name}" = ?' for column in table.keys)
        sql = f"DELETE FROM {self._qualified(table.name)} USING TIMESTAMP ? WHERE {where}"
        values = [cells(column, keys.column(column.name)) for column in table.keys]
        absent = set(impossible_keys(values))  # `put` refused them
        rows = zip(_big_endian(versions, ">i8"), *values, strict=True)
        self._write(sql, (cell for row, cell in enumerate(rows) if row not in absent))

    def reader(self, table: Table, features: Sequence[Column]) -> TableReader:
        """See the contract."""
        return Reader(self.session, self.settings, self.prepare, table, features)

    def versions(self, table: Table, keys: Sequence[Key]) -> list[int | None]:
        """See the contract; the version of a deleted row is not known."""
        encode = key_encoder(table)
        where = " AND ".join(f'"{column.name}" = ?' for column in table.keys)
        sql = f"SELECT WRITETIME(event_timestamp) FROM {self._qualified(table.name)} WHERE {where}"
        with translated(self.settings):
            prepared = self.prepare(sql)
            futures = [
                self.session.execute_async(prepared, encode(key), execution_profile=READ) for key in keys
            ]
            found = [future.result().one() for future in futures]
        return [row[0] if row else None for row in found]

    def scan(self, table: Table) -> Iterator[tuple[Key, Row]]:
        """See the contract; in the order of the ring."""
        columns = [*table.keys, *table.features]
        decode, width = decoder(columns), len(table.keys)
        names = ", ".join(f'"{column.name}"' for column in columns)
        with translated(self.settings):
            statement = self.prepare(
                f"SELECT event_timestamp, {names} FROM {self._qualified(table.name)}"
            ).bind(())
            statement.fetch_size = SCAN_ROWS
            for row in self.session.execute(statement, execution_profile=READ):
                values = decode(row[1:])
                yield values[:width], Row("found", values[width:], row[0])

    def close(self) -> None:
        """See the contract."""
        if self._session is not None:
            self._session.cluster.shutdown()
            self._session = None
            self._writer = None
            self._prepared.clear()
            self._readers.clear()

    def prepare(self, cql: str) -> PreparedStatement:
        """The prepared statement of a query; prepared once."""
        found = self._prepared.get(cql)
        if found is None:
            with translated(self.settings):
                found = self._prepared[cql] = self.session.prepare(cql)
            found.is_idempotent = True
        return found

    def _write(self, cql: str, rows: "Iterator[tuple[bytes | None, ...]]") -> None:
        if self._writer is None:
            self._writer = BatchWriter(self.session, self.settings)
        self._writer.write(self.prepare(cql), rows)

    def _conditional(self, cql: str, parameters: tuple[Any, ...]) -> Any:  # noqa: ANN401 (a row of the driver's)
        return self._retried(lambda: self.session.execute(cql, parameters, execution_profile=WRITE).one())

    def _retried(self, request: Callable[[], Any], attempts: int | None = None) -> Any:  # noqa: ANN401 (the request's)
        retrying = Retrying(
            retry=retry_if_exception_type(TRANSIENT),
            stop=stop_after_attempt(attempts or self.settings.write_attempts),
            wait=wait_exponential(self.settings.backoff_seconds, max=self.settings.max_backoff_seconds),
            reraise=True,
        )
        try:
            return retrying(request)
        except (*TRANSIENT, DriverException) as error:
            raise explained(error, self.settings) from error

    def _has_catalogue(self, attempts: int | None = None) -> bool:
        self._catalogued = self._catalogued or all(self._columns(name, attempts) for name in (VIEWS, LOCKS))
        return self._catalogued

    def _create_catalogue(self) -> None:
        if not self._has_catalogue():
            for table, columns in ((VIEWS, "revision bigint, record text"), (LOCKS, "holder text")):
                self._define(
                    f"CREATE TABLE IF NOT EXISTS {self._qualified(table)} (name text PRIMARY KEY, {columns})"
                )

    def _define(self, cql: str) -> None:
        with translated(self.settings), contextlib.suppress(AlreadyExists):
            self.session.execute(cql, timeout=max(60.0, self.settings.write_timeout_seconds))

    def _columns(self, table: str, attempts: int | None = None) -> dict[str, str]:
        """CQL types by column, with the place in the key if any; empty when there is no such table.

        The server is asked, since the driver hears of what other clients define only some time later.
        """
        cql = (
            "SELECT column_name, type, kind, position FROM system_schema.columns"
            " WHERE keyspace_name = %s AND table_name = %s"
        )
        parameters = (self.settings.keyspace, table)
        rows = self._retried(
            lambda: self.session.execute(cql, parameters, execution_profile=WRITE).all(), attempts
        )
        return {n: kind if part == "regular" else f"{kind} ({part} {place})" for n, kind, part, place in rows}

    def _check_columns(self, table: Table) -> None:
        there = self._columns(table.name)
        wanted = {c.name: f"{cql_type(c)} (partition_key {i})" for i, c in enumerate(table.keys)}
        wanted |= {"event_timestamp": "bigint"} | {c.name: cql_type(c) for c in table.features}
        wrong = sorted(name for name, kind in wanted.items() if there.get(name) != kind)
        wrong += sorted(name for name, kind in there.items() if name not in wanted and kind.endswith(")"))
        if wrong:
            raise SchemaMismatchError(
                f"table {table.name} of keyspace {self.settings.keyspace} was made by somebody else:"
                f" {', '.join(wrong)} should be {', '.join(wanted.get(name, 'absent') for name in wrong)};"
                " drop or rename that table, then sync again"
            )

    def _qualified(self, table: str) -> str:
        return f'{self.settings.keyspace}."{table}"'


def _big_endian(numbers: "np.ndarray[Any, Any]", wire: str) -> list[bytes]:
    whole, width = numbers.astype(wire).tobytes(), int(wire[-1])
    return [whole[i : i + width] for i in range(0, len(whole), width)]
