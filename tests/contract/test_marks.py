"""The contract of stores that keep a mark."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml_platform.events.local import LocalEventLog
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.marks import Marked
from ml_platform.warehouse.duckdb import DuckDBWarehouse

Opened = Callable[[Path], Marked]


@pytest.mark.parametrize("opened", [DuckDBWarehouse, SQLiteOnlineStore, LocalEventLog])
def test_a_mark_is_kept_with_the_data(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = opened(path)
    assert isinstance(store, Marked)
    assert store.read_mark() == ""
    assert not path.exists(), "looking makes nothing"
    store.write_mark("one")
    assert opened(path).read_mark() == "one"
    store.write_mark("two")
    assert (store.read_mark(), opened(path).read_mark()) == ("two", "two")


def test_a_warehouse_that_was_never_marked_has_none(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "store")
    warehouse.execute("CREATE TABLE things AS SELECT 1 AS one")
    assert warehouse.read_mark() == ""
