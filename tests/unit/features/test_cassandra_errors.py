"""Errors of Cassandra as those of the platform."""

import pytest
from cassandra.cluster import NoHostAvailable
from cassandra.protocol import ServerError

from ml_platform.errors import NotFoundError, StoreUnavailableError
from ml_platform.features.online.cassandra.session import explained
from ml_platform.features.online.cassandra.settings import CassandraSettings

DROPPED = ServerError(0, "Unknown CF 3f8a6e10-c9c0-11f1-ac70-c52d11ab7823", None)


@pytest.mark.parametrize("error", [DROPPED, NoHostAvailable("no host answered", {"127.0.0.1": DROPPED})])
def test_a_table_dropped_while_it_is_read_is_not_there(error: Exception) -> None:
    assert isinstance(explained(error, CassandraSettings()), NotFoundError)


def test_another_fault_of_the_server_is_not_taken_for_that() -> None:
    error = ServerError(0, "java.lang.NullPointerException", None)
    assert isinstance(explained(error, CassandraSettings()), StoreUnavailableError)
