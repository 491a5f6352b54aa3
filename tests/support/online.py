"""Feature views, warehouses and states for tests of the online store."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_platform.features.online.base import OnlineStore
from ml_platform.features.sync.run import SyncResult, sync_view
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.duckdb import DuckDBWarehouse

DAY = dt.datetime(2019, 3, 1, tzinfo=dt.UTC)
"""When the tests' data are of: nothing may assume that it is near today."""


def day(number: int) -> dt.datetime:
    """Midnight (UTC) of the n-th day of the data."""
    return DAY + dt.timedelta(days=number)


@dataclass
class Bench:
    """A view over a warehouse table, and a store to sync it to."""

    view: FeatureView
    warehouse: DuckDBWarehouse
    store: OnlineStore
    states: FolderStore

    def rows(self, rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None) -> None:
        """Make these the rows of the view's relation."""
        table = pa.Table.from_pylist(list(rows), schema) if schema else _inferred(rows)
        self.warehouse.execute(f"DROP TABLE IF EXISTS {self.view.relation}")
        table = table.append_column("day", pa.array([dt.date(2019, 1, 1)] * len(rows), pa.date32()))
        days = [dt.date(2019, 1, 1)]
        self.warehouse.replace_partitions(self.view.relation, "day", days, table.to_batches(), table.schema)

    def sync(self, **options: Any) -> SyncResult:
        """Sync the view."""
        return sync_view(self.view, self.warehouse, self.store, self.states, **options)

    def online(self, *keys: Any) -> list[tuple[Any, ...] | None]:
        """Values by key; None for entities that are missing. A key of one column is given bare."""
        wanted = [key if isinstance(key, tuple) else (key,) for key in keys]
        rows = self.store.read(self.view, wanted, now=DAY)
        return [row.values if row.status == "found" else None for row in rows]


def _inferred(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of rows whose columns without any value are of floats."""
    table = pa.Table.from_pylist(list(rows))
    empty = {field.name for field in table.schema if pa.types.is_null(field.type)}
    return table.cast(
        pa.schema([(f.name, pa.float64() if f.name in empty else f.type) for f in table.schema])
    )


def bench(folder: Path, store: OnlineStore, **changes: Any) -> Bench:
    """A bench with a view of customers and two features."""
    fields: dict[str, Any] = {
        "name": "customers",
        "relation": "features.customers",
        "entity": ("id",),
        "features": ("n", "mean"),
    }
    store.refresh_seconds = 0.0
    return Bench(
        FeatureView(**(fields | changes)),
        DuckDBWarehouse(folder / "warehouse.duckdb", threads=1),
        store,
        FolderStore(folder / "objects"),
    )


def customer(key: str, at: int, n: int | None = 0, mean: float | None = 0.0) -> dict[str, Any]:
    """A row of the bench's relation: the customer as of a day."""
    return {"id": key, "event_timestamp": day(at), "available_at": day(at), "n": n, "mean": mean}
