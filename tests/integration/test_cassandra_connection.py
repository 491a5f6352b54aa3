"""Connecting to Cassandra: what is wrong is said with its remedy, and a password and TLS work."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cassandra_fixtures import settings_of
from support.cassandra_server import CassandraServer, free_port
from support.online import bench, customer, day

from ml_platform.errors import (
    ConfigurationError,
    DataError,
    MLPlatformError,
    NotFoundError,
    SchemaMismatchError,
    StoreUnavailableError,
)
from ml_platform.features.online.cassandra.settings import CassandraSettings
from ml_platform.features.sync.parity import parity

pytestmark = pytest.mark.cassandra


def failure(settings: CassandraSettings) -> MLPlatformError:
    """The error that asking for a record gives."""
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(settings)
    with pytest.raises(MLPlatformError) as caught:
        store.record("customers")
    store.close()
    return caught.value


def changed(settings: CassandraSettings, **changes: object) -> CassandraSettings:
    return CassandraSettings(**{**dict(settings), **changes})


def test_a_service_that_reads_needs_neither_dagster_nor_pandas(
    cassandra_settings: CassandraSettings, tmp_path: Path
) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(cassandra_settings)
    b = bench(tmp_path, store)
    b.rows([customer(f"c{i}", 0, n=i) for i in range(3)])
    b.sync()
    store.close()
    program = """
import sys
from ml_platform.features.online.cassandra.store import CassandraOnlineStore
from ml_platform.features.online.cassandra.settings import CassandraSettings
from ml_platform.features.online.reading import OnlineFeatures
from ml_platform.use_case import FeatureView
view = FeatureView.model_validate_json(sys.argv[1])
store = CassandraOnlineStore(CassandraSettings.model_validate_json(sys.argv[2]))
with OnlineFeatures(store, [view]) as features:
    print(*[row.values["customers__n"] for row in features.get([{"id": f"c{i}"} for i in range(4)])])
store.close()
heavy = {"dagster", "pandas", "duckdb", "mlflow"} & set(sys.modules)
sys.exit(str(sorted(heavy)) if heavy else 0)
"""
    command = [sys.executable, "-c", program, b.view.model_dump_json(), cassandra_settings.model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0 1 2 None\n"), done.stderr


def test_nobody_listens(cassandra_settings: CassandraSettings) -> None:
    error = failure(changed(cassandra_settings, port=free_port()))
    assert isinstance(error, StoreUnavailableError)
    assert "check that it runs, ML_PLATFORM_CASSANDRA__CONTACT_POINTS" in str(error)


def test_the_host_has_no_address(cassandra_settings: CassandraSettings) -> None:
    error = failure(changed(cassandra_settings, contact_points=("no-such-host.invalid",)))
    assert isinstance(error, StoreUnavailableError)
    assert "no-such-host.invalid" in str(error)
    assert "ML_PLATFORM_CASSANDRA__CONTACT_POINTS" in str(error)


def test_a_protocol_that_the_server_does_not_speak(cassandra_settings: CassandraSettings) -> None:
    error = failure(changed(cassandra_settings, protocol_version=66))
    assert isinstance(error, ConfigurationError)
    assert "ML_PLATFORM_CASSANDRA__PROTOCOL_VERSION" in str(error)


def test_encryption_that_the_server_does_not_speak(cassandra_settings: CassandraSettings) -> None:
    error = failure(changed(cassandra_settings, tls=True))
    assert isinstance(error, StoreUnavailableError)
    assert "__TLS" in str(error)


def test_the_data_centre_is_not_there(cassandra_settings: CassandraSettings) -> None:
    error = failure(changed(cassandra_settings, local_data_center="europe"))
    assert isinstance(error, ConfigurationError)
    assert "no data centre 'europe', it has datacenter1" in str(error)
    assert "ML_PLATFORM_CASSANDRA__LOCAL_DATA_CENTER" in str(error)


def test_the_keyspace_is_not_there(cassandra_settings: CassandraSettings) -> None:
    error = failure(changed(cassandra_settings, replication_factor=None))
    assert isinstance(error, NotFoundError)
    assert f"CREATE KEYSPACE {cassandra_settings.keyspace} WITH replication" in str(error)


def test_a_table_of_another_schema_is_in_the_way(
    cassandra_settings: CassandraSettings, tmp_path: Path
) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(cassandra_settings)
    b = bench(tmp_path, store)
    b.rows([customer("a", 0)])
    store.session.execute(
        f"CREATE TABLE {cassandra_settings.keyspace}.customers__v1 (id text PRIMARY KEY, n text)"
    )
    with pytest.raises(SchemaMismatchError, match="mean, n should be bigint, double, bigint; drop or rename"):
        b.sync()
    store.session.execute(f"DROP TABLE {cassandra_settings.keyspace}.customers__v1")
    assert b.sync().completed
    assert b.online("a") == [(0, 0.0)]
    store.close()


@pytest.mark.parametrize("key", ["id, event_timestamp", "(id, n)", "n"])
def test_a_table_of_another_key_is_in_the_way(
    cassandra_settings: CassandraSettings, tmp_path: Path, key: str
) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(cassandra_settings)
    b = bench(tmp_path, store)
    b.rows([customer("a", 0)])
    columns = "id text, event_timestamp bigint, n bigint, mean double"
    store.session.execute(
        f"CREATE TABLE {cassandra_settings.keyspace}.customers__v1 ({columns}, PRIMARY KEY ({key}))"
    )
    with pytest.raises(SchemaMismatchError, match=r"made by somebody else.*drop or rename"):
        b.sync()
    assert store.record("customers").serving is None
    store.close()


def test_what_cassandra_cannot_hold_is_said(cassandra_settings: CassandraSettings, tmp_path: Path) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(cassandra_settings)
    b = bench(tmp_path, store, features=("text",))
    for row, said in (
        (
            {"id": "x" * 65_536, "text": ""},
            r"a key \(id\) of customers__v1 is empty or longer than 65535 bytes.*shorten it",
        ),
        ({"id": "a", "text": "x" * 17 * 2**20}, "exceeds allowed maximum.*change the values"),
    ):
        b.rows([row | {"event_timestamp": day(0)}])
        with pytest.raises(DataError, match=said):
            b.sync()
    b.rows([{"id": "a", "event_timestamp": day(0), "text": "x"}])
    assert b.sync().completed
    assert b.online("a") == [("x",)]
    store.close()


@pytest.fixture
def stopped(cassandra_server: CassandraServer) -> Iterator[CassandraServer]:
    """The plain server, to be paused by the test."""
    yield cassandra_server
    cassandra_server.resume()


def test_an_event_loop_goes_on_while_the_server_does_not_answer(
    stopped: CassandraServer, tmp_path: Path
) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(settings_of(stopped, read_timeout_seconds=0.5))
    b = bench(tmp_path, store)
    b.rows([customer("a", 0)])
    b.sync()

    async def read() -> int:
        turns, task = 0, asyncio.create_task(store.read_async(b.view, [("a",)]))
        while not task.done():
            await asyncio.sleep(0)
            turns += 1
        with pytest.raises(StoreUnavailableError, match="check that it runs"):
            task.result()
        return turns

    assert b.online("a") == [(0, 0.0)]
    stopped.pause()
    assert asyncio.run(read()) > 1_000  # turns that other requests had
    with pytest.raises(StoreUnavailableError):
        b.online("a")
    stopped.resume()
    assert b.online("a") == [(0, 0.0)]
    store.close()


def test_a_sync_that_gives_up_says_so_and_the_next_one_completes_it(
    stopped: CassandraServer, tmp_path: Path
) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    brief = {
        "write_timeout_seconds": 0.5,
        "read_timeout_seconds": 0.5,
        "write_attempts": 2,
        "lease_seconds": 3,
    }
    store = CassandraOnlineStore(settings_of(stopped, **brief))
    b = bench(tmp_path, store)
    b.rows([customer("a", 0, n=1)])
    b.sync()
    b.rows([customer("a", 0, n=2)])
    with pytest.raises(StoreUnavailableError, match="check that it runs"):
        b.sync(progress=lambda _: stopped.pause())
    stopped.resume()
    assert b.online("a") == [(1, 0.0)]
    assert b.sync().completed
    assert b.online("a") == [(2, 0.0)]
    store.close()


def test_write_times_are_event_times(cassandra_settings: CassandraSettings, tmp_path: Path) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(cassandra_settings)
    b = bench(tmp_path, store)
    b.rows([customer("a", 3, n=1)])
    b.sync()
    row = b.store.read(b.view, [("a",)])[0]
    table = f"{cassandra_settings.keyspace}.customers__v1"
    assert store.session.execute(f"SELECT WRITETIME(n) FROM {table}").one()[0] == row.event_us
    older = (
        f"INSERT INTO {table} (id, event_timestamp, n) VALUES ('a', 0, 99) USING TIMESTAMP {row.event_us - 1}"
    )
    store.session.execute(older)
    assert b.online("a") == [(1, 0.0)]
    store.close()


@pytest.fixture
def secured(secured_cassandra_server: CassandraServer) -> CassandraSettings:
    return settings_of(secured_cassandra_server)


@pytest.fixture
def reader(secured: CassandraSettings, tmp_path: Path) -> Iterator[CassandraSettings]:
    """An account that may only read, after a sync by one that may write."""
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(secured)
    b = bench(tmp_path, store)
    b.rows([customer(f"c{i}", 0, n=i) for i in range(100)])
    b.sync()
    assert parity(b.view, b.warehouse, store).passed
    name = f"reader_{secured.keyspace}"
    store.session.execute(f"CREATE ROLE {name} WITH PASSWORD = 'secret' AND LOGIN = true")
    store.session.execute(f"GRANT SELECT ON KEYSPACE {secured.keyspace} TO {name}")
    yield changed(secured, username=name, password="secret", replication_factor=None)
    store.close()


def test_a_read_only_account_is_enough_for_reading(reader: CassandraSettings, tmp_path: Path) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    store = CassandraOnlineStore(reader)
    b = bench(tmp_path, store)
    assert b.online("c7", "c99", "nobody") == [(7, 0.0), (99, 0.0), None]
    for change in (b.sync, lambda: store.pause("customers"), lambda: store.drop_table("customers__v1")):
        with pytest.raises(ConfigurationError, match=r"may not do this.*a sync also MODIFY"):
            change()
    store.close()


def test_a_wrong_password_or_none(secured: CassandraSettings) -> None:
    for changes in ({"password": "wrong"}, {"username": "nobody"}):
        error = failure(changed(secured, **changes))
        assert isinstance(error, ConfigurationError)
        assert "ML_PLATFORM_CASSANDRA__PASSWORD" in str(error)
    assert isinstance(failure(changed(secured, password=None)), ConfigurationError)
    assert isinstance(failure(changed(secured, username=None, password=None)), MLPlatformError)


def test_a_server_that_is_not_trusted_or_not_encrypted(secured: CassandraSettings, tmp_path: Path) -> None:
    error = failure(changed(secured, tls_ca=None))
    assert isinstance(error, StoreUnavailableError)
    assert "ML_PLATFORM_CASSANDRA__TLS_CA" in str(error)
    assert isinstance(failure(changed(secured, tls=False)), StoreUnavailableError)
    error = failure(changed(secured, tls_ca=tmp_path / "nowhere.pem"))
    assert isinstance(error, ConfigurationError)
    assert "TLS files of Cassandra cannot be used" in str(error)
