"""Every test runs in an environment of its own: no setting, home or server of the person who runs it is seen."""

import os
from pathlib import Path

import pytest

from ml_platform.settings import Settings

pytest_plugins = ["support.cassandra_fixtures"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ML_PLATFORM_", "DAGSTER_", "MLFLOW_", "DBT_")):
            monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path / "home"))
    return Settings()
