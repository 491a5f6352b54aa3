"""The point-in-time join of 100,000 labels and 1,000,000 rows of 20 features, beside a bare DuckDB ASOF JOIN and Feast.

The bare join is the floor: it has no time to live, and takes any of tied rows. Feast is measured when ``FEAST_PYTHON``
names an interpreter that has it (``benchmarks/peers.sh`` makes one); it reads the same data from Parquet files, and so
does our join beside it. Rounds alternate. Labels are lost when fewer rows come out than went in.
"""

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.contestants import Contestant, Rounds, feast_python, report
from benchmarks.peers.measuring import FEATURES
from ml_platform.features.point_in_time.join import PointInTimeRequest, join_sql
from ml_platform.use_case import FeatureView, ViewFeatures
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

__all__ = ["main"]

LABELS, ROWS, ENTITIES = 100_000, 1_000_000, 20_000
VIEW = FeatureView(
    name="view",
    relation="bench.rows",
    entity=("entity_id",),
    features=FEATURES,
    available_at="event_timestamp",
    ttl=timedelta(days=30),
)
MOMENT = "TIMESTAMPTZ '2024-01-01 00:00+00' + to_seconds(hash({0}) % 7776000)"
ROUNDS, FEAST_ROUNDS = 7, 3


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


def join(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, float]:
    """Seconds to make a table of a query, its rows, and how many have a value."""
    started = time.perf_counter()
    connection.execute(f"CREATE OR REPLACE TABLE bench.joined AS {query}")
    taken = time.perf_counter() - started
    row = connection.execute(f"SELECT count(*), count(view__{FEATURES[0]}) FROM bench.joined").fetchone()
    assert row
    return {"seconds": taken, "rows": row[0], "found": row[1]}


def compare(rounds: Rounds, peers: Mapping[str, str], told: str = "") -> None:
    """Report ours beside its peers (their names, as told), and the labels that each lost."""
    what = f"Point-in-time join, {LABELS:,} x {ROWS:,}{told}"
    ours, lost = rounds.median("ours", "seconds"), {}
    for who, name in peers.items():
        peer = f"{name}: {rounds.median(who, 'seconds'):.2f} s"
        if who == "bare":
            ratio = rounds.ratio(("ours", "seconds"), (who, "seconds"))
            report(what, f"{ours:.2f} s", peer, ratio, most=1.2)
        else:
            report(what, f"{ours:.2f} s", peer, rounds.ratio((who, "seconds"), ("ours", "seconds")))
        lost[name] = LABELS - rounds.median(who, "rows")
    missing = LABELS - rounds.median("ours", "rows")
    others = ", ".join(f"{name}: {count:,.0f}" for name, count in lost.items())
    report(f"Point-in-time join{told}, labels lost", f"{missing:,.0f}", others, missing, most=0)


def main() -> None:
    """Measure and print."""
    request = PointInTimeRequest(
        events="bench.labels",
        occurred_at="event_timestamp",
        views=(ViewFeatures(view=VIEW, features=FEATURES),),
    )
    ours = join_sql(request, DuckDBDialect())
    columns = ", ".join(f"v.{name} AS view__{name}" for name in FEATURES)
    bare = (
        f"SELECT l.*, {columns} FROM bench.labels AS l ASOF LEFT JOIN bench.rows AS v"
        " ON l.entity_id = v.entity_id AND l.event_timestamp >= v.event_timestamp"
    )
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as connection, ExitStack() as stack:
        folder = Path(name)
        fill(connection)
        asked = [{"bare": join(connection, bare), "ours": join(connection, ours)} for _ in range(ROUNDS + 1)]
        compare(Rounds(asked[1:]), {"bare": "bare ASOF"})
        if (interpreter := feast_python()) is None:
            return
        for table in ("labels", "rows"):
            connection.execute(f"COPY bench.{table} TO '{folder / table}.parquet'")
            connection.execute(f"DROP TABLE bench.{table}")
            connection.execute(f"CREATE VIEW bench.{table} AS FROM '{folder / table}.parquet'")
        feast = {
            store: stack.enter_context(
                Contestant("feast_point_in_time", folder, store, interpreter=interpreter)
            )
            for store in ("file", DuckDBDialect())
        }
        asked = [
            {"ours": join(connection, ours), **{store: one.ask("join") for store, one in feast.items()}}
            for _ in range(FEAST_ROUNDS)
        ]
        compare(Rounds(asked), {store: f"Feast {store}" for store in feast}, " of Parquet")


if __name__ == "__main__":
    main()
