"""docs/a_use_case.md, followed literally: a new use case in a copy of the project, from files to the online store."""

import csv
import math
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from support.project import ROOT, Project

from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.models.releases.registry import Registry
from ml_platform.storage.folder import FolderStore

PAGE = ROOT / "docs" / "a_use_case.md"
COPIED = (
    "assets",
    "dbt_project",
    "resources",
    "sensors",
    "definitions.py",
    "pyproject.toml",
    "workspace.yaml",
)
START = datetime(2024, 3, 4, tzinfo=UTC)
HOURS, METERS = 24 * 10, 12


def blocks() -> dict[str, str]:
    """The files of the page: path to text."""
    found = re.findall(
        r"```\w+\n(?:--|#) ((?:assets|dbt_project)/\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL
    )
    return dict(found)


def commands() -> list[list[str]]:
    """The commands of the page's last section, without the program's name."""
    section = PAGE.read_text().rpartition("\n## ")[2]
    return [line.split()[1:] for line in section.splitlines() if line.startswith("    ml-platform ")]


def used(meter: int, hour: int, noise: random.Random) -> float:
    """kWh of an hour: a peak in the evening, a low at night, and meters of different size."""
    of_day = hour % 24
    shape = 0.4 + 1.6 * math.exp(-((of_day - 19) ** 2) / 8) + 0.7 * math.exp(-((of_day - 8) ** 2) / 4)
    return (0.5 + meter / METERS) * shape * noise.uniform(0.85, 1.15)


def land(landing: Path, hours: range) -> None:
    """A file for each hour, in the folder that docs/landing.md gives it."""
    for hour in hours:
        noise = random.Random(hour)
        start = START + timedelta(hours=hour)
        folder = landing / "readings" / f"{start:%Y-%m-%dT%H}"
        folder.mkdir(parents=True)
        with (folder / "network.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["reading_id", "read_at", "meter_id", "kwh"])
            at = (start + timedelta(minutes=59)).isoformat()
            for meter in range(METERS):
                rows.writerow([f"m{meter}-{hour}", at, f"m{meter}", round(used(meter, hour, noise), 4)])


@dataclass(frozen=True)
class Copy(Project):
    """A copy of the project in another folder; the library is that of this checkout."""

    root: Path = ROOT

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "PYTHONPATH": str(ROOT)}

    def run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "ml_platform.cli", *arguments],
            check=False,
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )


@pytest.fixture(scope="module")
def followed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Copy, Mapping[str, subprocess.CompletedProcess[str]]]:
    """The project, after its reader did what the page says, and what each command said."""
    root = tmp_path_factory.mktemp("walk") / "project"
    root.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "target", "logs")
            )
        else:
            shutil.copy(ROOT / name, root / name)
    for path, text in blocks().items():
        assert not (root / path).exists(), f"the page replaces {path}, a file of the project"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    project = Copy(root.parent / "home", root=root)
    land(project.home / "landing", range(HOURS))
    return project, {" ".join(command): project.run(command) for command in commands()}


def test_each_command_of_the_page_succeeds(followed):
    _, said = followed
    assert next(iter(said)) == "run --use-case power_demand"
    for command, done in said.items():
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"


def test_hours_that_the_model_did_not_learn_from_are_predicted_by_its_release(followed):
    project, _ = followed
    releases = Registry(FolderStore(project.home / "registry")).list("power_demand", "model")
    assert len(releases) == 1
    with duckdb.connect(project.home / "warehouse.duckdb", read_only=True) as warehouse:
        rows, hours, low, release = warehouse.sql(
            "SELECT count(*), count(DISTINCT hour), min(value), any_value(release) FROM predictions.power_demand"
        ).fetchall()[0]
    # From the start of the test window on: two days, and the one whose labels are not all known.
    assert (rows, hours, release) == (72 * METERS, 72, releases[0].version)
    assert low > 0


def test_each_meter_is_online_with_its_newest_prediction(followed):
    project, said = followed
    store = SQLiteOnlineStore(project.home / "online.db")
    serving = store.record("meter_expected").serving
    assert serving is not None
    assert len(list(store.scan(serving))) == METERS
    assert "expected_kwh" in said["features get meter_expected m1"].stdout


def test_an_hour_later_the_whole_project_runs_and_scores_that_hour(followed):
    project, _ = followed
    land(project.home / "landing", range(HOURS, HOURS + 1))
    done = project.run(["run"])
    assert done.returncode == 0, done.stdout + done.stderr
    with duckdb.connect(project.home / "warehouse.duckdb", read_only=True) as warehouse:
        found = warehouse.sql("SELECT count(*) FROM predictions.power_demand").fetchall()
    assert found == [(73 * METERS,)]
    assert "up to date" in project.run(["run"]).stdout
