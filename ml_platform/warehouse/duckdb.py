"""The embedded warehouse: one DuckDB file."""

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_platform.cadence import PartitionValue
from ml_platform.errors import ConfigurationError, DataError, NotFoundError
from ml_platform.warehouse.base import Parameters, Warehouse, identifier
from ml_platform.warehouse.content_hash import content_version, content_version_sql
from ml_platform.warehouse.duckdb_connection import open_database

__all__ = ["DuckDBWarehouse"]

_LOG = logging.getLogger(__name__)
_WRITERS: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)


class DuckDBWarehouse(Warehouse):
    """A warehouse in one DuckDB file.

    DuckDB lets one process at a time open the file, so every call opens it briefly. Threads of one process
    share it; their writes take turns.

    Args:
        path: the database file; created when first used.
        lock_timeout_seconds: how long to wait for another process that holds the file.
        memory_limit: DuckDB's ``memory_limit``, e.g. ``"2GB"``; None: its default, 80 % of what there is.
        threads: DuckDB's ``threads``; None: as many as there are cores.
        temp_directory: where DuckDB spills what does not fit; None: beside the file.
    """

    dialect = "duckdb"

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout_seconds: float = 300.0,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: Path | None = None,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self.lock_timeout_seconds = lock_timeout_seconds
        options = {"memory_limit": memory_limit, "threads": threads, "temp_directory": temp_directory}
        self._options = {name: str(value) for name, value in options.items() if value is not None}

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with open_database(self.path, self.lock_timeout_seconds) as connection:
            for name, value in self._options.items():
                connection.execute(f"SET {name} = '{value.replace(chr(39), 2 * chr(39))}'")
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with _WRITERS[self.path], self._open() as connection:
            connection.execute("BEGIN")
            yield connection  # an error closes the connection, which rolls back
            connection.execute("COMMIT")

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep the file open, so that each call within takes 1 ms to open it instead of 20."""
        with self._open():
            yield

    @contextmanager
    def read(
        self, sql: str, parameters: Parameters = (), *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatchReader]:
        """Run a query and stream its rows; other processes wait for the file until the context ends."""
        with self._open() as connection, _stream(connection, sql, parameters, batch_rows) as reader:
            yield reader

    def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one statement."""
        with _WRITERS[self.path], self._open() as connection:
            connection.execute(sql, _bound(parameters))

    def columns(self, relation: str) -> dict[str, pa.DataType]:
        """Columns of a relation and their Arrow types, in order; empty when there is no such relation."""
        with self._open() as connection:
            return _columns(connection, relation)

    def create(self, relation: str, schema: pa.Schema) -> None:
        """Create the table (and its schema) if it is not there; columns that it lacks are added."""
        with self._transaction() as connection:
            _create(connection, relation, schema)

    def replace_partitions(
        self,
        relation: str,
        column: str,
        values: Sequence[PartitionValue],
        batches: Iterable[pa.RecordBatch],
        schema: pa.Schema,
        *,
        where: Mapping[str, object] | None = None,
    ) -> int:
        """Replace the rows of ``values`` by ``batches``, in one transaction; see the contract.

        ``batches`` may read the warehouse while they are made, but not write to it.

        Raises:
            DataError: a row's value is not among ``values``; nothing was written.
        """
        names = ", ".join(f'"{identifier(name)}"' for name in schema.names)
        kind = "DATE" if pa.types.is_date(schema.field(column).type) else "TIMESTAMPTZ"
        chosen = f"{identifier(column)} IN (SELECT unnest($values::{kind}[]))"
        fixed = {f"where_{n}": value for n, value in enumerate((where or {}).values())}
        chosen += "".join(f" AND {identifier(name)} = $where_{n}" for n, name in enumerate(where or {}))
        parameters = {"values": list(values), **fixed}
        with self._transaction() as connection:
            _create(connection, relation, schema)
            connection.execute(f"DELETE FROM {relation} WHERE {chosen}", parameters)
            with _registered(connection, "incoming", schema, batches):
                insert = f"INSERT INTO {relation} ({names}) SELECT {names} FROM incoming"
                rows = int(connection.execute(insert).fetchall()[0][0])
            present = f"SELECT count(*) FROM {relation} WHERE {chosen}"
            expected = connection.execute(present, parameters).fetchall()[0][0]
            if rows != expected:
                raise DataError(
                    f"{rows - expected} rows for {relation} have another {column} than the {len(values)} to be "
                    f"replaced; nothing was written; give only rows of those"
                )
        _LOG.info("%s: replaced %d partitions with %d rows", relation, len(values), rows)
        return rows

    def export_parquet(
        self, sql: str, folder: Path, *, parameters: Parameters = (), rows_per_file: int = 1_000_000
    ) -> list[Path]:
        """Write a query's rows, in its order, to ``part-00000.parquet`` and so on (zstd); at least one file.

        Parts that an earlier export left in the folder are removed first.
        """
        if rows_per_file < 1:
            raise ConfigurationError(f"rows_per_file is {rows_per_file}; give 1 or more")
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("part-*.parquet"):
            leftover.unlink()
        files: list[Path] = []
        with self._open() as connection, _stream(connection, sql, parameters) as reader:
            parts = _Parts(reader, rows_per_file)
            while not files or not parts.exhausted:
                target = folder / f"part-{len(files):05d}.parquet"
                _write_part(connection, parts, target)
                files.append(target)
        return files

    def partition_versions(
        self, relation: str, column: str, values: Sequence[PartitionValue]
    ) -> dict[PartitionValue, tuple[str, int]]:
        """Content version and number of rows of each value; see :mod:`ml_platform.warehouse.content_hash`."""
        if not values:
            return {}
        by = identifier(column)
        with self._open() as connection:
            columns = _columns(connection, relation)
            if not columns:
                raise NotFoundError(f"{self.path} has no relation {relation}; materialise what makes it")
            kind = "DATE" if pa.types.is_date(columns[column]) else "TIMESTAMPTZ"
            # The range lets DuckDB skip row groups; the list picks the partitions.
            source = (
                f"(SELECT * FROM {relation} WHERE {by} BETWEEN $first AND $last "
                f"AND {by} IN (SELECT unnest($values::{kind}[])))"
            )
            rows = connection.execute(
                content_version_sql(columns, source, group_by=by),
                {"first": min(values), "last": max(values), "values": list(values)},
            ).fetchall()
        found = {row[0]: (content_version(columns, *row[1:]), row[1]) for row in rows}
        nothing = (content_version(columns, 0, 0, 0), 0)
        return {value: found.get(value, nothing) for value in values}


def _bound(parameters: Parameters) -> Any:  # noqa: ANN401 (DuckDB takes a list or a dict)
    return dict(parameters) if isinstance(parameters, Mapping) else list(parameters)


@contextmanager
def _stream(
    connection: Any,  # noqa: ANN401
    sql: str,
    parameters: Parameters,
    batch_rows: int = 65_536,
) -> Iterator[pa.RecordBatchReader]:
    reader = connection.sql(sql, params=_bound(parameters) or None).to_arrow_reader(batch_rows)
    try:
        yield reader
    finally:
        reader.close()  # an open reader keeps the file locked after its connection has closed


def _columns(connection: Any, relation: str) -> dict[str, pa.DataType]:  # noqa: ANN401
    import duckdb

    try:
        with _stream(connection, f"SELECT * FROM {identifier(relation)} LIMIT 0", ()) as reader:
            return {field.name: field.type for field in reader.schema}
    except duckdb.CatalogException:
        return {}


def _create(connection: Any, relation: str, schema: pa.Schema) -> None:  # noqa: ANN401
    """Create the table or add its missing columns; DuckDB chooses their SQL types."""
    if "." in identifier(relation):
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {relation.rpartition('.')[0]}")
    for name in schema.names:
        identifier(name)
    with _registered(connection, "declared", schema, ()):
        described = connection.execute("SELECT column_name, column_type FROM (DESCRIBE declared)").fetchall()
    # Not CREATE TABLE AS: DuckDB 2.0.0 keeps no statistics of 122,880 rows or more that are then inserted
    # from Arrow in the same transaction, and finds none of them by value, join or maximum until reopened.
    columns = ", ".join(f'"{name}" {kind}' for name, kind in described)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {relation} ({columns})")
    present = {name.lower() for name in _columns(connection, relation)}
    for name, kind in described:
        if name.lower() not in present:
            connection.execute(f'ALTER TABLE {relation} ADD COLUMN "{name}" {kind}')


@contextmanager
def _registered(
    connection: Any,  # noqa: ANN401
    name: str,
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
) -> Iterator[None]:
    """Let SQL read ``batches`` as ``name``, once; an error that they raise arrives as itself."""
    failures: list[Exception] = []

    def observed() -> Iterator[pa.RecordBatch]:
        try:
            yield from batches
        except Exception as error:
            failures.append(error)
            raise

    connection.register(name, pa.RecordBatchReader.from_batches(schema, observed()))
    try:
        yield
    except Exception:
        if failures:
            raise failures[0] from None
        raise
    connection.unregister(name)


class _Parts:
    """Cuts a stream of record batches into parts of a fixed number of rows."""

    def __init__(self, reader: pa.RecordBatchReader, rows: int) -> None:
        self.schema = reader.schema
        self._batches = (batch for batch in reader if batch.num_rows)
        self._rows = rows
        self._next = next(self._batches, None)

    @property
    def exhausted(self) -> bool:
        return self._next is None

    def part(self) -> Iterator[pa.RecordBatch]:
        missing = self._rows
        while missing and self._next is not None:
            batch = self._next.slice(0, missing)
            missing -= batch.num_rows
            rest = self._next.slice(batch.num_rows)
            self._next = rest if rest.num_rows else next(self._batches, None)
            yield batch


def _write_part(connection: Any, parts: _Parts, target: Path) -> None:  # noqa: ANN401
    with connection.cursor() as writer:
        writer.execute("SET TimeZone = 'UTC'")
        with _registered(writer, "part", parts.schema, parts.part()):
            writer.execute(
                "COPY (FROM part) TO $target (FORMAT parquet, COMPRESSION zstd)", {"target": str(target)}
            )
