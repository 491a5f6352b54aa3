"""Our sync and reads: ``python -m benchmarks.peers.online_ours FOLDER ENTITIES sqlite|PORT``."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.peers.measuring import FEATURES, peak_mb, read_round, seconds, serve
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.reading import OnlineFeatures
from ml_platform.use_case import FeatureView

FOLDER, ENTITIES, STORE = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
VIEW = FeatureView(name="customers", relation="features.customers", entity=("id",), features=FEATURES)


@cache
def store(name: str) -> OnlineStore:
    """A store of its own for each name."""
    if STORE == "sqlite":
        from ml_platform.features.online.sqlite.store import SQLiteOnlineStore

        return SQLiteOnlineStore(FOLDER / f"{name}.db")
    from ml_platform.features.online.cassandra.settings import CassandraSettings
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    return CassandraOnlineStore(
        CassandraSettings(port=int(STORE), keyspace=name, replication_factor=1, read_timeout_seconds=10)
    )


def written(name: str) -> object:
    """State that changes whenever rows are written: SQLite's files, or the server's count of the table's writes."""
    if STORE == "sqlite":
        files = sorted(FOLDER.glob(f"{name}.db*"))
        return [
            (file.name, file.stat().st_size, file.stat().st_mtime_ns)
            for file in files
            if "lock" not in file.name
        ]
    serving: Any = store(name).record(VIEW.name).serving
    session: Any = store(name).session  # type: ignore[attr-defined]
    counts = session.execute(
        "SELECT count FROM system_views.local_write_latency WHERE keyspace_name = %s AND table_name = %s",
        (name, serving.name),
    )
    return [tuple(row) for row in counts]


def syncs(name: str) -> dict[str, Any]:
    """Seconds of a first sync, of one in which 1 % changed and of one in which nothing did."""
    from ml_platform.features.sync.run import sync_view
    from ml_platform.storage.folder import FolderStore
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

    warehouse, states = DuckDBWarehouse(FOLDER / "warehouse.duckdb"), FolderStore(FOLDER / f"{name}_objects")
    results = []

    def sync() -> None:
        results.append(sync_view(VIEW, warehouse, store(name), states, progress=lambda _: None))

    store(name).record(VIEW.name)  # connected, as the others are
    first, peak = seconds(sync), peak_mb()
    warehouse.execute("UPDATE features.customers SET f3 = f3 + 1 WHERE id LIKE '%77'")
    changed = seconds(sync)
    before = written(name)
    same = seconds(sync)
    shipped = [result.shipped for result in results]
    assert shipped == [ENTITIES, ENTITIES // 100, 0], shipped
    return {
        "seconds": first,
        "peak_mb": peak,
        "changed": changed,
        "same": same,
        "wrote": int(written(name) != before),
    }


def query() -> dict[str, float]:
    """The warehouse's part of a sync alone: its query, streamed."""
    from ml_platform.features.sync.newest import source_of
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

    warehouse = DuckDBWarehouse(FOLDER / "warehouse.duckdb")
    sql, parameters = source_of(VIEW, warehouse).newest(None)
    with warehouse.read(sql, parameters) as reader:
        rows = sum(batch.num_rows for batch in reader)
    assert rows == ENTITIES, rows
    return {"peak_mb": peak_mb()}


def read(name: str, count: int, times: int) -> dict[str, float]:
    """Reads by ``OnlineStore.read``."""
    return read_round(
        lambda keys: store(name).read(VIEW, [(key,) for key in keys]), STORE, ENTITIES, count, times
    )


@cache
def service(name: str) -> OnlineFeatures:
    """The online features that a service keeps."""
    return OnlineFeatures(store(name), [VIEW])


def service_read(name: str, count: int, times: int) -> dict[str, float]:
    """Reads by ``OnlineFeatures.get``, which gives each entity's features by name, as Feast does."""
    return read_round(
        lambda keys: service(name).get([{"id": key} for key in keys]), STORE, ENTITIES, count, times
    )


if __name__ == "__main__":
    serve({"write": syncs, "query": query, "read": read, "service_read": service_read})
