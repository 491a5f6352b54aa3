"""A session with Cassandra, and its errors in words that name the remedy."""

import contextlib
import logging
import re
import ssl
from collections.abc import Iterator
from typing import Any

from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    ReadFailure,
    ReadTimeout,
    Unauthorized,
    Unavailable,
    WriteFailure,
    WriteTimeout,
)
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import ConnectionException
from cassandra.policies import (
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    ExponentialReconnectionPolicy,
    NoSpeculativeExecutionPolicy,
    TokenAwarePolicy,
)
from cassandra.protocol import IsBootstrappingErrorMessage, OverloadedErrorMessage, ServerError
from cassandra.query import tuple_factory

from ml_platform.errors import (
    ConfigurationError,
    DataError,
    MLPlatformError,
    NotFoundError,
    StoreUnavailableError,
)
from ml_platform.features.online.cassandra.settings import CassandraSettings

__all__ = ["OVERLOADED", "READ", "TRANSIENT", "WRITE", "connect", "explained", "translated"]

# Servers warn of every batch of more than 10 partitions or 5 KiB. Ours are grouped by replica, idempotent and of a
# bounded size, and were measured to be the fastest way to write.
logging.getLogger("cassandra.protocol").addFilter(
    lambda record: (
        not record.getMessage().startswith(("Server warning: Unlogged batch", "Server warning: Batch for"))
    )
)

_NOT_THERE = re.compile("does not exist|unconfigured|undefined|unknown", re.IGNORECASE)

READ, WRITE = "read", "write"

OVERLOADED = (OverloadedErrorMessage, WriteTimeout, OperationTimedOut)
"""Answers that mean: send less."""

TRANSIENT = (
    *OVERLOADED,
    ConnectionException,
    IsBootstrappingErrorMessage,
    NoHostAvailable,
    ReadFailure,
    ReadTimeout,
    Unavailable,
    WriteFailure,
)
"""Failures after which the same idempotent request may succeed."""


def connect(settings: CassandraSettings) -> Session:
    """Connect to the cluster and check that the keyspace is there.

    Raises:
        ConfigurationError: wrong user or password, unknown data centre, TLS files that cannot be used.
        NotFoundError: there is no such keyspace.
        StoreUnavailableError: no host can be reached.
    """
    cluster = Cluster(
        list(settings.contact_points),
        port=settings.port,
        protocol_version=settings.protocol_version,
        auth_provider=_authentication(settings),
        ssl_context=_tls(settings),
        execution_profiles=_profiles(settings),
        connect_timeout=settings.connect_timeout_seconds,
        control_connection_timeout=settings.connect_timeout_seconds,
        reconnection_policy=ExponentialReconnectionPolicy(0.5, settings.max_backoff_seconds),
        application_name="ml-platform",
    )
    try:
        with translated(settings):
            session = cluster.connect()
        _check_data_center(cluster, settings)
        _check_keyspace(session, settings)
    except BaseException:
        cluster.shutdown()
        raise
    return session


@contextlib.contextmanager
def translated(settings: CassandraSettings) -> Iterator[None]:
    """Raise the driver's errors as the platform's."""
    try:
        yield
    except (DriverException, NoHostAvailable, ConnectionException, OverloadedErrorMessage, OSError) as error:
        raise explained(error, settings) from error


def explained(error: BaseException, settings: CassandraSettings) -> MLPlatformError:
    """The platform's error for one of the driver's."""
    where = f"Cassandra at {','.join(settings.contact_points)}:{settings.port}"
    causes = (
        list(error.errors.values())
        if isinstance(error, NoHostAvailable) and isinstance(error.errors, dict)
        else []
    )
    if any(isinstance(cause, AuthenticationFailed) for cause in (error, *causes)):
        return ConfigurationError(
            f"{where} refused user {settings.username!r}: set ML_PLATFORM_CASSANDRA__USERNAME and"
            f" ML_PLATFORM_CASSANDRA__PASSWORD to an account that may log in ({_short(error, causes)})"
        )
    if "protocol_version" in str(error):
        return ConfigurationError(
            f"{where} does not speak this protocol: {error}; set ML_PLATFORM_CASSANDRA__PROTOCOL_VERSION"
        )
    if isinstance(error, Unauthorized):
        return ConfigurationError(
            f"{where}: user {settings.username!r} may not do this: {error}. Reading needs SELECT on keyspace"
            f" {settings.keyspace}; a sync also MODIFY, CREATE, ALTER and DROP"
        )
    # A table that is dropped while a server reads it is to that server an error of its own ("Unknown CF", and its id),
    # for which the driver asks the other hosts, and says of each what it answered.
    if any(
        isinstance(cause, InvalidRequest | ServerError) and _NOT_THERE.search(str(cause))
        for cause in (error, *causes)
    ):
        return NotFoundError(
            f"{where} does not have the table or columns that were asked for: {error}. If somebody changed"
            " the tables of"
            f" keyspace {settings.keyspace} by hand, run the sync in full (`full`), which fills a new one"
        )
    if isinstance(error, InvalidRequest):
        return DataError(f"{where} refused what it was sent: {error}; change the values in the model")
    tls = any(isinstance(cause, ssl.SSLError) for cause in causes) or "SSL" in str(causes)
    remedy = (
        "check ML_PLATFORM_CASSANDRA__TLS_CA and the server's certificate"
        if tls
        else "check that it runs, ML_PLATFORM_CASSANDRA__CONTACT_POINTS, __PORT and __TLS, then try again"
    )
    return StoreUnavailableError(f"{where} cannot be used: {_short(error, causes)}; {remedy}")


def _short(error: BaseException, causes: list[Any]) -> str:
    if causes:
        return "; ".join(sorted({f"{type(cause).__name__}: {cause}" for cause in causes}))
    return f"{type(error).__name__}: {error}"


def _profiles(settings: CassandraSettings) -> dict[Any, ExecutionProfile]:
    def profile(consistency: str, timeout: float, speculative: object) -> ExecutionProfile:
        return ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(DCAwareRoundRobinPolicy(settings.local_data_center)),
            consistency_level=ConsistencyLevel.name_to_value[consistency],
            serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
            request_timeout=timeout,
            row_factory=tuple_factory,
            speculative_execution_policy=speculative,
        )

    delay = settings.speculative_delay_seconds
    speculative = ConstantSpeculativeExecutionPolicy(delay, 1) if delay else NoSpeculativeExecutionPolicy()
    writes = profile(
        settings.write_consistency, settings.write_timeout_seconds, NoSpeculativeExecutionPolicy()
    )
    reads = profile(settings.read_consistency, settings.read_timeout_seconds, speculative)
    return {READ: reads, WRITE: writes, "default": writes}


def _authentication(settings: CassandraSettings) -> PlainTextAuthProvider | None:
    if settings.username is None:
        return None
    if settings.password is None:
        raise ConfigurationError(
            f"user {settings.username!r} has no password; set ML_PLATFORM_CASSANDRA__PASSWORD"
        )
    return PlainTextAuthProvider(settings.username, settings.password.get_secret_value())


def _tls(settings: CassandraSettings) -> ssl.SSLContext | None:
    if not settings.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=str(settings.tls_ca) if settings.tls_ca else None)
        context.check_hostname = settings.tls_check_hostname
        if settings.tls_certificate is not None:
            context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    except OSError as error:
        raise ConfigurationError(
            f"the TLS files of Cassandra cannot be used: {error}; check ML_PLATFORM_CASSANDRA__TLS_CA,"
            " __TLS_CERTIFICATE and __TLS_KEY"
        ) from error
    return context


def _check_data_center(cluster: Cluster, settings: CassandraSettings) -> None:
    there = sorted({host.datacenter for host in cluster.metadata.all_hosts() if host.datacenter})
    if settings.local_data_center not in there:
        raise ConfigurationError(
            f"the cluster has no data centre {settings.local_data_center!r}, it has {', '.join(there)};"
            " set ML_PLATFORM_CASSANDRA__LOCAL_DATA_CENTER"
        )


def _check_keyspace(session: Session, settings: CassandraSettings) -> None:
    if settings.keyspace in session.cluster.metadata.keyspaces:
        return
    replication = f"{{'class': 'NetworkTopologyStrategy', '{settings.local_data_center}': %d}}"
    if settings.replication_factor is None:
        raise NotFoundError(
            f"Cassandra has no keyspace {settings.keyspace}: create it (CREATE KEYSPACE {settings.keyspace}"
            " WITH"
            f" replication = {replication % 3}), or set ML_PLATFORM_CASSANDRA__REPLICATION_FACTOR to have"
            " it made"
        )
    with translated(settings):
        session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace}"
            f" WITH replication = {replication % settings.replication_factor}"
        )
        session.cluster.refresh_keyspace_metadata(settings.keyspace)
