"""The floors: bare loops of the drivers. ``python -m benchmarks.peers.online_bare FOLDER ENTITIES sqlite|PORT``.

They write rows that are Python values already, each once, and keep no state, record or version. SQLite: one
``executemany``. Cassandra: unlogged batches of 30 rows, 24 in flight.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.measuring import FEATURES, peak_mb, read_round, seconds, serve

if TYPE_CHECKING:
    from cassandra.cluster import PreparedStatement, Session

FOLDER, ENTITIES, STORE = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
NAMES, MARKS = f"id, e, {', '.join(FEATURES)}", ", ".join("?" * (len(FEATURES) + 2))


@cache
def columns() -> list[list[Any]]:
    """The rows, a list a column."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(FOLDER / "customers.parquet", columns=["id", "event_timestamp", *FEATURES])
    events = pc.cast(table["event_timestamp"], "int64").to_pylist()
    return [table["id"].to_pylist(), events, *(table[name].to_pylist() for name in FEATURES)]


@cache
def database(name: str) -> sqlite3.Connection:
    """A file with the table, in the modes that the store uses."""
    connection = sqlite3.connect(FOLDER / f"{name}.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    types = ", ".join(f"{feature} REAL" for feature in FEATURES)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY, e INTEGER, {types}) WITHOUT ROWID"
    )
    return connection


def write_sqlite(name: str) -> Callable[[], None]:
    """One transaction."""
    connection, rows = database(name), columns()

    def write() -> None:
        connection.execute("BEGIN")
        connection.executemany(f"INSERT INTO t VALUES ({MARKS})", zip(*rows, strict=True))
        connection.execute("COMMIT")

    return write


def read_sqlite(name: str, count: int) -> Callable[[list[str]], Any]:
    """One statement."""
    execute = database(name).execute
    sql = f"SELECT * FROM t WHERE id IN ({', '.join('?' * count)})"
    return lambda keys: execute(sql, keys).fetchall()


@cache
def session() -> "Session":
    """Connected, with rows as plain tuples."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
    from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy
    from cassandra.query import tuple_factory

    profile = ExecutionProfile(
        load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy("datacenter1")),
        row_factory=tuple_factory,
        request_timeout=60,
    )
    cluster = Cluster(
        ["127.0.0.1"], port=int(STORE), protocol_version=5, execution_profiles={EXEC_PROFILE_DEFAULT: profile}
    )
    return cluster.connect()


@cache
def prepared(name: str, sql: str) -> "PreparedStatement":
    """A statement on the table of a name."""
    session().execute(
        f"CREATE KEYSPACE IF NOT EXISTS {name} WITH replication ="
        " {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
    )
    types = ", ".join(f"{feature} double" for feature in FEATURES)
    session().execute(f"CREATE TABLE IF NOT EXISTS {name}.t (id text PRIMARY KEY, e bigint, {types})")
    return session().prepare(sql.format(f"{name}.t"))


def write_cassandra(name: str) -> Callable[[], None]:
    """Each row with its timestamp and time to live, like the store's."""
    from cassandra.concurrent import execute_concurrent
    from cassandra.query import BatchStatement, BatchType

    insert = prepared(name, f"INSERT INTO {{}} ({NAMES}) VALUES ({MARKS}) USING TIMESTAMP ? AND TTL ?")
    rows = columns()

    def batches() -> Iterator[tuple[Any, None]]:
        batch, size = BatchStatement(BatchType.UNLOGGED), 0
        for row in zip(*rows, rows[1], strict=True):
            batch.add(insert, (*row, 0))
            size += 1
            if size == 30:
                yield batch, None
                batch, size = BatchStatement(BatchType.UNLOGGED), 0
        if size:
            yield batch, None

    return lambda: execute_concurrent(session(), batches(), concurrency=24, results_generator=False)


def read_cassandra(name: str, count: int) -> Callable[[list[str]], Any]:
    """One statement, ``IN ?`` for several keys."""
    if count == 1:
        one = prepared(name, "SELECT * FROM {} WHERE id = ?")
        return lambda keys: session().execute(one, keys).all()
    many = prepared(name, "SELECT * FROM {} WHERE id IN ?")
    return lambda keys: session().execute(many, (keys,)).all()


def write(name: str) -> dict[str, float]:
    """Seconds of writing every row to a new table."""
    work = write_sqlite(name) if STORE == "sqlite" else write_cassandra(name)
    return {"seconds": seconds(work), "peak_mb": peak_mb()}


def read(name: str, count: int, times: int) -> dict[str, float]:
    """Reads of whole rows, as tuples in no order."""
    work = (read_sqlite if STORE == "sqlite" else read_cassandra)(name, count)
    return read_round(work, STORE, ENTITIES, count, times)


if __name__ == "__main__":
    serve({"write": write, "read": read})
