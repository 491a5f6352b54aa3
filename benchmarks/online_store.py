"""Syncs to and reads from the online stores, beside the bare driver loops that are their floors.

Rows of one text key and 20 floats. Every figure is of one run, in one process, one after another; ratios are to the
floor beside it. Cassandra is measured when Java and Maven are there (a server of its own, from Maven Central). The
number of entities can be given as an argument.
"""

import gc
import resource
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.sqlite import SQLiteOnlineStore
from ml_platform.features.sync import sync_view
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.duckdb import DuckDBWarehouse

__all__ = ["main"]

ENTITIES = 100_000
FEATURES = tuple(f"f{i}" for i in range(20))
VIEW = FeatureView(name="customers", relation="features.customers", entity=("id",), features=FEATURES)


def seconds(work: Callable[[], Any]) -> float:
    """How long the work takes."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def percentiles(work: Callable[[int], Any], times: int) -> tuple[float, float]:
    """Median and 99th percentile of the work's time, in milliseconds."""
    found = sorted(seconds_of_call(work, i) for i in range(times))
    return statistics.median(found) * 1e3, found[int(len(found) * 0.99)] * 1e3


def seconds_of_call(work: Callable[[int], Any], i: int) -> float:
    """How long one call takes."""
    started = time.perf_counter()
    work(i)
    return time.perf_counter() - started


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def filled(folder: Path, entities: int) -> DuckDBWarehouse:
    """A warehouse with the view's relation."""
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb")
    warehouse.execute("CREATE SCHEMA features")
    columns = ", ".join(f"hash(i * 20 + {i}) / 1e9 AS {name}" for i, name in enumerate(FEATURES))
    warehouse.execute(
        "CREATE TABLE features.customers AS SELECT 'c' || lpad(i::VARCHAR, 9, '0') AS id,"
        f" TIMESTAMPTZ '2024-01-01 00:00:00+00' AS event_timestamp, {columns} FROM range({entities}) t(i)"
    )
    return warehouse


def key(i: int, entities: int) -> str:
    """A key, spread over all."""
    return f"c{i * 7919 % entities:09d}"


def syncs(
    name: str, store: OnlineStore, warehouse: DuckDBWarehouse, states: FolderStore, floor: float, aim: str
) -> None:
    """Measure a first sync, one with 1 % changed and one with nothing changed."""

    def sync() -> object:
        return sync_view(VIEW, warehouse, store, states, progress=lambda _: None)

    first = seconds(sync)
    share = floor / first
    print(
        f"{name}: first sync {first:.2f} s, {share:.2f} of the floor's speed (aim {aim}), peak {peak_mb():,.0f} MB"
    )
    warehouse.execute("UPDATE features.customers SET f3 = -1 WHERE id LIKE '%77'")
    changed = seconds(sync)
    same = seconds(sync)
    print(
        f"{name}: 1 % changed {changed:.2f} s ({first / changed:.1f} times faster, aim 20), nothing {same:.2f} s"
    )


def reads(name: str, store: OnlineStore, entities: int, bare: Callable[[list[str]], Any]) -> None:
    """Measure reads of 1 and 100 keys, beside a bare prepared read."""
    for count, times in ((1, 2000), (100, 300)):
        wanted = [[key(i * count + j, entities) for j in range(count)] for i in range(times)]

        def ours(i: int, wanted: list[list[str]] = wanted) -> object:
            return store.read(VIEW, [(k,) for k in wanted[i]])

        def floor(i: int, wanted: list[list[str]] = wanted) -> object:
            return bare(wanted[i])

        for work in (ours, floor):
            percentiles(work, times // 10)
        (p50, p99), (bare50, bare99) = percentiles(ours, times), percentiles(floor, times)
        print(
            f"{name}: read of {count} keys p50 {p50:.3f} ms, p99 {p99:.3f} ms;"
            f" {p50 / bare50:.2f} and {p99 / bare99:.2f} times the bare read (aim 1.5)"
        )


def rows_of(warehouse: DuckDBWarehouse) -> list[list[Any]]:
    """The relation as lists of Python values, a column each: what a bare loop starts from."""
    table = warehouse.table(
        f"SELECT id, epoch_us(event_timestamp) AS e, {', '.join(FEATURES)} FROM features.customers"
    )
    return [column.to_pylist() for column in table.columns]


def sqlite(folder: Path, warehouse: DuckDBWarehouse, entities: int) -> None:
    """The embedded store beside a bare ``executemany``."""
    columns = rows_of(warehouse)
    bare = sqlite3.connect(folder / "bare.db", isolation_level=None)
    bare.execute("PRAGMA journal_mode = WAL")
    bare.execute("PRAGMA synchronous = NORMAL")
    bare.execute(
        f"CREATE TABLE t (id TEXT PRIMARY KEY, e INTEGER, {', '.join(f'{f} REAL' for f in FEATURES)})"
    )

    def write() -> None:
        bare.execute("BEGIN")
        bare.executemany(f"INSERT INTO t VALUES ({', '.join('?' * 22)})", zip(*columns, strict=True))
        bare.execute("COMMIT")

    floor = seconds(write)
    print(f"sqlite: bare executemany of {entities:,} rows {floor:.2f} s")
    columns.clear()
    store = SQLiteOnlineStore(folder / "online.db")
    syncs("sqlite", store, warehouse, FolderStore(folder / "objects"), floor, "0.5")

    def read(keys: list[str]) -> object:
        marks = ", ".join("?" * len(keys))
        return bare.execute(f"SELECT * FROM t WHERE id IN ({marks})", keys).fetchall()

    reads("sqlite", store, entities, read)
    store.close()
    bare.close()


def cassandra(folder: Path, warehouse: DuckDBWarehouse, entities: int) -> None:
    """Cassandra beside the driver's best bare loop: unlogged batches of 30, 24 in flight, bound row by row."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from cassandra.concurrent import execute_concurrent
    from cassandra.query import BatchStatement, BatchType
    from support.cassandra_fixtures import settings_of
    from support.cassandra_server import CassandraServer

    from ml_platform.features.online.cassandra import CassandraOnlineStore

    server = CassandraServer(folder / "cassandra", heap_mb=1024).start()
    try:
        store = CassandraOnlineStore(settings_of(server))
        space, session = store.settings.keyspace, store.session
        types = ", ".join(f"{f} double" for f in FEATURES)
        session.execute(f"CREATE TABLE {space}.bare (id text PRIMARY KEY, e bigint, {types})")
        insert = session.prepare(
            f"INSERT INTO {space}.bare (id, e, {', '.join(FEATURES)}) VALUES ({', '.join('?' * 22)})"
            " USING TIMESTAMP ? AND TTL ?"
        )
        columns = rows_of(warehouse)

        def batches() -> Iterator[tuple[object, None]]:
            batch, size = BatchStatement(BatchType.UNLOGGED), 0
            for row in zip(*columns, columns[1], strict=True):
                batch.add(insert, (*row, 0))
                size += 1
                if size == 30:
                    yield batch, None
                    batch, size = BatchStatement(BatchType.UNLOGGED), 0
            if size:
                yield batch, None

        def write() -> None:
            execute_concurrent(session, batches(), concurrency=24, results_generator=False)

        write()  # the server compiles its hot paths
        floor = seconds(write)
        print(
            f"cassandra: bare batches of {entities:,} rows {floor:.2f} s, {entities / floor:,.0f} rows a second"
        )
        columns.clear()
        syncs("cassandra", store, warehouse, FolderStore(folder / "objects"), floor, "0.7")
        one = session.prepare(f"SELECT * FROM {space}.bare WHERE id = ?")
        many = session.prepare(f"SELECT * FROM {space}.bare WHERE id IN ?")

        def read(keys: list[str]) -> object:
            found = session.execute(one, (keys[0],)) if len(keys) == 1 else session.execute(many, (keys,))
            return found.all()

        reads("cassandra", store, entities, read)
        store.close()
    finally:
        server.stop()


def main() -> None:
    """Print the figures."""
    entities = int(sys.argv[1]) if len(sys.argv) > 1 else ENTITIES
    with tempfile.TemporaryDirectory() as folder:
        warehouse = filled(Path(folder), entities)
        sqlite(Path(folder), warehouse, entities)
        if shutil.which("java") and shutil.which("mvn"):
            cassandra(Path(folder), warehouse, entities)
        else:
            print("cassandra: not measured, Java 17 and Maven are needed")


if __name__ == "__main__":
    main()
