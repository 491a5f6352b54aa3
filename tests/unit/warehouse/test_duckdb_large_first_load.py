"""A first load of many rows, lost sight of by DuckDB 2.0.0 if the same transaction makes the table."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from ml_platform.warehouse.duckdb import DuckDBWarehouse

ROWS = 150_000  # more than DuckDB's row group of 122,880


def test_a_first_load_of_more_than_a_row_group_is_found_again(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb", threads=4)
    days = [date(2018, 4, 1) + timedelta(days=n) for n in range(10)]
    rows = pa.table(
        {"n": range(ROWS), "day": pa.array([days[n * 10 // ROWS] for n in range(ROWS)], pa.date32())}
    )
    assert (
        warehouse.replace_partitions(
            "big.first", "day", days, rows.to_batches(max_chunksize=50_000), rows.schema
        )
        == ROWS
    )
    assert warehouse.scalar("SELECT max(n) FROM big.first") == ROWS - 1
    assert [n for _, n in warehouse.partition_versions("big.first", "day", days).values()] == [
        ROWS // 10
    ] * 10
