"""Runs the project's command line in a home of its own, and describes what is there afterwards."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.cadence import Cadence
from ml_platform.project import load_use_cases

if TYPE_CHECKING:
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

ROOT = Path(__file__).parents[2]
SMALL_BANK = (
    "--days",
    "98",
    "--end",
    "2021-03-28",
    "--customers",
    "2000",
    "--terminals",
    "1500",
    "--seed",
    "7",
)
"""Days and messages enough for every use case to release a model: of fewer, a gate refuses one."""
ONE = ("--use-case", "card_fraud")
"""One use case, for tests of what does not depend on how many there are."""


@dataclass(frozen=True)
class Project:
    """The project of this checkout, with its state under ``home``; the landing folder may be shared."""

    home: Path
    landing: Path | None = None
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def environment(self) -> dict[str, str]:
        own = {"ML_PLATFORM_HOME": str(self.home), "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
        if self.landing is not None:
            own["ML_PLATFORM_LANDING"] = str(self.landing)
        return {**os.environ, **own, **dict(self.settings)}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-W", "ignore", "-m", "ml_platform.cli", *arguments]

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments),
            check=False,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=1200,
        )
        if check:
            assert done.returncode == 0, (
                f"{arguments} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done


def state_of(home: Path) -> dict[str, Any]:
    """All that an update leaves behind and that does not depend on when or how often it was tried."""
    from ml_platform.events.local import LocalEventLog
    from ml_platform.models.releases.registry import Registry
    from ml_platform.storage.folder import FolderStore
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

    registry = Registry(FolderStore(home / "registry"))
    log = LocalEventLog(home / "events.db")
    objects = FolderStore(home / "objects")
    releases, changes = {}, {}
    for use_case in load_use_cases(ROOT):
        for model in use_case.models:
            path = use_case.name, model.name
            releases["/".join(path)] = [release.version for release in registry.list(*path)]
            changes["/".join(path)] = [(e.sequence, e.action, e.version) for e in registry.history(*path)]
    return {
        "tables": partition_versions(DuckDBWarehouse(home / "warehouse.duckdb")),
        "snapshots": sorted(o.key for o in objects.list("datasets/") if o.key.endswith("manifest.json")),
        "releases": releases,
        "changes": changes,
        "events": {
            topic: sorted(r.event.id for r in log.read(topic, 0, 10_000_000)) for topic in log.topics()
        },
        "online": online_rows(home / "online.db"),
    }


def partition_versions(warehouse: "DuckDBWarehouse") -> dict[str, dict[str, tuple[str, int]]]:
    """Content version and rows of every partition of every table."""
    tables = warehouse.table(
        "SELECT table_schema || '.' || table_name AS name FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE' AND table_schema IN ('raw', 'features', 'predictions')"
        " AND table_name <> 'quarantine' ORDER BY 1"
    )
    found = {}
    for name in tables.column("name").to_pylist():
        (column,) = {cadence.column for cadence in Cadence} & warehouse.columns(name).keys()
        values = warehouse.table(f"SELECT DISTINCT {column} AS value FROM {name}").column("value").to_pylist()
        versions = warehouse.partition_versions(name, column, sorted(values)) if values else {}
        found[name] = {str(value): version for value, version in versions.items()}
    return found


def online_rows(path: Path) -> dict[str, list[str]]:
    """Every row of every served table of the SQLite online store."""
    from ml_platform.features.online.sqlite.store import SQLiteOnlineStore

    store = SQLiteOnlineStore(path)
    rows = {}
    for use_case in load_use_cases(ROOT):
        for view in use_case.feature_views:
            serving = store.record(view.name).serving
            rows[view.name] = sorted(map(str, store.scan(serving))) if serving else []
    return rows


__all__ = ["ONE", "ROOT", "SMALL_BANK", "Project", "online_rows", "state_of"]
