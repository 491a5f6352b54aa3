"""One simulated bank and one finished update of it, shared by the tests that need a whole graph."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.project import SMALL_BANK, Project


@dataclass(frozen=True)
class Finished:
    """A project that was brought up to date without a disturbance, and the landing folder that it read."""

    project: Project
    landing: Path


@pytest.fixture(scope="session", autouse=True)
def clean_session() -> None:
    """Session fixtures are made before the environment of a test is cleaned."""
    for name in list(os.environ):
        if name.startswith(("ML_PLATFORM_", "DAGSTER_", "MLFLOW_", "DBT_")):
            del os.environ[name]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    project = Project(folder / "home", folder / "landing")
    project("simulate", *SMALL_BANK)
    project("run")
    return Finished(project, folder / "landing")
