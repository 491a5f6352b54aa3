"""Fixtures of real Cassandra servers; one plain and one secured server a test session."""

import secrets
from collections.abc import Iterator

import pytest

from ml_platform.features.online.cassandra.settings import CassandraSettings
from support.cassandra_server import PASSWORD, CassandraServer, missing

__all__ = ["cassandra_server", "cassandra_settings", "secured_cassandra_server", "settings_of"]


def settings_of(server: CassandraServer, **changes: object) -> CassandraSettings:
    """Settings for a server, with a keyspace of their own."""
    values: dict[str, object] = {
        "port": server.port,
        "keyspace": f"test_{secrets.token_hex(6)}",
        "replication_factor": 1,
        "read_timeout_seconds": 10,
    }
    if server.secured:
        values |= {"username": "cassandra", "password": PASSWORD, "tls": True, "tls_ca": server.certificate}
    return CassandraSettings(**(values | changes))


def _server(factory: pytest.TempPathFactory, *, secured: bool) -> Iterator[CassandraServer]:
    if lacking := missing():
        pytest.skip(f"a real Cassandra server needs {lacking}")
    server = CassandraServer(factory.mktemp("cassandra"), secured=secured).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cassandra_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    yield from _server(tmp_path_factory, secured=False)


@pytest.fixture(scope="session")
def secured_cassandra_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraServer]:
    yield from _server(tmp_path_factory, secured=True)


@pytest.fixture
def cassandra_settings(cassandra_server: CassandraServer) -> CassandraSettings:
    return settings_of(cassandra_server)
