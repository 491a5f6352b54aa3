"""Feast's point-in-time joins, by its own interpreter: ``-m benchmarks.peers.feast_point_in_time FOLDER file|duckdb``.

The folder has ``labels.parquet`` and ``rows.parquet``. Seconds are of ``get_historical_features(…).to_arrow()`` alone.
"""

import logging
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

from benchmarks.peers.measuring import FEATURES, peak_mb, serve


def made(folder: Path, offline_store: str) -> FeatureStore:
    """A store with the view of the rows."""
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(folder / f"registry_{offline_store}.db"),
        offline_store={"type": offline_store},
        online_store={"type": "sqlite", "path": str(folder / f"online_{offline_store}.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    view = FeatureView(
        name="view",
        entities=[entity := Entity(name="entity", join_keys=["entity_id"], value_type=ValueType.STRING)],
        ttl=timedelta(days=30),
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=FileSource(path=str(folder / "rows.parquet"), timestamp_field="event_timestamp"),
    )
    store.apply([entity, view])
    return store


def main(folder: Path, offline_store: str) -> None:
    """Join as often as asked."""
    store = made(folder, offline_store)
    labels = pd.read_parquet(folder / "labels.parquet")[["id", "entity_id", "event_timestamp"]]

    def join() -> dict[str, float]:
        started = time.perf_counter()
        joined = store.get_historical_features(labels, [f"view:{name}" for name in FEATURES]).to_arrow()
        taken = time.perf_counter() - started
        found = joined.num_rows - joined.column("f0").null_count
        return {"seconds": taken, "rows": joined.num_rows, "found": found, "peak_mb": peak_mb()}

    serve({"join": join})


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main(Path(sys.argv[1]), sys.argv[2])
