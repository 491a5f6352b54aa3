"""Data that the online stores are filled with: one text key, one event time and 20 floats a row."""

from pathlib import Path

import duckdb

from benchmarks.peers.measuring import FEATURES

__all__ = ["filled"]


def filled(folder: Path, entities: int) -> Path:
    """A folder of the rows, both as ``features.customers`` in ``warehouse.duckdb`` and as ``customers.parquet``."""
    made = folder / str(entities)
    made.mkdir()
    columns = ", ".join(f"hash(i * 20 + {n}) / 1e9 AS {name}" for n, name in enumerate(FEATURES))
    with duckdb.connect(made / "warehouse.duckdb") as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute("CREATE SCHEMA features")
        connection.execute(
            "CREATE TABLE features.customers AS SELECT 'c' || lpad(i::VARCHAR, 9, '0') AS id,"
            f" TIMESTAMPTZ '2024-01-01 00:00:00+00' AS event_timestamp, {columns} FROM range({entities}) t(i)"
        )
        connection.execute(f"COPY features.customers TO '{made / 'customers.parquet'}'")
    return made
