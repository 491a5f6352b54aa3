"""The place where rows wait until all of their files have been read: a private DuckDB that spills to disk."""

import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ml_platform.ingestion.quarantine import DUPLICATE, QUARANTINE, QUARANTINE_TABLE
from ml_platform.ingestion.source import RawSource
from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

__all__ = ["REJECTED", "Staging", "open_staging"]

REJECTED = QUARANTINE.append(pa.field("kind", pa.string()))
"""Columns of :data:`~ml_platform.ingestion.quarantine.QUARANTINE`, and the rule that was broken, as counted."""

MEMORY_LIMIT = "1GB"
BATCH_ROWS = 65_536
IDS_AT_ONCE = 100_000

_SQL = DuckDBDialect()
_QUARANTINED = pa.schema([("id", pa.string()), ("partition", pa.string()), ("kept_in", pa.string())])


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
        schema: of the rows to load: the table's columns, then ``partition`` (the key), ``file`` and ``row_number``.
    """

    def __init__(self, connection: Any, source: RawSource) -> None:  # noqa: ANN401
        self._connection = connection
        self._source = source
        place = [QUARANTINE.field(name) for name in ("partition", "file", "row_number")]
        self.schema = pa.schema([*source.schema, *place])
        self._create("staged", self.schema)
        self._create("rejected", REJECTED)
        self._create("elsewhere", pa.schema([("id", pa.string()), ("partition", pa.string())]))
        self._create("quarantined", _QUARANTINED)

    def add(self, rows: pa.Table) -> None:
        """Stage rows to load (:attr:`schema`)."""
        self._insert("staged", rows)

    def reject(self, rows: pa.Table) -> None:
        """Put rows (:data:`REJECTED`) aside."""
        self._insert("rejected", rows)

    def affected(self, warehouse: Warehouse, keys: Sequence[str], replaced: Collection[str]) -> set[str]:
        """Find the partitions, beside those that are being replaced, whose rows are others once these are loaded.

        They hold an id that comes now in an earlier partition, or in quarantine an id that is not kept any more where
        it was. Loading them again too gives the tables that loading everything in order would give.

        Args:
            warehouse: where the rows of other partitions are.
            keys: of the partitions that are staged.
            replaced: keys of all partitions whose rows in the warehouse do not count, because they are being replaced.
        """
        if not self._source.unique or self._source.unique_within != "table":
            return set()
        self._look_elsewhere(warehouse, replaced)
        unique = _SQL.quoted(self._source.unique)
        self._connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE holders AS
            SELECT id, min(partition) AS partition
            FROM (SELECT {unique} AS id, partition FROM staged UNION ALL SELECT id, partition FROM elsewhere)
            GROUP BY id"""
        )
        self._replace("quarantined", self._quarantined(warehouse, keys, replaced))
        found = self._connection.execute(
            """SELECT elsewhere.partition FROM elsewhere JOIN holders USING (id)
            WHERE elsewhere.partition > holders.partition
            UNION
            SELECT quarantined.partition FROM quarantined LEFT JOIN holders USING (id)
            WHERE kept_in IS DISTINCT FROM holders.partition"""
        )
        return {key for (key,) in found.fetchall()}

    def reject_duplicates(self) -> None:
        """Keep one row of each value of the source's ``unique`` column: the earliest, in whichever file."""
        if not self._source.unique:
            return
        if self._source.unique_within == "table":
            self._reject_those_elsewhere()
        self._reject_repeated()

    def accepted(self) -> Iterator[pa.RecordBatch]:
        """The rows to load, ordered by partition as they were staged."""
        names = _SQL.listed(self._source.schema.names)
        return self._stream(f"SELECT {names} FROM staged", self._source.schema)

    def rejected(self) -> Iterator[pa.RecordBatch]:
        """The rows for ``raw.quarantine``, in the order of their files and rows."""
        names = _SQL.listed(QUARANTINE.names)
        return self._stream(f"SELECT {names} FROM rejected ORDER BY partition, file, row_number", QUARANTINE)

    def rejections(self) -> dict[str, dict[str, int]]:
        """For each partition, how many rows broke which rule."""
        counts = "SELECT partition, kind, count(*) FROM rejected GROUP BY ALL ORDER BY ALL"
        found: dict[str, dict[str, int]] = {}
        for key, kind, count in self._connection.execute(counts).fetchall():
            found.setdefault(key, {})[kind] = count
        return found

    def _look_elsewhere(self, warehouse: Warehouse, replaced: Collection[str]) -> None:
        """Note the staged ids that partitions hold which are not replaced."""
        self._connection.execute("TRUNCATE elsewhere")
        sql, cadence, name = warehouse.dialect, self._source.cadence, str(self._source.unique)
        if not warehouse.exists(self._source.relation):
            return
        column, unique = sql.quoted(cadence.column), sql.quoted(name)
        values = {"replaced": [cadence.column_value(key) for key in sorted(replaced)]}
        kept = f"NOT {sql.is_in(column, 'replaced', cadence.arrow_type)}"
        others = f"FROM {sql.quoted(self._source.relation)} WHERE {kept}"
        if not warehouse.scalar(f"SELECT 1 {others} LIMIT 1", values):
            return
        wanted = sql.is_in(unique, "ids", pa.string())
        seek = f"SELECT DISTINCT {unique} AS id, {column} AS value {others} AND {wanted}"
        with self._connection.sql(f"SELECT DISTINCT {_SQL.quoted(name)} FROM staged").to_arrow_reader(
            IDS_AT_ONCE
        ) as ids:
            found = [warehouse.table(seek, values | {"ids": batch.column(0).to_pylist()}) for batch in ids]
        for table in found:
            keys = [cadence.key_of(value) for value in table["value"].to_pylist()]
            self._insert("elsewhere", pa.table({"id": table["id"], "partition": pa.array(keys, pa.string())}))

    def _quarantined(self, warehouse: Warehouse, keys: Sequence[str], replaced: Collection[str]) -> pa.Table:
        """Rows in quarantine because their id is kept in one of some partitions; of older tables, wherever it is."""
        sql = warehouse.dialect
        if "kept_in" not in warehouse.columns(QUARANTINE_TABLE):
            return _QUARANTINED.empty_table()
        wanted = sql.is_in("kept_in", "keys", pa.string())
        others = sql.is_in("partition", "replaced", pa.string())
        query = f"""SELECT DISTINCT duplicate_id AS id, partition, kept_in FROM {sql.quoted(QUARANTINE_TABLE)}
            WHERE source = {sql.parameter("source")} AND NOT {others}
            AND ({wanted} OR (kept_in IS NULL AND reason LIKE {sql.parameter("duplicate")}))"""
        values = {
            "source": self._source.name,
            "replaced": sorted(replaced),
            "keys": list(keys),
            "duplicate": f"{DUPLICATE} of {self._source.unique} %",
        }
        return warehouse.table(query, values).cast(_QUARANTINED)

    def _reject_those_elsewhere(self) -> None:
        name = self._source.unique
        self._move_to_rejected(
            f"""SELECT staged.file, staged.row_number, earlier.id, earlier.kept_in,
                format('{DUPLICATE} of {name} {{}} of {{}}', earlier.id, earlier.kept_in) AS reason
            FROM staged JOIN (SELECT id, min(partition) AS kept_in FROM elsewhere GROUP BY id) AS earlier
            ON staged.{_SQL.quoted(str(name))} = earlier.id"""
        )

    def _reject_repeated(self) -> None:
        unique, time = _SQL.quoted(str(self._source.unique)), self._source.partition_of
        key = unique if self._source.unique_within == "table" else f"{unique}, partition"
        columns = ["partition", *([time] if time else []), *self._source.columns, "file", "row_number"]
        order = _SQL.listed(columns)
        self._move_to_rejected(
            f"""SELECT file, row_number, id, kept_in, format('{DUPLICATE} of {self._source.unique} {{}}', id) ||
                CASE WHEN kept_in = partition THEN format(': {{}} {{}}', kept_file, kept_row)
                ELSE format(' of {{}}', kept_in) END AS reason
            FROM (
                SELECT file, row_number, partition, {unique} AS id, row_number() OVER same AS place,
                    first_value(file) OVER same AS kept_file, first_value(row_number) OVER same AS kept_row,
                    first_value(partition) OVER same AS kept_in
                FROM staged
                WHERE {unique} IN (SELECT {unique} FROM staged GROUP BY {key} HAVING count(*) > 1)
                WINDOW same AS (PARTITION BY {key} ORDER BY {order})
            )
            WHERE place > 1"""
        )

    def _move_to_rejected(self, query: str) -> None:
        """Move staged rows, selected by file and row number with id, ``kept_in`` and reason, to the rejected ones."""
        record = ", ".join(f"'{name}': staged.{_SQL.quoted(name)}" for name in self._source.columns)
        start = f"CAST(staged.{self._source.cadence.column} AS TIMESTAMPTZ)"
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE moved AS {query}")
        self._connection.execute(
            f"""INSERT INTO rejected
            SELECT $source, partition, {start}, file, row_number, moved.reason, CAST(to_json({{{record}}}) AS VARCHAR),
                moved.id, moved.kept_in, '{DUPLICATE} {self._source.unique}'
            FROM moved JOIN staged USING (file, row_number)""",
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

    def _replace(self, name: str, rows: pa.Table) -> None:
        self._connection.execute(f"TRUNCATE {name}")
        self._insert(name, rows)

    def _insert(self, name: str, rows: pa.Table) -> None:
        if rows.num_rows:
            self._connection.register("incoming", rows)
            self._connection.execute(f"INSERT INTO {name} FROM incoming")
            self._connection.unregister("incoming")

    def _stream(self, query: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        with self._connection.sql(query).to_arrow_reader(BATCH_ROWS) as reader:
            for batch in reader:
                yield batch.cast(schema)
