"""Records, with each materialisation, what it was made from and what it became."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from ml_platform.orchestration.planning.calendar import calendar
from ml_platform.orchestration.planning.ledger import INPUTS, READ_UNTIL, VERSION, Ledger
from ml_platform.orchestration.planning.nodes import Node, nodes_of
from ml_platform.orchestration.planning.staleness import Day, Staleness, digest

__all__ = ["Recording"]


class Recording:
    """Begin one before an asset reads anything; finish it when everything is written.

    The versions of the inputs are those at the beginning: if one changes while the asset is computed, the record
    names the older, and the asset is stale again afterwards.
    """

    def __init__(
        self,
        context: dg.AssetExecutionContext,
        externals: Mapping[dg.AssetKey, Callable[[str], str | None]] | None = None,
    ) -> None:
        self._context = context
        self.nodes: Mapping[dg.AssetKey, Node] = nodes_of([context.assets_def], externals)
        self.calendar = calendar(context.instance)
        self._state = Staleness(self.nodes, Ledger(context.instance), self.calendar)
        self.days: list[str] = (
            sorted(context.partition_keys)
            if context.has_partition_key_range or context.has_partition_key
            else []
        )
        for node in self.nodes.values():
            for key in (node.key, *node.deps):
                self._state.built(key)
        self._external = {
            (key, day): node.external(day)
            for key, node in self.nodes.items()
            if node.external
            for day in self.days
        }

    def version_of(self, key: dg.AssetKey) -> str:
        """Content version of an asset without days, at the beginning; empty when it was never materialised."""
        built = self._state.built(key).get(None)
        return built.version if built else ""

    def metadata_of(self, key: dg.AssetKey) -> Mapping[str, Any]:
        """Metadata of the newest materialisation of an asset without days, at the beginning."""
        built = self._state.built(key).get(None)
        return built.metadata if built else {}

    def built_days(self, key: dg.AssetKey) -> frozenset[Day]:
        """The days for which an upstream asset had been materialised, at the beginning."""
        return frozenset(self._state.built(key))

    def upstream_versions(self, key: dg.AssetKey) -> dict[str, str]:
        """Upstream asset key to one digest over the versions of all that is read of it."""
        node = self.nodes[key]
        return {
            dep.to_user_string(): digest(
                [(d, self._state.built(dep)[d].version) for d in days if d in self._state.built(dep)]
            )
            for dep in node.deps
            if (days := self._state.read_days(node, dep, None))
        }

    def derived_version(self, key: dg.AssetKey, day: Day) -> str:
        """The version of a view: it holds no data, so it is what it is made from."""
        return self._state.inputs(key, day)

    def finish(
        self,
        key: dg.AssetKey,
        versions: Mapping[str, str] | str,
        *,
        rows: Mapping[str, int] | int | None = None,
        metadata: Mapping[str, Any] | None = None,
        of_day: Mapping[Day, Mapping[str, Any]] | None = None,
        read_until: str | None = None,
    ) -> dg.DataVersion:
        """Attach version and inputs to the materialisation of ``key``, one by one for each day.

        Args:
            key: the asset.
            versions: content version of each day; for an asset without days, its version.
            rows: number of rows, likewise.
            metadata: more metadata, the same on each day.
            of_day: more metadata of each day.
            read_until: last day that was read, for assets that read ``until_read``.

        Returns:
            Dagster's data version: of the only day, or of all of them together.
        """
        by_day: list[tuple[Day, str]] = (
            [(None, versions)] if isinstance(versions, str) else [*versions.items()]
        )
        for day, version in by_day:
            facts: dict[str, Any] = {VERSION: version, INPUTS: self._state.inputs(key, day, read_until)}
            if read_until:
                facts[READ_UNTIL] = read_until
            if isinstance(rows, int):
                facts["dagster/row_count"] = rows
            elif rows is not None and day is not None:
                facts["dagster/partition_row_count"] = rows[day]
            more = {**(metadata or {}), **(of_day or {}).get(day, {})}
            self._context.add_asset_metadata({**more, **facts}, asset_key=key, partition_key=day)
            self._state.note(key, day, version)
        distinct = sorted((str(day), version) for day, version in by_day)
        data_version = dg.DataVersion(distinct[0][1] if len(distinct) == 1 else digest(distinct))
        self._context.set_data_version(key, data_version)
        return data_version
