"""Settings: the one place where the environment is read."""

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ml_platform.features.online.cassandra.settings import CassandraSettings

__all__ = ["Settings"]


class Settings(BaseSettings):
    """Everything that differs between a laptop and production.

    Read from the environment (prefix ``ML_PLATFORM_``) when constructed, never at import. The defaults run everything
    embedded, under one folder, with no account and no server.
    """

    model_config = SettingsConfigDict(
        env_prefix="ML_PLATFORM_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    home: Path = Field(
        default=Path(".ml_platform"),
        description="Folder of all local state (warehouse, registry, MLflow, Dagster). Delete it: all is new.",
    )
    landing: Path | None = Field(
        default=None, description="Landing folder that raw files are dropped into; default: `<home>/landing`."
    )
    lock_timeout_seconds: float = Field(
        default=300.0,
        gt=0,
        description="How long to wait for a lock that another process holds before failing.",
    )
    run_timeout_seconds: float = Field(
        default=3600.0, gt=0, description="How long `ml-platform run` waits for another one that is at work."
    )
    warehouse_memory: str = Field(
        default="4GB",
        pattern=r"^[0-9]+(\.[0-9]+)? ?(MB|MiB|GB|GiB)$",
        description="Most memory that the local warehouse uses, here and in dbt; beyond it, it spills to disk.",
    )
    mlflow_ui_url: str = Field(
        default="http://127.0.0.1:5000", description="Where links to MLflow runs lead."
    )
    dagster_ui_url: str = Field(default="http://127.0.0.1:3000", description="Where links in alerts lead.")
    compute: Literal["in_process", "subprocess"] = Field(
        default="in_process",
        description="Where models are trained: in the process that asks, or in one of their own.",
    )
    online_store: Literal["sqlite", "cassandra"] = Field(
        default="sqlite", description="Which online store feature views are synced to."
    )
    cassandra: CassandraSettings = Field(
        default=CassandraSettings(), description="How to reach Cassandra, when it is the online store."
    )

    @cached_property
    def root(self) -> Path:
        """Absolute path of :attr:`home`."""
        return self.home.expanduser().absolute()

    @property
    def landing_path(self) -> Path:
        """Absolute path of the landing folder."""
        return (self.landing or self.root / "landing").expanduser().absolute()

    @property
    def digests_path(self) -> Path:
        """Digests of landed files, remembered so that they are read once; safe to delete at any time."""
        return self.root / "digests.db"

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file."""
        return self.root / "warehouse.duckdb"

    @property
    def object_store_path(self) -> Path:
        """Folder that stands in for the bucket of snapshots."""
        return self.root / "objects"

    @property
    def registry_path(self) -> Path:
        """Folder that stands in for the bucket of the production registry."""
        return self.root / "registry"

    @property
    def events_path(self) -> Path:
        """The durable local event log."""
        return self.root / "events.db"

    @property
    def online_path(self) -> Path:
        """The SQLite online store."""
        return self.root / "online.db"

    @property
    def online_place(self) -> str:
        """The place where feature views are kept online, as a text: when it changes, they are to be synced there."""
        if self.online_store == "cassandra":
            return f"cassandra {','.join(self.cassandra.contact_points)} {self.cassandra.keyspace}"
        return self.online_store

    @property
    def mlflow_uri(self) -> str:
        """Tracking URI of the local MLflow."""
        return f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of MLflow's artifacts."""
        return self.root / "mlflow" / "artifacts"

    @property
    def scratch_path(self) -> Path:
        """Folder for files that only live while something is made; safe to delete when nothing runs."""
        return self.root / "scratch"

    @property
    def jobs_path(self) -> Path:
        """Folder of the training jobs that are at work on this machine."""
        return self.scratch_path / "jobs"

    @property
    def alerts_path(self) -> Path:
        """JSON lines of the alerts that were raised."""
        return self.root / "alerts.jsonl"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own state, within :attr:`home`."""
        return self.root / "dagster"
