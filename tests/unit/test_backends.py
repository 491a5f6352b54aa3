"""Backends of the ports: opened when asked for, closed at the end, without Dagster."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from pathlib import Path

import dagster as dg
import pytest

from ml_platform import backends as module
from ml_platform.backends import PORTS, Backends, backends_for, open_port
from ml_platform.errors import ConfigurationError
from ml_platform.features.online.cassandra.settings import CassandraSettings
from ml_platform.settings import Settings
from resources import resources_for


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ports that are opened and closed, in order."""
    told: list[str] = []

    def opener(name: str):
        @contextmanager
        def opened(settings: Settings) -> Iterator[str]:
            told.append(f"open {name}")
            yield f"{name} of {settings.root.name}"
            told.append(f"close {name}")

        return opened

    for name in ("warehouse", "alerts", "online_store"):
        made = opener(name)
        monkeypatch.setattr(module, f"_{name}", made)
    return told


def test_every_port_has_a_name_and_a_property(settings: Settings) -> None:
    with backends_for(settings) as backends:
        for name in PORTS:
            assert getattr(backends, name) is not None
            with open_port(name, settings) as alone:
                assert type(alone) is type(getattr(backends, name))


def test_what_is_asked_for_is_opened_once_and_closed_in_reverse_order(
    settings: Settings, log: list[str]
) -> None:
    with backends_for(settings) as backends:
        assert log == []
        assert backends.alerts == "alerts of home"
        assert backends.warehouse is backends.warehouse
    assert log == ["open alerts", "open warehouse", "close warehouse", "close alerts"]


def test_everything_is_closed_after_an_error(settings: Settings, log: list[str]) -> None:
    def failing() -> None:
        with backends_for(settings) as backends:
            assert backends.online_store
            assert backends.alerts
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        failing()
    assert log[2:] == ["close alerts", "close online_store"]


def test_closed_backends_say_so(settings: Settings) -> None:
    with backends_for(settings) as backends:
        pass
    with pytest.raises(ConfigurationError, match="closed"):
        assert backends.warehouse
    with pytest.raises(FrozenInstanceError):
        backends.settings = settings  # type: ignore[misc]  # the point of the test


def test_an_unknown_port_is_named_with_those_that_exist(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="no port 'warehose'; there are: warehouse, objects"):
        open_port("warehose", settings)


def test_backends_load_without_dagster() -> None:
    code = """
import sys
from ml_platform.backends import backends_for
from ml_platform.settings import Settings
with backends_for(Settings()) as backends:
    for name in ("warehouse", "objects", "registry", "tracking", "events", "publisher", "online_store", "alerts"):
        assert getattr(backends, name)
print(sorted(name for name in ("dagster", "mlflow") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_resources_open_the_same_backends_and_close_them(tmp_path: Path, log: list[str]) -> None:
    settings = Settings(home=tmp_path / "one", lock_timeout_seconds=7)
    seen: list[object] = []

    @dg.asset(required_resource_keys={"online_store", "landing", "events", "publisher", "warehouse"})
    def asks(context: dg.AssetExecutionContext) -> None:
        seen.extend([context.resources.landing.path, context.resources.publisher])
        log.append("used")

    assert set(resources_for(settings)) == set(PORTS)
    done = dg.materialize([asks], resources=resources_for(settings), instance=dg.DagsterInstance.ephemeral())
    assert done.success
    assert seen[0] == tmp_path / "one" / "landing"


def test_no_secret_becomes_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_CASSANDRA__PASSWORD", "hunter2")
    monkeypatch.setenv("ML_PLATFORM_CASSANDRA__KEYSPACE", "features")
    settings = Settings(home=tmp_path, online_store="cassandra")
    told = resources_for(settings)["online_store"].settings
    assert "hunter2" not in str(told)
    again = Settings(**told)
    assert again.cassandra.password == settings.cassandra.password
    assert again.cassandra == CassandraSettings(keyspace="features", password="hunter2")
    assert Backends(settings).settings is settings
