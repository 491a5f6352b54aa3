"""The contract of a warehouse."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import pyarrow as pa

from ml_platform.cadence import PartitionValue
from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.storage.base import ObjectStore
from ml_platform.warehouse.content_hash import content_version, content_version_sql
from ml_platform.warehouse.dialect import SqlDialect, identifier

__all__ = ["ExportedFile", "Parameters", "Query", "Warehouse", "identifier"]

Parameters = Mapping[str, Any]
"""Name of a parameter to its value: a scalar, or a list for :meth:`SqlDialect.is_in`."""

NONE: Parameters = MappingProxyType({})


class Query(NamedTuple):
    """SQL and the values of its named parameters."""

    sql: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class ExportedFile:
    """One Parquet file that an export wrote: its key, SHA-256, number of rows and size in bytes."""

    key: str
    sha256: str
    rows: int
    bytes: int


class Warehouse(ABC):
    """The place where tables live and joins run.

    All times are UTC (`timestamp[us, tz=UTC]` in Arrow). Relations are named ``schema.table``. SQL is written with
    :attr:`dialect`: names are quoted by it, and values are bound to named parameters, never formatted into SQL. A
    call may have to wait for others who use the warehouse, for a bounded time, after which it raises
    :class:`~ml_platform.errors.LockTimeoutError`.

    >>> sql = warehouse.dialect  # doctest: +SKIP
    >>> warehouse.scalar(
    ...     f"SELECT COUNT(*) FROM raw.things WHERE {sql.quoted('order')} = {sql.parameter('order')}", {"order": 7}
    ... )  # doctest: +SKIP
    """

    dialect: ClassVar[SqlDialect]
    """Its SQL."""

    pool: ClassVar[str | None] = None
    """Name of the pool of work that must take turns on it; None: any number may work at once."""

    def session(self) -> AbstractContextManager[None]:
        """Hold the warehouse for several calls, which are cheaper then; it changes nothing else."""
        return nullcontext()

    @abstractmethod
    def read(
        self, sql: str, parameters: Parameters = NONE, *, batch_rows: int = 65_536
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run a query and stream its rows; the warehouse is held until the context ends."""

    @abstractmethod
    def execute(self, sql: str, parameters: Parameters = NONE) -> None:
        """Run one statement."""

    def table(self, sql: str, parameters: Parameters = NONE) -> pa.Table:
        """Run a query whose result is small, and return it whole."""
        with self.read(sql, parameters) as reader:
            return reader.read_all()

    def scalar(self, sql: str, parameters: Parameters = NONE) -> Any:  # noqa: ANN401 (whatever the query selects)
        """Run a query of one row and one column, and return its value (None when there is no row)."""
        result = self.table(sql, parameters)
        return result.column(0)[0].as_py() if result.num_rows else None

    @abstractmethod
    def columns(self, relation: str) -> dict[str, pa.DataType]:
        """Columns of a relation and their Arrow types, in order; empty when there is no such relation."""

    def exists(self, relation: str) -> bool:
        """Tell whether the relation exists."""
        return bool(self.columns(relation))

    @abstractmethod
    def create(self, relation: str, schema: pa.Schema) -> None:
        """Create the table (and its schema) if it is not there; columns that it lacks are added."""

    @abstractmethod
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
        """Replace some partitions of a table by ``batches``, in one transaction.

        Creates the table if needed. Killed at any instant, the table holds either the old rows or the new.
        ``batches`` may read the warehouse while they are made, but not write to it.

        Args:
            relation: the table.
            column: its partition column: a date, or a timestamp (UTC).
            values: of that column, dates or datetimes with a zone; rows with any of them are replaced.
            batches: the new rows.
            schema: theirs.
            where: replace only rows whose columns of these names have these values.

        Returns:
            Number of rows written.

        Raises:
            DataError: a new row is of another partition, or does not match ``where``; nothing was written.
            ConfigurationError: the values do not fit the column, or a value of ``where`` is None.
        """

    @abstractmethod
    def temporary(self, sql: str, parameters: Parameters = NONE) -> AbstractContextManager[str]:
        """Keep a query's rows for the length of the context, for several queries to read.

        Only this process sees them, and they are gone afterwards, however it ends. The warehouse is held meanwhile.

        Returns:
            A context that gives the name of the relation that holds them.
        """

    @abstractmethod
    def export(
        self,
        sql: str,
        store: ObjectStore,
        prefix: str,
        *,
        parameters: Parameters = NONE,
        rows_per_file: int = 1_000_000,
    ) -> list[ExportedFile]:
        """Have the warehouse itself write a query's rows, in the query's order, as Parquet files to an object store.

        A file is named by what it holds, so that exports at the same time cannot mix theirs; one that is there
        already, perhaps damaged, is written again. Killed at any instant, some of the files are there, each whole.

        Args:
            sql: the query.
            store: where to.
            prefix: of the keys.
            parameters: the query's.
            rows_per_file: most rows of a file.

        Returns:
            The files in the order of their rows; at least one.
        """

    def partition_versions(
        self,
        relation: str,
        column: str,
        values: Sequence[PartitionValue],
        *,
        where: Parameters | None = None,
    ) -> dict[PartitionValue, tuple[str, int]]:
        """Content version and number of rows of each partition: the same rows in any order give the same version.

        Args:
            relation: the table.
            column: its partition column.
            values: of that column; those without rows are in the result, with 0 rows.
            where: count only rows whose columns of these names have these values.

        Raises:
            NotFoundError: there is no such relation.
            ConfigurationError: the values are not all dates, or all datetimes with a zone.
        """
        if not values:
            return {}
        sql, (kind, wanted) = self.dialect, partition_list(values)
        columns = self.columns(relation)
        if not columns:
            raise NotFoundError(f"there is no relation {relation}; materialise what makes it")
        matching, parameters = matching_rows(sql, where)
        conditions = [
            # The range lets the engine skip what lies outside; the list picks the partitions.
            f"{sql.quoted(column)} BETWEEN {sql.parameter('first')} AND {sql.parameter('last')}",
            sql.is_in(sql.quoted(column), "partitions", kind),
            *matching,
        ]
        source = f"(SELECT * FROM {sql.quoted(relation)} WHERE {' AND '.join(conditions)})"
        rows = self.table(
            content_version_sql(sql, columns, source, group_by=column),
            {"first": min(wanted), "last": max(wanted), "partitions": wanted, **parameters},
        )
        found = {
            row[column]: (
                content_version(columns, row["row_count"], row["hash_lower"], row["hash_upper"]),
                row["row_count"],
            )
            for row in rows.to_pylist()
        }
        nothing = (content_version(columns, 0, 0, 0), 0)
        return {value: found.get(value, nothing) for value in values}


def partition_list(values: Sequence[PartitionValue]) -> tuple[pa.DataType, list[PartitionValue]]:
    """Arrow type of partition values, ``date32`` or ``timestamp[us, tz=UTC]`` (of none: the former), and they in UTC.

    Raises:
        ConfigurationError: dates and datetimes are mixed, or a datetime has no zone.
    """
    times = [value for value in values if isinstance(value, datetime)]
    if not times:
        return pa.date32(), list(values)
    if len(times) < len(values) or any(value.tzinfo is None for value in times):
        raise ConfigurationError(
            f"partitions are dates, or datetimes with a time zone, not {sorted(map(str, values))}; see Cadence"
        )
    return pa.timestamp("us", tz="UTC"), [value.astimezone(UTC) for value in times]


def matching_rows(dialect: SqlDialect, where: Parameters | None) -> tuple[list[str], dict[str, Any]]:
    """Conditions that columns have values, and their parameters.

    Raises:
        ConfigurationError: a value is None, which equals nothing.
    """
    found = dict(where or {})
    if missing := sorted(name for name, value in found.items() if value is None):
        raise ConfigurationError(f"rows of which {missing} is None cannot be chosen; give a value")
    conditions = [
        f"{dialect.quoted(name)} = {dialect.parameter(f'where_{n}')}" for n, name in enumerate(found)
    ]
    return conditions, {f"where_{n}": value for n, value in enumerate(found.values())}
