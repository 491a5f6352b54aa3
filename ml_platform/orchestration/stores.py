"""The stores of a project, as they are compared with the records of what was written to them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from ml_platform.backends import open_port
from ml_platform.datasets.snapshot import open_snapshot
from ml_platform.errors import NotFoundError
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.tracking import Tracking, tracked_name
from ml_platform.orchestration.planning.facts import VERSION, Built, Partition
from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.nodes import Node, nodes_of
from ml_platform.orchestration.planning.stores import Recorded, Store, Void, compare, everything
from ml_platform.orchestration.platform import Platform
from ml_platform.predictions.table import RELEASE, STAGE
from ml_platform.settings import Settings
from ml_platform.warehouse.base import Parameters, Warehouse

__all__ = ["compare_stores", "stores_of"]

_PATIENCE_SECONDS = 0.0
"""The wait for whoever is writing to a store; it is compared the next time else."""
_SQLITE = "sqlite:///"


def compare_stores(platform: Platform, instance: dg.DagsterInstance) -> list[str]:
    """Compare every store of a project with the records of what was written to them.

    Returns:
        A line for each store in which something is missing, for a person.
    """
    return compare(instance, stores_of(platform, instance))


def stores_of(platform: Platform, instance: dg.DagsterInstance) -> list[Store]:
    """The stores that can be looked at: files of this machine, and what is cheap to ask."""
    settings, graph = platform.settings, platform.definitions.resolve_asset_graph()
    patient = settings.model_copy(update={"lock_timeout_seconds": _PATIENCE_SECONDS})
    warehouse, ledger = settings.warehouse_path, Ledger.of(instance)
    found = [
        Store(
            "warehouse",
            f"the warehouse {warehouse}",
            _of_kind(graph, "table", "view"),
            lambda recorded: _missing_tables(patient, graph, recorded),
            warehouse,
            lambda: open_port("warehouse", patient),
        ),
        Store(
            "events",
            f"the event log {settings.events_path}",
            _of_kind(graph, "cloudevents"),
            everything,
            settings.events_path,
            lambda: open_port("events", patient),
        ),
        Store(
            "objects",
            "the store of snapshots",
            _of_kind(graph, "parquet"),
            lambda recorded: _missing_snapshots(settings, ledger, recorded),
        ),
        Store(
            "registry",
            "the registry",
            _of_kind(graph, "release"),
            lambda recorded: _missing_releases(settings, recorded),
        ),
    ]
    if settings.online_store == "sqlite":
        found.append(
            Store(
                "online_store",
                f"the online store {settings.online_path}",
                _of_kind(graph, "featureview"),
                everything,
                settings.online_path,
                lambda: open_port("online_store", patient),
            )
        )
    if settings.mlflow_uri.startswith(_SQLITE):
        path = Path(settings.mlflow_uri.removeprefix(_SQLITE))
        found.append(
            Store(
                "tracking",
                f"MLflow's {path}",
                _of_kind(graph, "mlflow"),
                lambda recorded: _missing_runs(settings, path, ledger, recorded),
                path,
            )
        )
    return found


def _of_kind(graph: AssetGraph, *kinds: str) -> frozenset[dg.AssetKey]:
    return frozenset(key for key in graph.get_all_asset_keys() if not graph.get(key).kinds.isdisjoint(kinds))


def _missing_tables(settings: Settings, graph: AssetGraph, recorded: Recorded) -> Void:
    """Find what the warehouse does not hold as recorded: partitions by their content, and whatever has none."""
    if not settings.warehouse_path.exists():
        return everything(recorded)
    nodes = nodes_of(list(graph.assets_defs))
    void: dict[dg.AssetKey, list[Partition]] = {}
    with open_port("warehouse", settings) as warehouse, warehouse.session():
        for key, built in recorded.items():
            relation = str(graph.get(key).metadata.get("dagster/relation_identifier") or ".".join(key.path))
            there = _partitions_there(warehouse, relation, nodes[key], built)
            if lost := [partition for partition in built if partition not in there]:
                void[key] = lost
    return void


def _partitions_there(
    warehouse: Warehouse, relation: str, node: Node, built: Mapping[Partition, Built]
) -> set[Partition]:
    calendar = node.calendar
    if calendar is None or (columns := warehouse.columns(relation)).get(calendar.cadence.column) is None:
        return set()
    cadence, keys = calendar.cadence, [partition for partition in built if partition is not None]
    values, there = [cadence.column_value(key) for key in keys], set[Partition]()
    for where in _parts(warehouse, relation, columns):
        versions = warehouse.partition_versions(relation, cadence.column, values, where=where)
        there |= {
            key
            for key, value in zip(keys, values, strict=True)
            if versions[value][0][: len(built[key].version)] == built[key].version
        }
    return there


def _parts(warehouse: Warehouse, relation: str, columns: Mapping[str, object]) -> Sequence[Parameters | None]:
    """The parts of a table that are versioned by themselves: of predictions, those of each release as champion."""
    if not {RELEASE, STAGE}.issubset(columns):
        return [None]
    sql = warehouse.dialect
    query = f"SELECT DISTINCT {RELEASE} FROM {sql.quoted(relation)} WHERE {STAGE} = {sql.parameter('stage')}"
    releases = warehouse.table(query, {"stage": "champion"})[RELEASE].to_pylist()
    return [{RELEASE: release, STAGE: "champion"} for release in releases]


def _missing_snapshots(settings: Settings, ledger: Ledger, recorded: Recorded) -> Void:
    with open_port("objects", settings) as objects:

        def is_there(name: str, version: str) -> bool:
            try:
                snapshot = open_snapshot(objects, name, version)
            except NotFoundError:
                return False
            return snapshot.is_whole

        versions = {key: str(ledger.metadata(key).get(VERSION, "")) for key in recorded}
        return {key: [None] for key, version in versions.items() if not is_there(key.path[0], version)}


def _missing_releases(settings: Settings, recorded: Recorded) -> Void:
    with open_port("registry", settings) as store:
        registry = Registry(store)
        return {key: [None] for key in recorded if not registry.is_whole(key.path[0], key.path[1])}


def _missing_runs(settings: Settings, path: Path, ledger: Ledger, recorded: Recorded) -> Void:
    if not path.exists():
        return everything(recorded)
    with open_port("tracking", settings) as tracking:
        return {
            key: [None]
            for key in recorded
            if not _has_run(tracking, tracked_name(*key.path), str(ledger.metadata(key).get("run_id", "")))
        }


def _has_run(tracking: Tracking, name: str, run_id: str) -> bool:
    try:
        tracking.open(name, run_id)
    except NotFoundError:
        return False
    return True
