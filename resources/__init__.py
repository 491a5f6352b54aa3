"""The only place where a laptop and production differ: each port's backend, chosen by the settings."""

from typing import Any

import dagster as dg

from ml_platform.settings import Settings
from resources.cassandra import CassandraOnlineStoreResource
from resources.local import (
    AddressResource,
    DuckDBResource,
    FolderResource,
    FolderStoreResource,
    LocalEventLogResource,
    LogAlertsResource,
    MLflowResource,
    SQLiteOnlineStoreResource,
)

__all__ = ["resources_for"]


def resources_for(settings: Settings) -> dict[str, dg.ConfigurableResource[Any]]:
    """The backend of every port, by the name that assets ask for."""
    return {
        "warehouse": DuckDBResource(
            path=str(settings.warehouse_path),
            lock_timeout_seconds=settings.lock_timeout_seconds,
            memory=settings.warehouse_memory,
        ),
        "objects": FolderStoreResource(path=str(settings.object_store_path)),
        "registry": FolderStoreResource(path=str(settings.registry_path)),
        "tracking": MLflowResource(uri=settings.mlflow_uri, artifacts=str(settings.mlflow_artifacts)),
        "events": LocalEventLogResource(path=str(settings.events_path)),
        "online_store": _online_store(settings),
        "alerts": LogAlertsResource(path=str(settings.alerts_path)),
        "landing": FolderResource(path=str(settings.landing_path)),
        "scratch": FolderResource(path=str(settings.scratch_path)),
        "mlflow_ui": AddressResource(url=settings.mlflow_ui_url),
    }


def _online_store(settings: Settings) -> dg.ConfigurableResource[Any]:
    if settings.online_store == "cassandra":
        cassandra = settings.cassandra
        return CassandraOnlineStoreResource(
            contact_points=list(cassandra.contact_points), keyspace=cassandra.keyspace
        )
    return SQLiteOnlineStoreResource(
        path=str(settings.online_path), lock_timeout_seconds=settings.lock_timeout_seconds
    )
