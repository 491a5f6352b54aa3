"""What the planner knows of an asset: what it reads, over which days, by which code."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

__all__ = ["OUTSIDE", "READS", "STARTS_WITH", "Node", "Reads", "nodes_of"]

READS = "ml_platform/reads"
"""Asset metadata: upstream key (``a/b``) -> how it is read."""

OUTSIDE = "ml_platform/outside"
"""Asset metadata: what it reads that lies outside the graph, for a person."""

STARTS_WITH = "ml_platform/starts_with"
"""Asset metadata: key of an asset whose ``first_day`` metadata says from which day on this one is wanted."""

Reads = int | str
"""How many earlier days of an upstream a day reads; or one of:

- ``"before"``: every day up to this one;
- ``"all"``: every day;
- ``"until_read"``: every day up to the last one that was read: later days do not make it stale;
- ``"order"``: it must be there, but a change of it makes nothing stale.
"""


@dataclass(frozen=True)
class Node:
    """An asset as the planner sees it."""

    key: dg.AssetKey
    deps: tuple[dg.AssetKey, ...]
    daily: bool
    code_version: str
    reads: Mapping[str, Reads] = field(default_factory=dict)
    starts_with: dg.AssetKey | None = None
    together: frozenset[dg.AssetKey] = frozenset()
    external: Callable[[str], str | None] | None = None
    outside: bool = False

    def rule(self, dep: dg.AssetKey) -> Reads:
        """How this asset reads an upstream asset."""
        return self.reads.get(dep.to_user_string(), 0 if self.daily else "all")


def _plain(value: Any) -> Any:  # noqa: ANN401 (Dagster wraps metadata values)
    return value.value if isinstance(value, dg.MetadataValue) else value


def _node(spec: dg.AssetSpec, together: frozenset[dg.AssetKey]) -> Node:
    metadata = {name: _plain(value) for name, value in spec.metadata.items()}
    starts_with = metadata.get(STARTS_WITH)
    return Node(
        key=spec.key,
        deps=tuple(sorted({dep.asset_key for dep in spec.deps})),
        daily=spec.partitions_def is not None,
        code_version=spec.code_version or "",
        reads=dict(metadata.get(READS) or {}),
        starts_with=dg.AssetKey.from_user_string(starts_with) if starts_with else None,
        together=together,
        outside=OUTSIDE in metadata,
    )


def nodes_of(
    assets: Sequence[dg.AssetsDefinition],
    externals: Mapping[dg.AssetKey, Callable[[str], str | None]] | None = None,
) -> dict[dg.AssetKey, Node]:
    """The executable assets of some definitions.

    Args:
        assets: the definitions.
        externals: for assets that read what is outside the graph, a function from a day to a fingerprint of that; it
            answers None when nothing is there (any more), which leaves what was built as it is.
    """
    nodes = {}
    for definition in assets:
        if not definition.is_executable:
            continue
        together = frozenset(definition.keys)
        for spec in definition.specs:
            node = _node(spec, together)
            external = (externals or {}).get(spec.key)
            nodes[spec.key] = node if external is None else Node(**{**vars(node), "external": external})
    return nodes
