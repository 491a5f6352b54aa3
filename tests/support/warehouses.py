"""The backends of the warehouse, and rows for its contract suite."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb import DuckDBWarehouse

BACKENDS: dict[str, Callable[[Path], Warehouse]] = {
    "duckdb": lambda folder: DuckDBWarehouse(folder / "warehouse.duckdb"),
}
"""Each by a folder of its own; a backend that is added is a line here."""

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("seen", pa.timestamp("us", tz="UTC")),
        ("amount", pa.float64()),
        ("day", pa.date32()),
    ]
)
DAYS = [date(1999, 12, 31), date(2000, 1, 1), date(2000, 1, 2)]
HOURS = [datetime(2000, 1, 1, hour, tzinfo=UTC) for hour in range(3)]


def batch(day: date, *ids: str, amount: float | None = 1.5, schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    at = datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, tzinfo=UTC)
    return pa.RecordBatch.from_pylist(
        [{"id": i, "seen": at, "amount": amount, "day": day} for i in ids], schema
    )


def ids(warehouse: Warehouse) -> dict[date, list[str]]:
    rows = warehouse.table("SELECT id, day FROM raw.things ORDER BY day, id").to_pylist()
    return {
        day: [row["id"] for row in rows if row["day"] == day] for day in sorted({row["day"] for row in rows})
    }


def numbers(warehouse: Warehouse, count: int) -> str:
    """A relation of the numbers from 0."""
    schema = pa.schema([("n", pa.int64()), ("day", pa.date32())])
    rows = pa.table({"n": range(count), "day": [DAYS[0]] * count}, schema=schema)
    warehouse.replace_partitions("raw.numbers", "day", DAYS[:1], rows.to_batches(50_000), schema)
    return "raw.numbers"
