"""The table ``raw.quarantine``: rows of all sources that broke a rule, with the reason."""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from ml_platform.ingestion.source import RawSource
from ml_platform.warehouse.base import Warehouse

__all__ = ["DUPLICATE", "QUARANTINE", "QUARANTINE_TABLE", "prepare_quarantine", "replace_quarantine"]

QUARANTINE_TABLE = "raw.quarantine"

DUPLICATE = "duplicate"
"""Begins the reason of a row that repeats the id of another."""

QUARANTINE = pa.schema(
    [
        ("source", pa.string()),
        ("partition", pa.string()),
        ("starts_at", pa.timestamp("us", tz="UTC")),
        ("file", pa.string()),
        ("row_number", pa.int64()),
        ("reason", pa.string()),
        ("record", pa.string()),
        ("duplicate_id", pa.string()),
        ("kept_in", pa.string()),
    ]
)
"""Columns of the table.

``partition`` is the key in the source's own cadence and ``starts_at`` its start, so that sources of several cadences
can be ordered together; ``file`` is relative to the landing folder, ``record`` the row as JSON. Of a row that repeats
the id of another, ``duplicate_id`` is that id, and ``kept_in`` the partition of the row that was kept.
"""


def prepare_quarantine(warehouse: Warehouse) -> None:
    """Make the table, or bring the one of an earlier version, which knew only days, to the present layout.

    Killed at any point, the next call goes on.
    """
    warehouse.create(QUARANTINE_TABLE, QUARANTINE)
    if "day" in warehouse.columns(QUARANTINE_TABLE):
        # Only DuckDB's homes are so old.
        warehouse.execute(
            f"UPDATE {QUARANTINE_TABLE} SET partition = CAST(day AS VARCHAR), starts_at = CAST(day AS TIMESTAMPTZ) "
            f"WHERE partition IS NULL"
        )
        warehouse.execute(f"ALTER TABLE {QUARANTINE_TABLE} DROP COLUMN day")


def replace_quarantine(
    warehouse: Warehouse, source: RawSource, keys: Sequence[str], rows: Iterable[pa.RecordBatch]
) -> None:
    """Replace what the table has of some partitions of a source by ``rows`` (:data:`QUARANTINE`)."""
    starts = [source.cadence.start(key) for key in keys]
    warehouse.replace_partitions(
        QUARANTINE_TABLE, "starts_at", starts, rows, QUARANTINE, where={"source": source.name}
    )
