"""The time as of which labels are known."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from ml_platform.cadence import Cadence, PartitionValue
from ml_platform.datasets.labels_as_of import labels_as_of
from ml_platform.ingestion.source import RawColumn, RawSource
from ml_platform.warehouse.duckdb import DuckDBWarehouse


def source(name: str, cadence: Cadence = Cadence.DAILY) -> RawSource:
    columns = {"id": RawColumn(kind="identifier"), "reported_at": RawColumn(kind="timestamp")}
    return RawSource(name=name, cadence=cadence, columns=columns, unique="id")


def load(warehouse: DuckDBWarehouse, of: RawSource, values: list[PartitionValue]) -> None:
    rows = pa.table({of.cadence.column: pa.array(values, of.cadence.arrow_type)})
    warehouse.replace_partitions(of.relation, of.cadence.column, values, rows.to_batches(), rows.schema)


@pytest.fixture
def warehouse(tmp_path) -> DuckDBWarehouse:
    return DuckDBWarehouse(tmp_path / "w.duckdb")


def test_it_is_the_end_of_the_last_partition_with_rows_of_any_source(warehouse: DuckDBWarehouse) -> None:
    daily, hourly, weekly = source("d"), source("h", Cadence.HOURLY), source("w", Cadence.WEEKLY)
    everything = [daily, hourly, weekly]
    assert labels_as_of(everything, warehouse) is None, "nothing landed"
    load(warehouse, daily, [date(2018, 4, 1), date(2018, 3, 30)])
    assert labels_as_of(everything, warehouse) == datetime(2018, 4, 2, tzinfo=UTC)
    load(warehouse, hourly, [datetime(2018, 4, 3, 5, tzinfo=UTC)])
    assert labels_as_of(everything, warehouse) == datetime(2018, 4, 3, 6, tzinfo=UTC)
    load(warehouse, weekly, [date(2018, 5, 28)])
    assert labels_as_of(everything, warehouse) == datetime(2018, 6, 4, tzinfo=UTC)
    assert labels_as_of([daily], warehouse) == datetime(2018, 4, 2, tzinfo=UTC)
