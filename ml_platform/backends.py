"""The backends of a project: which class serves which port, chosen by the settings.

This file is the only place where a laptop and production differ. Services, notebooks and the command line use
:func:`backends_for`; Dagster's resources wrap the same.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from ml_platform.errors import ConfigurationError
from ml_platform.settings import Settings

if TYPE_CHECKING:  # each backend is imported when it is opened
    from ml_platform.compute.base import Compute
    from ml_platform.events.base import EventLog, Publisher
    from ml_platform.events.local import LocalEventLog
    from ml_platform.features.online.base import OnlineStore
    from ml_platform.ingestion.landing import LandingFolder
    from ml_platform.models.training.tracking import Tracking
    from ml_platform.monitoring.alerts.base import Alerts
    from ml_platform.storage.base import ObjectStore
    from ml_platform.warehouse.base import Warehouse

__all__ = ["PORTS", "Backends", "backends_for", "open_port"]

T = TypeVar("T")


def _warehouse(settings: Settings) -> AbstractContextManager["Warehouse"]:
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

    return nullcontext(
        DuckDBWarehouse(
            settings.warehouse_path,
            lock_timeout_seconds=settings.lock_timeout_seconds,
            memory_limit=settings.warehouse_memory,
            scratch=settings.scratch_path / "warehouse",
        )
    )


def _objects(settings: Settings) -> AbstractContextManager["ObjectStore"]:
    from ml_platform.storage.folder import FolderStore

    return nullcontext(FolderStore(settings.object_store_path))


def _registry(settings: Settings) -> AbstractContextManager["ObjectStore"]:
    from ml_platform.storage.folder import FolderStore

    return nullcontext(FolderStore(settings.registry_path))


def _tracking(settings: Settings) -> AbstractContextManager["Tracking"]:
    from ml_platform.models.training.tracking import Tracking

    return nullcontext(Tracking(settings.mlflow_uri, settings.mlflow_artifacts))


def _events(settings: Settings) -> AbstractContextManager["LocalEventLog"]:
    from ml_platform.events.local import LocalEventLog

    return nullcontext(
        LocalEventLog(settings.events_path, lock_timeout_seconds=settings.lock_timeout_seconds)
    )


def _online_store(settings: Settings) -> AbstractContextManager["OnlineStore"]:
    if settings.online_store == "cassandra":
        from ml_platform.features.online.cassandra.store import CassandraOnlineStore

        return closing(CassandraOnlineStore(settings.cassandra))
    from ml_platform.features.online.sqlite.store import SQLiteOnlineStore

    return closing(
        SQLiteOnlineStore(settings.online_path, lock_timeout_seconds=settings.lock_timeout_seconds)
    )


def _alerts(settings: Settings) -> AbstractContextManager["Alerts"]:
    from ml_platform.monitoring.alerts.log import LogAlerts

    return nullcontext(LogAlerts(settings.alerts_path))


def _landing(settings: Settings) -> AbstractContextManager["LandingFolder"]:
    from ml_platform.ingestion.landing import LandingFolder

    return nullcontext(LandingFolder(settings.landing_path, settings.digests_path))


def _compute(settings: Settings) -> AbstractContextManager["Compute"]:
    """Jobs of the project in the current folder."""
    if settings.compute == "subprocess":
        from ml_platform.compute.subprocess import SubprocessCompute

        environment = {"ML_PLATFORM_HOME": str(settings.root)}
        return nullcontext(SubprocessCompute(Path.cwd(), settings.jobs_path, environment))
    from ml_platform.compute.in_process import InProcessCompute
    from ml_platform.compute.training import train_here

    return nullcontext(InProcessCompute(partial(train_here, settings=settings), settings.jobs_path))


PORTS: Mapping[str, Callable[[Settings], AbstractContextManager[Any]]] = MappingProxyType(
    {
        "warehouse": _warehouse,
        "objects": _objects,
        "registry": _registry,
        "tracking": _tracking,
        "events": _events,
        "publisher": _events,  # the local log can be published to and read back
        "online_store": _online_store,
        "compute": _compute,
        "alerts": _alerts,
        "landing": _landing,
        "scratch": lambda settings: nullcontext(settings.scratch_path),
    }
)
"""Port to what opens its backend; leaving the context closes it. A new port is a line here and a property below."""


def open_port(name: str, settings: Settings) -> AbstractContextManager[Any]:
    """Open one port by its name.

    Raises:
        ConfigurationError: there is no such port.
    """
    if name not in PORTS:
        raise ConfigurationError(f"there is no port {name!r}; there are: {', '.join(PORTS)}")
    return PORTS[name](settings)


@dataclass(frozen=True)
class Backends:
    """Every port of a project, opened when it is first asked for; see :func:`backends_for`."""

    settings: Settings
    _stack: ExitStack = field(default_factory=ExitStack, repr=False, compare=False)
    _opened: dict[Callable[..., Any], Any] = field(default_factory=dict, repr=False, compare=False)
    _closed: threading.Event = field(default_factory=threading.Event, repr=False, compare=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False, compare=False)

    @property
    def warehouse(self) -> "Warehouse":
        """The warehouse in which tables live and joins run."""
        return self._open(_warehouse)

    @property
    def objects(self) -> "ObjectStore":
        """The store in which snapshots are kept."""
        return self._open(_objects)

    @property
    def registry(self) -> "ObjectStore":
        """The store in which releases are kept, and the pointers to those that serve."""
        return self._open(_registry)

    @property
    def tracking(self) -> "Tracking":
        """Runs and candidates."""
        return self._open(_tracking)

    @property
    def events(self) -> "EventLog":
        """The log of what was published, to be read back."""
        return self._open(_events)

    @property
    def publisher(self) -> "Publisher":
        """The bus that events are published on."""
        return self._open(_events)

    @property
    def online_store(self) -> "OnlineStore":
        """One row an entity, for services."""
        return self._open(_online_store)

    @property
    def compute(self) -> "Compute":
        """The compute on which models are trained."""
        return self._open(_compute)

    @property
    def alerts(self) -> "Alerts":
        """The channel that alerts are sent to."""
        return self._open(_alerts)

    @property
    def landing(self) -> "LandingFolder":
        """The folder that raw files are dropped into."""
        return self._open(_landing)

    @property
    def scratch(self) -> Path:
        """Folder for files that only live while something is made."""
        return self.settings.scratch_path

    def close(self) -> None:
        """Close what was opened, the last first; nothing can be opened afterwards."""
        with self._lock:
            self._closed.set()
            self._stack.close()

    def _open(self, opener: Callable[[Settings], AbstractContextManager[T]]) -> T:
        with self._lock:
            if self._closed.is_set():
                raise ConfigurationError(
                    "the backends are closed and cannot be used any more; use them within backends_for"
                )
            if opener not in self._opened:
                self._opened[opener] = self._stack.enter_context(opener(self.settings))
            backend: T = self._opened[opener]
            return backend


@contextmanager
def backends_for(settings: Settings) -> Iterator[Backends]:
    """Give the backends of these settings; those that were used are closed at the end, also after an error.

    >>> with backends_for(Settings()) as backends:  # doctest: +SKIP
    ...     backends.warehouse.scalar("SELECT count(*) FROM raw.parcels")
    """
    backends = Backends(settings)
    try:
        yield backends
    finally:
        backends.close()
