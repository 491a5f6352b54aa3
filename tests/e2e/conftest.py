"""One simulated bank and one finished update of it, shared by the tests that need a whole graph."""

import os
import shutil
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
def _kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of the finished project, and a copy as it was then: its state holds paths, so it cannot move."""
    place, copy = tmp_path_factory.mktemp("finished"), tmp_path_factory.mktemp("kept") / "finished"
    project = Project(place / "home", place / "landing")
    project("simulate", *SMALL_BANK)
    project("run")
    shutil.copytree(place, copy)
    return place, copy


@pytest.fixture(scope="module")
def finished(_kept: tuple[Path, Path]) -> Finished:
    """The same for each module, whatever others did with it."""
    place, copy = _kept
    shutil.rmtree(place)
    shutil.copytree(copy, place)
    return Finished(Project(place / "home", place / "landing"), place / "landing")
