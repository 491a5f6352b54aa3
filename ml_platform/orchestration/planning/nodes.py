"""The planner's view of an asset: what it reads, over which time, by which code."""

import math
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import dagster as dg

from ml_platform.orchestration.planning.calendars import CALENDAR, Calendar

__all__ = [
    "OUTSIDE",
    "READS",
    "SHOWS",
    "STARTS_WITH",
    "VIEW",
    "Graph",
    "Node",
    "Reads",
    "in_order",
    "nodes_of",
    "through",
    "wider",
]

READS = "ml_platform/reads"
"""Asset metadata: upstream key (``a/b``) -> how it is read; see :data:`Reads`."""

OUTSIDE = "ml_platform/outside"
"""Asset metadata: what it reads that lies outside the graph, for a person."""

STARTS_WITH = "ml_platform/starts_with"
"""Asset metadata: key of an asset whose ``first_day`` metadata says from when on this one is wanted."""

VIEW = "ml_platform/view"
"""Asset metadata: whether it is a view, which holds no data of its own: who reads it reads what it is made from."""

SHOWS = "ml_platform/shows"
"""Asset metadata of a view: upstream key -> ``{reads, calendar}``, through other views.

The graph of a run ends at what its assets depend on, so that what lies behind a view is not in it.
"""

Reads = float | int | str
"""Number of seconds before its own time that a partition reads of an upstream; or one of:

- ``"before"``: everything up to its own end;
- ``"all"``: everything;
- ``"until_read"``: everything up to the time that was last read: later partitions do not make it stale;
- ``"labels_until_read"``: the same, up to the time until which labels were read;
- ``"order"``: it must be there, but a change of it makes nothing stale.
"""

Graph = Mapping[dg.AssetKey, "Node"]


@dataclass(frozen=True)
class Node:
    """An asset as the planner sees it.

    Attributes:
        deps: what it depends on directly.
        inputs: what it reads, views replaced by what they are made from; upstream to how it is read.
        code_version: of itself, and of the views that it reads through.
        calendar: of its partitions; None: it has none.
        together: what is built by the same step.
        external: partition key to a fingerprint of what it reads outside the graph.
        outside: whether it reads something outside the graph.
        view: whether it holds no data of its own.
        shows: of a view that tells it, what it shows: upstream to how that is read, and its calendar.
    """

    key: dg.AssetKey
    deps: tuple[dg.AssetKey, ...]
    code_version: str
    calendar: Calendar | None = None
    reads: Mapping[str, Reads] = field(default_factory=dict)
    inputs: Mapping[dg.AssetKey, Reads] = field(default_factory=dict)
    starts_with: dg.AssetKey | None = None
    together: frozenset[dg.AssetKey] = frozenset()
    external: Callable[[str], str | None] | None = None
    outside: bool = False
    view: bool = False
    shows: Mapping[dg.AssetKey, tuple[Reads, Calendar | None]] = field(default_factory=dict)

    def rule(self, dep: dg.AssetKey) -> Reads:
        """The rule by which this asset reads an upstream asset that it names."""
        return self.reads.get(dep.to_user_string(), 0 if self.calendar else "all")


def nodes_of(
    assets: Iterable[dg.AssetsDefinition],
    externals: Mapping[dg.AssetKey, Callable[[str], str | None]] | None = None,
    *,
    whole: bool = False,
) -> dict[dg.AssetKey, Node]:
    """The executable assets of some definitions.

    Args:
        assets: the definitions.
        externals: for assets that read outside the graph, a function from a partition key to a fingerprint of that; it
            answers None when nothing is there (any more), which leaves what was built as it is.
        whole: take also what cannot be executed; within a run, that is whatever the run does not make.
    """
    nodes: dict[dg.AssetKey, Node] = {}
    for definition in assets:
        if definition.is_executable or whole:
            together = frozenset(definition.keys)
            for spec in definition.specs:
                nodes[spec.key] = _node(spec, together, (externals or {}).get(spec.key))
    for node in list(nodes.values()):
        for key, (_, calendar) in node.shows.items():
            nodes[key] = replace(nodes.get(key, Node(key, (), "")), calendar=calendar)
    for key in in_order(nodes):
        nodes[key] = _resolved(nodes[key], nodes)
    return nodes


def in_order(nodes: Graph) -> list[dg.AssetKey]:
    """Keys, upstream first."""
    done: dict[dg.AssetKey, None] = {}

    def visit(key: dg.AssetKey) -> None:
        if key in done or key not in nodes:
            return
        for dep in nodes[key].deps:
            visit(dep)
        done[key] = None

    for key in sorted(nodes):
        visit(key)
    return list(done)


def _plain(value: Any) -> Any:  # noqa: ANN401 (Dagster wraps metadata values)
    return value.value if isinstance(value, dg.MetadataValue) else value


def _node(
    spec: dg.AssetSpec, together: frozenset[dg.AssetKey], external: Callable[[str], str | None] | None
) -> Node:
    metadata = {name: _plain(value) for name, value in spec.metadata.items()}
    starts_with, calendar = metadata.get(STARTS_WITH), metadata.get(CALENDAR)
    return Node(
        key=spec.key,
        deps=tuple(sorted({dep.asset_key for dep in spec.deps})),
        code_version=spec.code_version or "",
        calendar=Calendar.of_metadata(calendar) if calendar and spec.partitions_def is not None else None,
        reads=dict(metadata.get(READS) or {}),
        starts_with=dg.AssetKey.from_user_string(starts_with) if starts_with else None,
        together=together,
        external=external,
        outside=OUTSIDE in metadata,
        view=bool(metadata.get(VIEW)),
        shows={
            dg.AssetKey.from_user_string(key): (
                shown["reads"],
                Calendar.of_metadata(shown["calendar"]) if shown["calendar"] else None,
            )
            for key, shown in (metadata.get(SHOWS) or {}).items()
        },
    )


def _resolved(node: Node, nodes: Graph) -> Node:
    """The node with what it really reads: a view is read as what it is made from, by the reader's own rule."""
    if node.shows:
        ordered: dict[dg.AssetKey, Reads] = {dep: "order" for dep in node.deps if node.rule(dep) == "order"}
        return replace(node, inputs={**ordered, **{key: rule for key, (rule, _) in node.shows.items()}})
    inputs: dict[dg.AssetKey, Reads] = {}
    codes = [node.code_version]
    for dep in node.deps:
        rule, upstream = node.rule(dep), nodes.get(dep)
        if upstream is None or not upstream.view or rule == "order":
            inputs[dep] = wider(inputs.get(dep), rule)
            continue
        codes.append(upstream.code_version)  # of the view, with those that it reads through itself
        for source, of_view in upstream.inputs.items():
            inputs[source] = wider(inputs.get(source), through(rule, of_view))
    return replace(node, inputs=inputs, code_version="\0".join(codes) if len(codes) > 1 else codes[0])


def through(rule: Reads, of_view: Reads) -> Reads:
    """The rule by which a reader reads what lies behind a view.

    A view reads everything by default, of which the reader takes its window; one that says ``before`` (the newest
    row counts, however old) is read so by everybody.
    """
    if "order" in (rule, of_view):
        return "order"
    return "before" if of_view == "before" and not isinstance(rule, str) else rule


_RANKS = {
    "order": -1.0,
    "labels_until_read": sys.float_info.max,
}  # what events are made from too is read as they


def wider(one: Reads | None, two: Reads) -> Reads:
    """The rule that reads more."""
    if one is None:
        return two
    reach = [_RANKS.get(rule, math.inf) if isinstance(rule, str) else float(rule) for rule in (one, two)]
    return one if reach[0] >= reach[1] else two


DAY = timedelta(days=1).total_seconds()
"""One day, as :data:`Reads` counts."""
