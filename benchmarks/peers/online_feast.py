"""Feast's online stores, run by its own interpreter: ``-m benchmarks.peers.online_feast FOLDER ENTITIES sqlite|PORT``.

Writing is ``FeatureStore.materialize`` from a Parquet file with Feast's defaults (its ``file`` offline store, all rows
in one batch); ``write_to_online_store`` of a data frame ends in the same ``online_write_batch``, and is as fast.
Reading is ``get_online_features(…).to_dict()``.
"""

import logging
import sys
import warnings
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

from benchmarks.peers.measuring import FEATURES, peak_mb, read_round, seconds, serve

FOLDER, ENTITIES, STORE = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


@cache
def store(name: str) -> FeatureStore:
    """A project of its own for each name, with the view of all rows."""
    online: dict[str, Any] = {"type": "sqlite", "path": str(FOLDER / f"{name}.db")}
    if STORE != "sqlite":
        make_keyspace(name)
        online = {"type": "cassandra", "hosts": ["127.0.0.1"], "port": int(STORE), "keyspace": name}
        online |= {"protocol_version": 5}
        online |= {"load_balancing": {"load_balancing_policy": "TokenAwarePolicy(DCAwareRoundRobinPolicy)"}}
    config = RepoConfig(
        project=name,
        provider="local",
        registry=str(FOLDER / f"{name}_registry.db"),
        offline_store={"type": "file"},
        online_store=online,
        entity_key_serialization_version=3,
    )
    made = FeatureStore(config=config)
    source = FileSource(path=str(FOLDER / "customers.parquet"), timestamp_field="event_timestamp")
    entity = Entity(name="customer", join_keys=["id"], value_type=ValueType.STRING)
    schema = [Field(name=feature, dtype=Float64) for feature in FEATURES]
    made.apply([entity, FeatureView(name="customers", entities=[entity], schema=schema, source=source)])
    return made


def make_keyspace(name: str) -> None:
    """Feast expects its keyspace to be there."""
    from cassandra.cluster import Cluster

    with Cluster(["127.0.0.1"], port=int(STORE), protocol_version=5) as cluster:
        cluster.connect().execute(
            f"CREATE KEYSPACE IF NOT EXISTS {name} WITH replication ="
            " {'class': 'NetworkTopologyStrategy', 'datacenter1': 1}"
        )


def write(name: str) -> dict[str, float]:
    """Seconds of materialising every row to a new table."""
    made = store(name)
    taken = seconds(
        lambda: made.materialize(datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
    )
    assert made.get_online_features(WANTED, [{"id": f"c{ENTITIES - 1:09d}"}]).to_dict()["f0"] != [None]
    return {"seconds": taken, "peak_mb": peak_mb()}


WANTED = [f"customers:{feature}" for feature in FEATURES]


def read(name: str, count: int, times: int) -> dict[str, float]:
    """Reads of all features."""
    made = store(name)

    def get(keys: list[str]) -> object:
        return made.get_online_features(WANTED, [{"id": key} for key in keys]).to_dict()

    return read_round(get, STORE, ENTITIES, count, times)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    serve({"write": write, "read": read})
