"""One point-in-time join by Feast, run by Feast's own interpreter: ``feast_point_in_time.py FOLDER file|duckdb``.

The folder has ``labels.parquet`` and ``rows.parquet``. Prints a line of JSON: seconds (of the retrieval alone), how
many rows came out, and how many have a value.
"""

import json
import logging
import sys
import time
import warnings
from datetime import timedelta
from pathlib import Path

import pandas as pd


def main(folder: Path, offline_store: str) -> None:
    """Join, and print what came of it."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    features = [f"f{i}" for i in range(20)]
    config = RepoConfig(
        project="benchmark",
        provider="local",
        registry=str(folder / f"registry_{offline_store}.db"),
        offline_store={"type": offline_store},
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    source = FileSource(path=str(folder / "rows.parquet"), timestamp_field="event_timestamp")
    entity = Entity(name="entity", join_keys=["entity_id"], value_type=ValueType.STRING)
    view = FeatureView(
        name="view",
        entities=[entity],
        ttl=timedelta(days=30),
        schema=[Field(name=name, dtype=Float64) for name in features],
        source=source,
    )
    store.apply([entity, view])
    labels = pd.read_parquet(folder / "labels.parquet")[["id", "entity_id", "event_timestamp"]]
    started = time.perf_counter()
    joined = store.get_historical_features(labels, [f"view:{name}" for name in features]).to_arrow()
    seconds = time.perf_counter() - started
    found = joined.num_rows - joined.column("f0").null_count
    print(json.dumps({"seconds": seconds, "rows": joined.num_rows, "found": found}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main(Path(sys.argv[1]), sys.argv[2])
