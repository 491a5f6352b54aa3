"""Settings for reaching Cassandra, and for writing to and reading from it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["CassandraSettings"]

Consistency = Literal["LOCAL_ONE", "LOCAL_QUORUM", "QUORUM", "ONE", "TWO", "THREE", "ALL", "EACH_QUORUM"]


class CassandraSettings(BaseModel):
    """Settings of the Cassandra online store; the environment's prefix is ``ML_PLATFORM_CASSANDRA__``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    contact_points: tuple[str, ...] = Field(
        default=("127.0.0.1",),
        min_length=1,
        description="Hosts that are asked first for the rest of the cluster.",
    )
    port: int = Field(
        default=9042, gt=0, lt=65536, description="Port of the CQL protocol, the same on every host."
    )
    protocol_version: int = Field(
        default=5, ge=3, description="Of the CQL protocol: 5 since Cassandra 4.0, else 4."
    )
    keyspace: str = Field(
        default="ml_platform",
        pattern=r"^[a-z][a-z0-9_]{0,47}$",
        description="Keyspace that holds the tables; give local and production ones different names.",
    )
    replication_factor: int | None = Field(
        default=None,
        gt=0,
        description="Create the keyspace when it is missing, with this many copies in the local data centre.",
    )
    local_data_center: str = Field(
        default="datacenter1", description="Data centre that requests go to; see `nodetool status`."
    )
    username: str | None = Field(
        default=None, description="User to authenticate as; none: no authentication."
    )
    password: SecretStr | None = Field(default=None, description="The user's password.")
    tls: bool = Field(default=False, description="Whether connections are encrypted.")
    tls_ca: Path | None = Field(
        default=None,
        description="PEM file of the authorities that servers are trusted by; none: the system's.",
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM file of the client's certificate, when servers ask for one."
    )
    tls_key: Path | None = Field(default=None, description="PEM file of that certificate's key.")
    tls_check_hostname: bool = Field(
        default=True, description="Whether a server's certificate must name its host."
    )
    write_consistency: Consistency = Field(
        default="LOCAL_QUORUM", description="How many copies acknowledge a write."
    )
    read_consistency: Consistency = Field(
        default="LOCAL_QUORUM",
        description="How many copies answer a read; LOCAL_ONE is faster, but may go back to an older row.",
    )
    connect_timeout_seconds: float = Field(
        default=5.0, gt=0, description="Longest time to open a connection."
    )
    read_timeout_seconds: float = Field(default=2.0, gt=0, description="Longest time that one read may take.")
    write_timeout_seconds: float = Field(
        default=10.0, gt=0, description="Longest time that one write may take."
    )
    read_attempts: int = Field(
        default=2, gt=0, description="How often a read that timed out is sent at most."
    )
    write_attempts: int = Field(
        default=8, gt=0, description="How often a write is sent at most; writing again is harmless."
    )
    backoff_seconds: float = Field(
        default=0.1, gt=0, description="Wait before the second attempt; doubled before each further one."
    )
    max_backoff_seconds: float = Field(default=10.0, gt=0, description="Longest wait between two attempts.")
    speculative_delay_seconds: float | None = Field(
        default=0.05,
        gt=0,
        description="Ask a second host for a read that takes longer than this; none: never.",
    )
    batch_rows: int = Field(default=30, gt=0, description="Most rows of one unlogged batch.")
    batch_bytes: int = Field(
        default=16_384,
        gt=0,
        description="Most bytes of values of one batch; the server refuses 50 KiB by default.",
    )
    writes_in_flight: int = Field(
        default=24,
        gt=0,
        description="Most batches on their way at once; fewer while the server is overloaded.",
    )
    lease_seconds: int = Field(
        default=30, ge=3, description="A sync on another host that died is given up for dead after this long."
    )
