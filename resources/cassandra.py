"""Cassandra as a Dagster resource."""

import dagster as dg
from pydantic import Field

from ml_platform.features.online.base import OnlineStore
from ml_platform.settings import Settings

__all__ = ["CassandraOnlineStoreResource"]


class CassandraOnlineStoreResource(dg.ConfigurableResource[OnlineStore]):
    """The online store on a Cassandra cluster.

    The fields are for people who look at the resource; everything, the password above all, is read from the settings
    where the store is opened, so that no secret becomes configuration that Dagster stores and shows.
    """

    contact_points: list[str] = Field(description="Hosts that are asked first.")
    keyspace: str = Field(description="Keyspace that holds the tables.")

    def create_resource(self, context: dg.InitResourceContext) -> OnlineStore:  # noqa: ARG002 (Dagster's signature)
        """The online store; it connects when it is first used."""
        from ml_platform.features.online.cassandra.store import CassandraOnlineStore

        return CassandraOnlineStore(Settings().cassandra)
