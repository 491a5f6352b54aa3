"""Peak memory of syncs to the embedded store: a first one, and one in which 1 % changed.

Each sync is a process of its own, at a tenth of the entities and at all of them; DuckDB is given 512 MB, and
spills what does not fit. The number of entities can be given as an argument (10 million take some minutes and 10 GB
of disk).
"""

import sys
import tempfile
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.online_data import filled
from benchmarks.peers.measuring import FEATURES, peak_mb
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.sync.run import sync_view
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.duckdb import DuckDBWarehouse

__all__ = ["main"]

ENTITIES = 1_000_000
DUCKDB_MEMORY = "512MB"
VIEW = FeatureView(name="customers", relation="features.customers", entity=("id",), features=FEATURES)


def change(folder: Path) -> None:
    """Change 1 % of the rows, spread over all."""
    DuckDBWarehouse(folder / "warehouse.duckdb").execute(
        f"UPDATE features.customers SET {FEATURES[3]} = -1 WHERE id LIKE '%77'"
    )


def sync(folder: Path) -> tuple[int, float]:
    """Sync; rows shipped, and the peak of this process in MB."""
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb", memory_limit=DUCKDB_MEMORY)
    store = SQLiteOnlineStore(folder / "online.db")
    result = sync_view(VIEW, warehouse, store, FolderStore(folder / "objects"), progress=lambda _: None)
    store.close()
    return result.shipped, peak_mb()


def alone(work: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 (what the work returns)
    """Do the work in a process of its own."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def peaks(entities: int) -> list[float]:
    """Peaks, in MB, of a first sync and of one in which 1 % changed."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = alone(filled, Path(name), entities)
        for before in ((), (change,)):
            for work in before:
                alone(work, folder)
            shipped, peak = alone(sync, folder)
            found.append(peak)
            print(f"{entities:,} entities: {shipped:,} rows shipped, peak {peak:,.0f} MB", flush=True)
    return found


def main() -> None:
    """Print the peaks and their ratios."""
    entities = int(sys.argv[1]) if len(sys.argv) > 1 else ENTITIES
    few, many = peaks(entities // 10), peaks(entities)
    for name, before, after in zip(("first sync", "1 % changed"), few, many, strict=True):
        print(f"{name}: {after / before:.2f} times the memory at 10 times the entities")


if __name__ == "__main__":
    main()
