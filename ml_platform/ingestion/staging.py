"""Where rows wait until all of their files have been read: a private DuckDB that spills to disk."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import pyarrow as pa

from ml_platform.ingestion.source import RawSource
from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

__all__ = ["QUARANTINE", "REJECTED", "Staging", "open_staging"]

QUARANTINE = pa.schema(
    [
        ("source", pa.string()),
        ("day", pa.date32()),
        ("file", pa.string()),
        ("row_number", pa.int64()),
        ("reason", pa.string()),
        ("record", pa.string()),
    ]
)
"""Columns of ``raw.quarantine``; ``file`` is relative to the landing folder, ``record`` the row as JSON."""

REJECTED = QUARANTINE.append(pa.field("kind", pa.string()))
"""The same with the rule that was broken, as counted."""

DUPLICATE = "duplicate"
MEMORY_LIMIT = "1GB"
BATCH_ROWS = 65_536
_SQL = DuckDBDialect()
IDS_AT_ONCE = 100_000


@contextmanager
def open_staging(source: RawSource) -> Iterator["Staging"]:
    """A staging area that is gone when the context ends."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="ml-platform-") as folder,
        duckdb.connect(":memory:") as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        connection.execute(f"SET temp_directory = '{folder}'")
        yield Staging(connection, source)


class Staging:
    """Rows to load and rows rejected, of any number of files.

    Attributes:
        schema: of the rows to load: the table's columns, then ``file`` and ``row_number``.
    """

    def __init__(self, connection: Any, source: RawSource) -> None:  # noqa: ANN401
        self._connection = connection
        self._source = source
        self.schema = pa.schema([*source.schema, QUARANTINE.field("file"), QUARANTINE.field("row_number")])
        self._create("staged", self.schema)
        self._create("rejected", REJECTED)
        self._create("elsewhere", pa.schema([("id", pa.string()), ("day", pa.date32())]))

    def add(self, rows: pa.Table) -> None:
        """Stage rows to load (:attr:`schema`)."""
        self._insert("staged", rows)

    def reject(self, rows: pa.Table) -> None:
        """Put rows (:data:`REJECTED`) aside."""
        self._insert("rejected", rows)

    def reject_duplicates(self, warehouse: Warehouse, replaced: Sequence[date]) -> None:
        """Keep one row of each value of the source's ``unique`` column: the earliest, in whichever file.

        Args:
            warehouse: whose rows of other days were there before, and stay.
            replaced: days whose rows in the warehouse do not count, because they are being replaced.
        """
        if not self._source.unique:
            return
        if self._source.unique_within == "table":
            self._reject_those_elsewhere(warehouse, replaced)
        self._reject_repeated()

    def accepted(self) -> Iterator[pa.RecordBatch]:
        """The rows to load, ordered by day."""
        names = _SQL.listed(self._source.schema.names)
        return self._stream(f"SELECT {names} FROM staged", self._source.schema)

    def rejected(self) -> Iterator[pa.RecordBatch]:
        """The rows for ``raw.quarantine``, in the order of their files and rows."""
        names = ", ".join(QUARANTINE.names)
        return self._stream(f"SELECT {names} FROM rejected ORDER BY day, file, row_number", QUARANTINE)

    def rejections(self) -> dict[date, dict[str, int]]:
        """For each day, how many rows broke which rule."""
        counts = "SELECT day, kind, count(*) FROM rejected GROUP BY day, kind ORDER BY day, kind"
        found: dict[date, dict[str, int]] = {}
        for day, kind, count in self._connection.execute(counts).fetchall():
            found.setdefault(day, {})[kind] = count
        return found

    def _reject_those_elsewhere(self, warehouse: Warehouse, replaced: Sequence[date]) -> None:
        sql, name = warehouse.dialect, str(self._source.unique)
        days, unique, day = {"days": list(replaced)}, sql.quoted(name), sql.quoted("day")
        kept = f"NOT {sql.is_in(day, 'days', pa.date32())}"
        others = f"FROM {sql.quoted(self._source.relation)} WHERE {kept}"
        if not warehouse.scalar(f"SELECT 1 {others} LIMIT 1", days):
            return
        wanted = sql.is_in(unique, "ids", pa.string())
        seek = f"SELECT {unique} AS id, MIN({day}) AS day {others} AND {wanted} GROUP BY {unique}"
        with self._connection.sql(f"SELECT DISTINCT {_SQL.quoted(name)} FROM staged").to_arrow_reader(
            IDS_AT_ONCE
        ) as ids:
            found = [warehouse.table(seek, days | {"ids": batch.column(0).to_pylist()}) for batch in ids]
        for table in found:
            self._insert("elsewhere", table)
        self._move_to_rejected(
            f"""SELECT staged.*,
                format('{DUPLICATE} of {name} {{}} of {{}}', elsewhere.id, elsewhere.day) AS reason
            FROM staged JOIN elsewhere ON staged.{_SQL.quoted(name)} = elsewhere.id"""
        )

    def _reject_repeated(self) -> None:
        name, day_of = str(self._source.unique), self._source.day_of
        unique = _SQL.quoted(name)
        key = unique if self._source.unique_within == "table" else f"{unique}, day"
        order = _SQL.listed(
            ["day", *([day_of] if day_of else []), *self._source.columns, "file", "row_number"]
        )
        self._move_to_rejected(
            f"""SELECT * EXCLUDE (place, kept_file, kept_row),
                format('{DUPLICATE} of {name} {{}}: {{}} {{}}', {unique}, kept_file, kept_row) AS reason
            FROM (
                SELECT *, row_number() OVER same AS place,
                    first_value(file) OVER same AS kept_file, first_value(row_number) OVER same AS kept_row
                FROM staged
                WHERE {unique} IN (SELECT {unique} FROM staged GROUP BY {key} HAVING count(*) > 1)
                WINDOW same AS (PARTITION BY {key} ORDER BY {order})
            )
            WHERE place > 1"""
        )

    def _move_to_rejected(self, query: str) -> None:
        """Move staged rows, selected with the ``reason``, to the rejected ones."""
        record = ", ".join(f"'{name}': {_SQL.quoted(name)}" for name in self._source.columns)
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE moved AS {query}")
        self._connection.execute(
            f"""INSERT INTO rejected
            SELECT $source, day, file, row_number, reason, CAST(to_json({{{record}}}) AS VARCHAR),
                '{DUPLICATE} {self._source.unique}'
            FROM moved""",
            {"source": self._source.name},
        )
        self._connection.execute(
            """DELETE FROM staged USING moved
            WHERE staged.file = moved.file AND staged.row_number = moved.row_number"""
        )

    def _create(self, name: str, schema: pa.Schema) -> None:
        self._connection.register("declared", schema.empty_table())
        self._connection.execute(f"CREATE TABLE {name} AS FROM declared")
        self._connection.unregister("declared")

    def _insert(self, name: str, rows: pa.Table) -> None:
        if rows.num_rows:
            self._connection.register("incoming", rows)
            self._connection.execute(f"INSERT INTO {name} FROM incoming")
            self._connection.unregister("incoming")

    def _stream(self, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._connection.sql(query).to_arrow_reader(BATCH_ROWS) as reader:
            for batch in reader:
                yield batch.cast(schema)
