"""The point-in-time join of 100,000 labels and 1,000,000 rows of 20 features, beside a bare DuckDB ASOF JOIN and Feast.

The bare join is the floor: it has no time to live, and takes any of tied rows. Feast is measured when ``FEAST_PYTHON``
names an interpreter that has it (``benchmarks/peers.sh`` makes one); it reads the same data from Parquet files, and so
does our join beside it. Labels are lost when fewer rows come out than went in.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import duckdb

from ml_platform.features.point_in_time.base import PointInTimeRequest
from ml_platform.features.point_in_time.join import join_sql
from ml_platform.use_case import FeatureView, ViewFeatures

__all__ = ["main"]

LABELS, ROWS, ENTITIES = 100_000, 1_000_000, 20_000
FEATURES = tuple(f"f{i}" for i in range(20))
VIEW = FeatureView(
    name="view",
    relation="bench.rows",
    entity=("entity_id",),
    features=FEATURES,
    available_at="event_timestamp",
    ttl=timedelta(days=30),
)
MOMENT = "TIMESTAMPTZ '2024-01-01 00:00+00' + to_seconds(hash({0}) % 7776000)"
TIMES = 5


def fill(connection: duckdb.DuckDBPyConnection) -> None:
    """Labels, some of which come before any row of their entity, and rows, some of which tie."""
    values = ", ".join(f"(hash(i * 31 + {n}) % 1000000) / 7.0 AS {name}" for n, name in enumerate(FEATURES))
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE SCHEMA bench")
    connection.execute(
        f"CREATE TABLE bench.rows AS SELECT 'e' || hash(i) % {ENTITIES} AS entity_id,"
        f" {MOMENT.format('i * 7')} AS event_timestamp, {values} FROM range({ROWS}) AS t(i)"
    )
    connection.execute(
        f"CREATE TABLE bench.labels AS SELECT i AS id, 'e' || hash(i * 3 + 1) % {ENTITIES} AS entity_id,"
        f" {MOMENT.format('i * 13')} AS event_timestamp FROM range({LABELS}) AS t(i)"
    )


def seconds(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    """How long it takes to make a table of a query."""
    started = time.perf_counter()
    connection.execute(f"CREATE OR REPLACE TABLE bench.joined AS {query}")
    return time.perf_counter() - started


def report(name: str, taken: float, floor: float, rows: int, found: int) -> None:
    """Print a line."""
    lost = LABELS - rows
    print(
        f"{name:32} {taken:7.2f} s  {taken / floor:6.2f} x the floor  {lost:,} labels lost, {found:,} with a value",
        flush=True,
    )


def joined(connection: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Rows of the last join, and how many have a value."""
    row = connection.execute(f"SELECT count(*), count(view__{FEATURES[0]}) FROM bench.joined").fetchone()
    assert row
    return row[0], row[1]


def main() -> None:
    """Measure and print."""
    request = PointInTimeRequest(
        events="bench.labels",
        occurred_at="event_timestamp",
        views=(ViewFeatures(view=VIEW, features=FEATURES),),
    )
    ours = join_sql(request, "duckdb")
    columns = ", ".join(f"v.{name} AS view__{name}" for name in FEATURES)
    bare = (
        f"SELECT l.*, {columns} FROM bench.labels AS l ASOF LEFT JOIN bench.rows AS v"
        " ON l.entity_id = v.entity_id AND l.event_timestamp >= v.event_timestamp"
    )
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection:
        folder = Path(name)
        fill(connection)
        times: dict[str, list[float]] = {bare: [], ours: []}
        for _ in range(TIMES):  # in turn, so that both meet the same machine
            for query, found in times.items():
                found.append(seconds(connection, query))
        floor = statistics.median(times[bare])
        seconds(connection, bare)
        report("bare DuckDB ASOF", floor, floor, *joined(connection))
        seconds(connection, ours)
        report("point-in-time join (aim 1.2)", statistics.median(times[ours]), floor, *joined(connection))
        if not (feast := os.environ.get("FEAST_PYTHON")):
            print("Feast is not measured: FEAST_PYTHON is not set (benchmarks/peers.sh makes an interpreter)")
            return
        for table in ("labels", "rows"):
            connection.execute(f"COPY bench.{table} TO '{folder / table}.parquet'")
            connection.execute(f"DROP TABLE bench.{table}")
            connection.execute(f"CREATE VIEW bench.{table} AS FROM '{folder / table}.parquet'")
        from_files = min(seconds(connection, ours) for _ in range(TIMES))
        report("point-in-time join, from Parquet", from_files, floor, *joined(connection))
        script = Path(__file__).parent / "peers" / "feast_point_in_time.py"
        for store in ("file", "duckdb"):
            done = subprocess.run([feast, script, folder, store], capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"Feast ({store}) failed:\n{done.stderr[-2000:]}")
            told = json.loads(done.stdout.splitlines()[-1])
            report(f"Feast, {store} offline store", told["seconds"], floor, told["rows"], told["found"])


if __name__ == "__main__":
    main()
