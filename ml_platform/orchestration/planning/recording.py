"""Records, with each materialisation, what it was made from and what it became."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import dagster as dg

from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.planning.calendars import Calendar, Calendars
from ml_platform.orchestration.planning.ledger import INPUTS, READ_UNTIL, VERSION, Ledger, Partition
from ml_platform.orchestration.planning.nodes import Graph, nodes_of
from ml_platform.orchestration.planning.staleness import Staleness, digest

__all__ = ["Recording"]


class Recording:
    """Begin one before an asset reads anything; finish it when everything is written.

    The versions of the inputs are those at the beginning: if one changes while the asset is computed, the record
    names the older, and the asset is stale again afterwards.

    Attributes:
        keys: the partitions that this run makes, by time; empty for an asset without partitions.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        externals: Mapping[dg.AssetKey, Callable[[str], str | None]] | None = None,
    ) -> None:
        self._context = context
        graph = context.job_def.asset_layer.asset_graph
        nodes = nodes_of(graph.assets_defs, externals, whole=True)
        self.calendars = Calendars(context.instance)
        self.ledger = Ledger.of(context.instance).frozen()
        self.keys: list[str] = (
            sorted(context.partition_keys)
            if context.has_partition_key_range or context.has_partition_key
            else []
        )
        self._outside: dict[dg.AssetKey, Callable[[str], str | None]] = {}
        self._seen: dict[dg.AssetKey, dict[str, str | None]] = {}
        for key in context.selected_asset_keys:
            if external := nodes[key].external:
                self._outside[key], self._seen[key] = external, {}
                nodes[key] = replace(nodes[key], external=self._seen[key].get)
                for partition in self.keys:
                    self.read_also(key, partition)
        self.nodes: Graph = nodes
        self._state = Staleness(self.nodes, self.ledger, self.calendars)

    def read_also(self, key: dg.AssetKey, partition: str) -> None:
        """Note what there is to read outside the graph, as it is now: a file that changes later is loaded anew."""
        self._seen[key][partition] = self._outside[key](partition)

    @cached_property
    def calendar(self) -> Calendar:
        """The calendar of the partitions that this run makes.

        Raises:
            ConfigurationError: the asset has none.
        """
        for key in sorted(self._context.selected_asset_keys):
            if (found := self.nodes[key].calendar) is not None:
                return found
        raise ConfigurationError(f"{self._context.assets_def.key} has no partitions, and so no calendar")

    def version_of(self, key: dg.AssetKey) -> str:
        """Content version of an asset without partitions, at the beginning; empty when it was never materialised."""
        return str(self.metadata_of(key).get(VERSION, ""))

    def metadata_of(self, key: dg.AssetKey) -> Mapping[str, Any]:
        """Metadata of the newest materialisation of an asset without partitions, at the beginning."""
        return self.ledger.metadata(key)

    def built_keys(self, key: dg.AssetKey) -> list[str]:
        """The partitions of which an upstream asset had been materialised, at the beginning, by time."""
        return sorted(p for p in self._state.built(key) if p is not None)

    def upstream_versions(self, key: dg.AssetKey) -> dict[str, str]:
        """Upstream asset key to one digest over the versions of all that is read of it."""
        return self._state.upstream_versions(key)

    def derived_version(self, key: dg.AssetKey, partition: Partition) -> str:
        """The version of what holds no data of its own: it is what it is made from."""
        return self._state.inputs(key, partition)

    def view_version(self, key: dg.AssetKey) -> str:
        """The version of a view; see :meth:`Staleness.view_version`."""
        return self._state.view_version(self.nodes[key])

    def finish(
        self,
        key: dg.AssetKey,
        versions: Mapping[str, str] | str,
        *,
        rows: Mapping[str, int] | int | None = None,
        metadata: Mapping[str, Any] | None = None,
        of_partition: Mapping[str, Mapping[str, Any]] | None = None,
        read_until: tuple[datetime, datetime] | None = None,
    ) -> dg.DataVersion:
        """Attach version and inputs to the materialisation of ``key``, one by one for each partition.

        A partition that the run was not asked for has a materialisation of its own.

        Args:
            key: the asset.
            versions: content version of each partition; for an asset without partitions, its version.
            rows: number of rows, likewise.
            metadata: more metadata, the same on each partition.
            of_partition: more metadata of each partition.
            read_until: ends of what was read, for assets that read ``until_read`` and ``labels_until_read``.

        Returns:
            Dagster's data version: of the only partition, or of all of them together.
        """
        made: dict[Partition, str] = {None: versions} if isinstance(versions, str) else dict(versions.items())
        until = "/".join(end.isoformat() for end in read_until or ())
        for partition, version in made.items():
            facts: dict[str, Any] = {
                VERSION: version,
                INPUTS: self._state.inputs(key, partition, until),
            }
            if until:
                facts[READ_UNTIL] = until
            if isinstance(rows, int):
                facts["dagster/row_count"] = rows
            elif rows is not None and partition is not None:
                facts["dagster/partition_row_count"] = rows[partition]
            more = {**(metadata or {}), **(of_partition or {}).get(partition or "", {})}
            if partition is None or partition in self.keys:
                self._context.add_asset_metadata({**more, **facts}, asset_key=key, partition_key=partition)
            else:
                self._context.log_event(
                    dg.AssetMaterialization(key, partition=partition, metadata={**more, **facts})
                )
        self._state.note(key, made)
        distinct = sorted((str(partition), version) for partition, version in made.items())
        data_version = dg.DataVersion(distinct[0][1] if len(distinct) == 1 else digest(distinct))
        self._context.set_data_version(key, data_version)
        return data_version
