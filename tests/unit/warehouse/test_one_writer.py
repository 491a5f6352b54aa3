"""Work on a DuckDB file takes turns."""

from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb import DuckDBWarehouse


def test_only_the_backend_with_one_writer_has_a_pool() -> None:
    assert Warehouse.pool is None
    assert DuckDBWarehouse.pool == "warehouse"
