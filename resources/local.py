"""The embedded backends as Dagster resources: everything under one folder, no account, no server."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from ml_platform.events.base import EventLog
from ml_platform.events.local import LocalEventLog
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.models.training.tracking import Tracking
from ml_platform.monitoring.alerts.base import Alerts
from ml_platform.monitoring.alerts.log import LogAlerts
from ml_platform.storage.base import ObjectStore
from ml_platform.storage.folder import FolderStore
from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb import DuckDBWarehouse

__all__ = [
    "AddressResource",
    "DuckDBResource",
    "FolderResource",
    "FolderStoreResource",
    "LocalEventLogResource",
    "LogAlertsResource",
    "MLflowResource",
    "SQLiteOnlineStoreResource",
]


class DuckDBResource(dg.ConfigurableResource[Warehouse]):
    """The warehouse as one DuckDB file."""

    path: str = Field(description="The file; made when it is first needed.")
    lock_timeout_seconds: float = Field(description="How long to wait for a process that holds the file.")
    memory: str = Field(description="Most memory that DuckDB uses, e.g. `4GB`; beyond it, it spills to disk.")

    def create_resource(self, context: dg.InitResourceContext) -> Warehouse:  # noqa: ARG002 (Dagster's signature)
        """The warehouse."""
        return DuckDBWarehouse(
            Path(self.path), lock_timeout_seconds=self.lock_timeout_seconds, memory_limit=self.memory
        )


class FolderStoreResource(dg.ConfigurableResource[ObjectStore]):
    """An object store as a folder."""

    path: str = Field(description="The folder; made when it is first needed.")

    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:  # noqa: ARG002 (Dagster's signature)
        """The object store."""
        return FolderStore(Path(self.path))


class MLflowResource(dg.ConfigurableResource[Tracking]):
    """Tracking and model registry by MLflow."""

    uri: str = Field(description="Tracking URI: `sqlite:///…`, or the address of a server.")
    artifacts: str = Field(description="Folder of the artifacts of new experiments.")

    def create_resource(self, context: dg.InitResourceContext) -> Tracking:  # noqa: ARG002 (Dagster's signature)
        """The tracking port."""
        return Tracking(self.uri, Path(self.artifacts))


class LocalEventLogResource(dg.ConfigurableResource[EventLog]):
    """The event bus as a durable local log."""

    path: str = Field(description="The SQLite file that holds all topics.")

    def create_resource(self, context: dg.InitResourceContext) -> EventLog:  # noqa: ARG002 (Dagster's signature)
        """The event log."""
        return LocalEventLog(Path(self.path))


class LogAlertsResource(dg.ConfigurableResource[Alerts]):
    """Alerts as lines of a file."""

    path: str = Field(description="The file of JSON lines.")

    def create_resource(self, context: dg.InitResourceContext) -> Alerts:  # noqa: ARG002 (Dagster's signature)
        """The alert port."""
        return LogAlerts(Path(self.path))


class FolderResource(dg.ConfigurableResource[Path]):
    """A local folder."""

    path: str = Field(description="Absolute path.")

    def create_resource(self, context: dg.InitResourceContext) -> Path:  # noqa: ARG002 (Dagster's signature)
        """The folder."""
        return Path(self.path)


class SQLiteOnlineStoreResource(dg.ConfigurableResource[OnlineStore]):
    """The online store as one SQLite file."""

    path: str = Field(description="The file; made by the first sync.")
    lock_timeout_seconds: float = Field(
        description="How long a writer waits for another process's transaction."
    )

    def create_resource(self, context: dg.InitResourceContext) -> OnlineStore:  # noqa: ARG002 (Dagster's signature)
        """The online store."""
        return SQLiteOnlineStore(Path(self.path), lock_timeout_seconds=self.lock_timeout_seconds)


class AddressResource(dg.ConfigurableResource[str]):
    """Where a person finds a server's pages."""

    url: str = Field(description="Address without a trailing slash.")

    def create_resource(self, context: dg.InitResourceContext) -> str:  # noqa: ARG002 (Dagster's signature)
        """The address."""
        return self.url
