"""The embedded warehouse: one DuckDB file."""

import hashlib
import logging
import secrets
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_platform.cadence import PartitionValue
from ml_platform.errors import ConfigurationError, DataError
from ml_platform.storage.base import ObjectStore
from ml_platform.warehouse.base import (
    NONE,
    ExportedFile,
    Parameters,
    Warehouse,
    matching_rows,
    partition_list,
)
from ml_platform.warehouse.duckdb_connection import open_database
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect
from ml_platform.warehouse.duckdb_scratch import scratch_folder

__all__ = ["DuckDBWarehouse"]

_LOG = logging.getLogger(__name__)
_WRITERS: defaultdict[Path, threading.RLock] = defaultdict(threading.RLock)
_SQL = DuckDBDialect()
_MARK = "ml_platform.mark"


class DuckDBWarehouse(Warehouse):
    """A warehouse in one DuckDB file.

    DuckDB lets one process at a time open the file, so every call opens it briefly; one that meets another process's
    lock waits, logs for whom, and gives up after a bounded time. Threads of one process share the file; their writes
    take turns.

    Args:
        path: the database file; created when first used.
        lock_timeout_seconds: how long to wait for another process that holds the file.
        memory_limit: DuckDB's ``memory_limit``, e.g. ``"2GB"``; None: its default, 80 % of what there is.
        threads: DuckDB's ``threads``; None: as many as there are cores.
        temp_directory: where DuckDB spills what does not fit; None: beside the file.
        scratch: folder for what is kept or exported, on its way; always the same, so that what a killed process left
            there is removed. None: beside the file.
    """

    dialect = _SQL
    pool = "warehouse"

    def __init__(
        self,
        path: Path,
        *,
        lock_timeout_seconds: float = 300.0,
        memory_limit: str | None = None,
        threads: int | None = None,
        temp_directory: Path | None = None,
        scratch: Path | None = None,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        self.scratch = scratch or self.path.with_name(f"{self.path.name}.scratch")
        self.lock_timeout_seconds = lock_timeout_seconds
        options = {"memory_limit": memory_limit, "threads": threads, "temp_directory": temp_directory}
        self._options = {name: str(value) for name, value in options.items() if value is not None}

    @contextmanager
    def _open(self) -> Iterator[Any]:
        with open_database(self.path, self.lock_timeout_seconds) as connection:
            for name, value in self._options.items():
                connection.execute(f"SET {name} = '{_escaped(value)}'")
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        with _WRITERS[self.path], self._open() as connection:
            connection.execute("BEGIN")
            yield connection  # an error closes the connection, which rolls back
            connection.execute("COMMIT")

    def read_mark(self) -> str:
        """See :class:`~ml_platform.marks.Marked`."""
        if not self.path.exists() or not self.exists(_MARK):
            return ""
        return str(self.scalar(f"SELECT max(mark) FROM {_MARK}") or "")

    def write_mark(self, mark: str) -> None:
        """See :class:`~ml_platform.marks.Marked`."""
        with self._transaction() as connection:
            _create(connection, _MARK, pa.schema([("mark", pa.string())]))
            connection.execute(f"DELETE FROM {_MARK}")
            connection.execute(f"INSERT INTO {_MARK} VALUES ($mark)", {"mark": mark})

    @contextmanager
    def session(self) -> Iterator[None]:
        """Keep the file open, so that each call within takes 1 ms to open it instead of 20."""
        with self._open():
            yield

    @contextmanager
    def read(
        self, sql: str, parameters: Parameters = NONE, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatchReader]:
        """Run a query and stream its rows; other processes wait for the file until the context ends."""
        with self._open() as connection, _stream(connection, sql, parameters, batch_rows) as reader:
            yield reader

    def execute(self, sql: str, parameters: Parameters = NONE) -> None:
        """Run one statement."""
        with _WRITERS[self.path], self._open() as connection:
            connection.execute(sql, dict(parameters))

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
        where: Parameters | None = None,
    ) -> int:
        """Replace some partitions by ``batches``, in one transaction; see the contract."""
        kind, wanted = partition_list(values)
        _require_columns(relation, schema, [column, *(where or ())])
        if values and schema.field(column).type != kind:
            raise ConfigurationError(
                f"{relation}: {column} is {schema.field(column).type}, and {values[0]} is {kind}; see Cadence"
            )
        matching, parameters = matching_rows(_SQL, where)
        table, names = _SQL.quoted(relation), _SQL.listed(schema.names)
        rows_of_them = " AND ".join([_SQL.is_in(_SQL.quoted(column), "partitions", kind), *matching])
        parameters["partitions"] = wanted
        with self._transaction() as connection:
            _create(connection, relation, schema)
            connection.execute(f"DELETE FROM {table} WHERE {rows_of_them}", parameters)
            with _registered(connection, "incoming", schema, batches):
                insert = f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming"
                rows = int(connection.execute(insert).fetchall()[0][0])
            present = f"SELECT count(*) FROM {table} WHERE {rows_of_them}"
            expected = connection.execute(present, parameters).fetchall()[0][0]
            if rows != expected:
                others = f", or not {dict(where)}" if where else ""
                raise DataError(
                    f"{rows - expected} rows for {relation} have another {column} than the {len(values)} to be "
                    f"replaced{others}; nothing was written; give only rows of those partitions"
                )
        _LOG.info("%s: replaced %d partitions with %d rows", relation, len(values), rows)
        return rows

    @contextmanager
    def temporary(self, sql: str, parameters: Parameters = NONE) -> Iterator[str]:
        """Keep a query's rows in a database file of their own, attached for the length of the context."""
        with scratch_folder(self.scratch) as folder, self._open() as connection:
            name = f"kept_{secrets.token_hex(8)}"
            connection.execute(f"ATTACH '{_escaped(folder / name)}' AS {name}")
            try:
                connection.execute(f"CREATE TABLE {name}.main.kept AS {sql}", dict(parameters))
                yield f"{name}.main.kept"
            finally:
                connection.execute(f"DETACH {name}")

    def export(
        self,
        sql: str,
        store: ObjectStore,
        prefix: str,
        *,
        parameters: Parameters = NONE,
        rows_per_file: int = 1_000_000,
    ) -> list[ExportedFile]:
        """Write ``<prefix>part-00000-<digest>.parquet`` (zstd) and so on, each by way of a local file."""
        if rows_per_file < 1:
            raise ConfigurationError(f"rows_per_file is {rows_per_file}; give 1 or more")
        files: list[ExportedFile] = []
        with (
            scratch_folder(self.scratch) as folder,
            self._open() as connection,
            _stream(connection, sql, parameters) as reader,
        ):
            parts = _Parts(reader, rows_per_file)
            local = folder / "part.parquet"
            while not files or not parts.exhausted:
                rows = _write_part(connection, parts, local)
                with local.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
                key = f"{prefix}part-{len(files):05d}-{digest[:16]}.parquet"
                store.write(key, local)  # also over what is there, as that may be damaged
                files.append(ExportedFile(key, digest, rows, local.stat().st_size))
        return files


def _escaped(text: object) -> str:
    return str(text).replace("'", "''")


def _require_columns(relation: str, schema: pa.Schema, names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in schema.names]:
        raise ConfigurationError(
            f"the rows for {relation} have no columns {missing}; they have {schema.names}"
        )


@contextmanager
def _stream(
    connection: Any,  # noqa: ANN401
    sql: str,
    parameters: Parameters,
    batch_rows: int = 65_536,
) -> Iterator[pa.RecordBatchReader]:
    reader = connection.sql(sql, params=dict(parameters) or None).to_arrow_reader(batch_rows)
    try:
        yield reader
    finally:
        reader.close()  # an open reader keeps the file locked after its connection has closed


def _columns(connection: Any, relation: str) -> dict[str, pa.DataType]:  # noqa: ANN401
    import duckdb

    try:
        with _stream(connection, f"SELECT * FROM {_SQL.quoted(relation)} LIMIT 0", NONE) as reader:
            return {field.name: field.type for field in reader.schema}
    except duckdb.CatalogException:
        return {}


def _create(connection: Any, relation: str, schema: pa.Schema) -> None:  # noqa: ANN401
    """Create the table or add its missing columns; DuckDB chooses their SQL types."""
    table = _SQL.quoted(relation)
    if "." in relation:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SQL.quoted(relation.rpartition('.')[0])}")
    with _registered(connection, "declared", schema, ()):
        described = connection.execute("SELECT column_name, column_type FROM (DESCRIBE declared)").fetchall()
    # Not CREATE TABLE AS: DuckDB 2.0.0 keeps no statistics of 122,880 rows or more that are then inserted
    # from Arrow in the same transaction, and finds none of them by value, join or maximum until reopened.
    columns = ", ".join(f"{_SQL.quoted(name)} {kind}" for name, kind in described)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
    present = {name.lower() for name in _columns(connection, relation)}
    for name, kind in described:
        if name.lower() not in present:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {_SQL.quoted(name)} {kind}")


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
        self.written = 0
        self._next = next(self._batches, None)

    @property
    def exhausted(self) -> bool:
        return self._next is None

    def part(self) -> Iterator[pa.RecordBatch]:
        missing = self._rows
        while missing and self._next is not None:
            batch = self._next.slice(0, missing)
            missing -= batch.num_rows
            self.written += batch.num_rows
            rest = self._next.slice(batch.num_rows)
            self._next = rest if rest.num_rows else next(self._batches, None)
            yield batch


def _write_part(connection: Any, parts: _Parts, target: Path) -> int:  # noqa: ANN401
    """Write the next part; its number of rows."""
    before = parts.written
    with connection.cursor() as writer:
        writer.execute("SET TimeZone = 'UTC'")
        with _registered(writer, "part", parts.schema, parts.part()):
            writer.execute(
                "COPY (FROM part) TO $target (FORMAT parquet, COMPRESSION zstd)", {"target": str(target)}
            )
    return parts.written - before
