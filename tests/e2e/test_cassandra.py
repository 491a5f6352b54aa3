"""The whole graph on a real Cassandra that asks for a password and TLS: switching is a matter of settings."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from e2e.conftest import Finished
from support.cassandra_fixtures import settings_of
from support.cassandra_server import PASSWORD, CassandraServer
from support.project import ROOT, Project

from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.columns import micros
from ml_platform.features.sync.newest import source_of
from ml_platform.project import load_use_cases
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.duckdb import DuckDBWarehouse

pytestmark = pytest.mark.cassandra

VIEWS = [view for use_case in load_use_cases(ROOT) for view in use_case.feature_views]


@dataclass(frozen=True)
class Switched:
    """A finished project that was switched to Cassandra: as whoever writes, and as a read-only account."""

    writer: Project
    reader: Project
    store: OnlineStore
    said: str

    @property
    def warehouse(self) -> DuckDBWarehouse:
        return DuckDBWarehouse(self.writer.home / "warehouse.duckdb")


@pytest.fixture(scope="module")
def switched(finished: Finished, secured_cassandra_server: CassandraServer) -> Iterator[Switched]:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    settings = settings_of(secured_cassandra_server)
    environment = {
        "ML_PLATFORM_ONLINE_STORE": "cassandra",
        "ML_PLATFORM_CASSANDRA__PORT": str(settings.port),
        "ML_PLATFORM_CASSANDRA__KEYSPACE": settings.keyspace,
        "ML_PLATFORM_CASSANDRA__USERNAME": "cassandra",
        "ML_PLATFORM_CASSANDRA__PASSWORD": PASSWORD,
        "ML_PLATFORM_CASSANDRA__TLS": "true",
        "ML_PLATFORM_CASSANDRA__TLS_CA": str(settings.tls_ca),
        "ML_PLATFORM_CASSANDRA__READ_TIMEOUT_SECONDS": "10",
    }
    writes = {"ML_PLATFORM_CASSANDRA__REPLICATION_FACTOR": "1"}
    reads = {
        "ML_PLATFORM_CASSANDRA__USERNAME": f"service_{settings.keyspace}",
        "ML_PLATFORM_CASSANDRA__PASSWORD": "secret",
    }
    writer = replace(finished.project, settings=tuple((environment | writes).items()))
    reader = replace(finished.project, settings=tuple((environment | reads).items()))
    said = writer("run").stdout
    store = CassandraOnlineStore(settings)
    role = reads["ML_PLATFORM_CASSANDRA__USERNAME"]
    store.session.execute(f"CREATE ROLE {role} WITH PASSWORD = 'secret' AND LOGIN = true")
    store.session.execute(f"GRANT SELECT ON KEYSPACE {settings.keyspace} TO {role}")
    yield Switched(writer, reader, store, said)
    store.close()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_row_online_is_the_newest_of_the_warehouse(switched: Switched, view: FeatureView) -> None:
    serving = switched.store.record(view.name).serving
    assert serving is not None
    online = {key: (row.event_us, row.values) for key, row in switched.store.scan(serving)}
    rows = switched.warehouse.table(*source_of(view, switched.warehouse).newest(None)).to_pylist()
    assert online == {
        tuple(row[name] for name in view.entity): (
            micros(row["event_timestamp"]),
            tuple(row[name] for name in view.features),
        )
        for row in rows
    }
    assert f"{view.name}: {len(rows):,} added, 0 changed" in switched.said


def test_what_is_there_already_is_not_synced_again(switched: Switched) -> None:
    assert "Everything is up to date" in switched.writer("run").stdout


def test_reading_needs_no_more_than_the_right_to_read(switched: Switched) -> None:
    customer = switched.warehouse.scalar("SELECT MIN(customer_id) FROM features.customer_daily")
    assert "found" in switched.reader("features", "get", "customer_daily", customer).stdout
    assert "differs" not in switched.reader("features", "diff", "customer_daily", customer).stdout
    assert "customer_id: string" in switched.reader("features", "describe", "customer_daily").stdout
    for command in (["sync", "customer_daily", "--full"], ["pause", "customer_daily"]):
        refused = switched.reader("features", *command, check=False)
        assert refused.returncode == 1
        assert "may not do this" in refused.stdout + refused.stderr
    assert not switched.store.record("customer_daily").paused
