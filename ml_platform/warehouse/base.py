"""The contract of a warehouse."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from ml_platform.cadence import PartitionValue
from ml_platform.errors import ConfigurationError

__all__ = ["Warehouse", "identifier"]

Parameters = Sequence[Any] | Mapping[str, Any]

_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,126}(\.[A-Za-z_][A-Za-z0-9_]{0,126}){0,2}$")


def identifier(name: str) -> str:
    """Return ``name`` if it is a plain, optionally qualified SQL identifier.

    Raises:
        ConfigurationError: if it is anything else; identifiers cannot be bound, so they are checked.
    """
    if not _IDENTIFIER.match(name):
        raise ConfigurationError(
            f"{name!r} is not a SQL identifier; use letters, digits and _ (parts joined by '.')"
        )
    return name


class Warehouse(ABC):
    """Where tables live and joins run.

    All times are UTC (`timestamp[us, tz=UTC]` in Arrow). Relations are named ``schema.table``. Values are bound, never
    formatted into SQL. Each call opens the warehouse briefly; one that meets another process's lock waits, logs for
    whom, and raises :class:`~ml_platform.errors.LockTimeoutError` after a bounded time.
    """

    dialect: ClassVar[Literal["duckdb", "bigquery"]]
    """Whose SQL it runs."""

    def session(self) -> AbstractContextManager[None]:
        """Hold the warehouse for several calls, which are cheaper then; it changes nothing else."""
        return nullcontext()

    @abstractmethod
    def read(
        self, sql: str, parameters: Parameters = (), *, batch_rows: int = 65_536
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run a query and stream its rows; the warehouse is held until the context ends."""

    @abstractmethod
    def execute(self, sql: str, parameters: Parameters = ()) -> None:
        """Run one statement."""

    def table(self, sql: str, parameters: Parameters = ()) -> pa.Table:
        """Run a query whose result is small, and return it whole."""
        with self.read(sql, parameters) as reader:
            return reader.read_all()

    def scalar(self, sql: str, parameters: Parameters = ()) -> Any:  # noqa: ANN401 (whatever the query selects)
        """Run a query of one row and one column, and return its value (None when there is no row)."""
        result = self.table(sql, parameters)
        return result.column(0)[0].as_py() if result.num_rows else None

    @abstractmethod
    def columns(self, relation: str) -> dict[str, pa.DataType]:
        """Columns of a relation and their Arrow types, in order; empty when there is no such relation."""

    def exists(self, relation: str) -> bool:
        """Whether the relation exists."""
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
        where: Mapping[str, object] | None = None,
    ) -> int:
        """Replace the rows whose ``column`` is one of ``values`` by ``batches``, in one transaction.

        With ``where``, only rows whose columns equal those values are replaced.

        Creates the table if needed. Killed at any instant, the table holds either the old rows or the new.

        Returns:
            Number of rows written.
        """

    @abstractmethod
    def export_parquet(
        self, sql: str, folder: Path, *, parameters: Parameters = (), rows_per_file: int = 1_000_000
    ) -> list[Path]:
        """Have the warehouse itself write a query's rows, in the query's order, as Parquet files into ``folder``."""

    @abstractmethod
    def partition_versions(
        self, relation: str, column: str, values: Sequence[PartitionValue]
    ) -> dict[PartitionValue, tuple[str, int]]:
        """Content version and number of rows of each value: the same rows in any order give the same version.

        Values without rows are present, with 0 rows.
        """
