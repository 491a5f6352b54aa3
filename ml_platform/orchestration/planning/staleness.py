"""The one rule of what is stale; `ml-platform run`, the automation condition and `status` all ask it.

An asset (a partition of it) is stale when it was never materialised, or when the digest of its inputs that was
recorded then differs from today's: its code version, the content versions of what it reads, and, for assets that read
the outside world, a fingerprint of that. It is stateless: a process killed anywhere leaves nothing to repair here.

What a partition reads of an upstream is a window of time, of whatever cadence the upstream is; its digest is the
difference of two running sums (:mod:`.series`), so that a look-back costs the same however long it is.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property

import dagster as dg

from ml_platform.orchestration.planning.calendars import Calendar, Calendars
from ml_platform.orchestration.planning.ledger import Built, Ledger, Partition
from ml_platform.orchestration.planning.nodes import Graph, Node, Reads, in_order
from ml_platform.orchestration.planning.series import Series, Spans, Window

__all__ = ["Staleness", "digest"]

_EVERYTHING: Window = (None, None)
_MOMENT = timedelta(microseconds=1)


def digest(*parts: object) -> str:
    """SHA-256 over the JSON of some plain values, shortened to 32 hex digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


class Staleness:
    """The stale assets, seen at one moment.

    Attributes:
        nodes: the assets, by key.

    Args:
        nodes: likewise.
        ledger: what has been built.
        calendars: which partitions there are.
    """

    def __init__(self, nodes: Graph, ledger: Ledger, calendars: Calendars) -> None:
        self.nodes = nodes
        self._ledger = ledger
        self._calendars = calendars
        self._noted: dict[dg.AssetKey, dict[Partition, Built]] = {}
        self._series: dict[dg.AssetKey, Series] = {}
        self._spans: dict[dg.AssetKey, Spans] = {}

    def note(self, key: dg.AssetKey, versions: Mapping[Partition, str]) -> None:
        """Take it that partitions of an asset now have these versions, for what is built together with it."""
        made = dict(self.built(key))
        made.update({p: Built(version=version[:32], inputs="") for p, version in versions.items()})
        self._noted[key] = made
        self._series.pop(key, None)

    def built(self, key: dg.AssetKey) -> Mapping[Partition, Built]:
        """The newest materialisation of each partition of an asset (of ``None`` when it has none)."""
        return self._noted.get(key) or self._ledger.built(key)

    def window(
        self, node: Node, dep: dg.AssetKey, rule: Reads, partition: Partition, until: str = ""
    ) -> Window | None:
        """The time that a partition reads of a partitioned upstream; None: none of it."""
        if rule == "order":
            return None
        if rule == "all":
            return _EVERYTHING
        if rule in {"until_read", "labels_until_read"}:
            read = until.split("/")[0 if rule == "until_read" else -1]
            return None, datetime.fromisoformat(read) if read else None
        if partition is None or node.calendar is None:
            return None
        start, end = node.calendar.span(partition)
        upstream = self.nodes.get(dep)
        if node.calendar.instant and upstream is not None and upstream.calendar and upstream.calendar.instant:
            end += _MOMENT  # a population as of that very instant is known then
        return (None if rule == "before" else start - timedelta(seconds=float(rule))), end

    def inputs(self, key: dg.AssetKey, partition: Partition, until: str = "") -> str:
        """Digest of all that a materialisation of (asset, partition) would be made from now."""
        node = self.nodes[key]
        read = [
            (dep.to_user_string(), self._read(node, dep, rule, partition, until))
            for dep, rule in node.inputs.items()
            if rule != "order"
        ]
        outside = (node.external(partition) or "") if node.external and partition else ""
        return digest(node.code_version, sorted(read), outside)

    def upstream_versions(self, key: dg.AssetKey) -> dict[str, str]:
        """Upstream asset key to a digest over the versions of all that an unpartitioned asset reads of it."""
        node = self.nodes[key]
        return {
            dep.to_user_string(): self._read(node, dep, rule, None, "")
            for dep, rule in node.inputs.items()
            if rule != "order"
        }

    def wanted(self, node: Node) -> list[Partition]:
        """The partitions that an asset should have: all of its calendar, or those from its start on."""
        if node.calendar is None:
            return [None]
        keys = self._calendars.keys(node.calendar)
        if node.starts_with is None:
            return list(keys)
        if not self._ledger.count(node.starts_with):
            return []
        since = _start(self._ledger, node.starts_with)
        made, start = self.built(node.key), node.calendar.cadence.start
        return [key for key in keys if start(key) >= since or key in made]

    @cached_property
    def stale(self) -> dict[dg.AssetKey, frozenset[Partition]]:
        """Assets to their stale partitions (``None`` for an asset without); only what is stale is listed.

        Within assets that are built together, a partition is also stale when something that it reads there is.
        """
        result: dict[dg.AssetKey, frozenset[Partition]] = {}
        for key in in_order(self.nodes):
            node = self.nodes[key]
            circumstances = self._circumstances(node, result)
            if circumstances and self._ledger.was_clean(key, circumstances):
                continue
            found = frozenset(p for p in self.wanted(node) if self._is_stale(node, p, result))
            if found:
                result[key] = found
                if node.calendar is not None:
                    self._spans[key] = Spans(node.calendar, [p for p in found if p is not None])
            elif circumstances:
                self._ledger.note_clean(key, circumstances)
        return result

    def _circumstances(self, node: Node, stale: Mapping[dg.AssetKey, frozenset[Partition]]) -> str:
        """All that the judgement of an asset depends on, as one text; empty when something in this process does too.

        So what was found not to be stale is not looked at again, partition by partition, until something changes.
        """
        if self._noted or any(dep in stale for dep in node.inputs if dep in node.together):
            return ""
        keys = self._calendars.keys(node.calendar) if node.external and node.calendar is not None else []
        upstream = {*node.inputs, *([node.starts_with] if node.starts_with else [])}
        return digest(
            node.code_version,
            sorted((dep.to_user_string(), rule) for dep, rule in node.inputs.items()),
            [self._ledger.digest(dep) for dep in sorted({node.key, *upstream})],
            self._calendars.digest(node.calendar) if node.calendar is not None else "",
            [node.external(key) for key in keys] if node.external else node.outside,
        )

    @cached_property
    def ready(self) -> dict[dg.AssetKey, frozenset[Partition]]:
        """The stale partitions that read nothing stale (or never made) other than what is built together with them."""
        found = {
            key: frozenset(p for p in partitions if not self.waits_for(key, p))
            for key, partitions in self.stale.items()
        }
        return {key: partitions for key, partitions in found.items() if partitions}

    @cached_property
    def ready_together(self) -> dict[dg.AssetKey, frozenset[Partition]]:
        """The ready partitions where nothing that is built with them waits, so that one run builds it all."""

        def held(key: dg.AssetKey, partition: Partition) -> bool:
            return any(
                partition in self.stale.get(other, ()) and partition not in self.ready.get(other, ())
                for other in self.nodes[key].together
            )

        found = {
            key: frozenset(p for p in partitions if not held(key, p))
            for key, partitions in self.ready.items()
        }
        return {key: partitions for key, partitions in found.items() if partitions}

    def waits_for(self, key: dg.AssetKey, partition: Partition) -> frozenset[dg.AssetKey]:
        """The assets that must be built before (asset, partition) can be.

        What is only ordered behind must be there, and may be stale: a release serves until the next one does, also
        while the gate keeps that one back. So must what a view is made from, and a view itself, with its newest code:
        it holds no data, and who reads it waits for what it is made from.
        """
        node = self.nodes[key]
        before: set[dg.AssetKey] = set()
        for dep in {*node.deps, *node.inputs}:
            upstream = self.nodes.get(dep)
            if upstream is None:
                continue
            if upstream.view and dep not in node.together and not self._is_current(upstream):
                before.add(dep)
            stale = self.stale_read(key, dep, partition)
            if dep in node.together:
                before |= {one for p in stale for one in self.waits_for(dep, p)}
            elif stale or not (self._ledger.count(dep) or self._is_empty(upstream)):
                before.add(dep)
        return frozenset(before)

    def stale_read(self, key: dg.AssetKey, dep: dg.AssetKey, partition: Partition) -> list[Partition]:
        """The stale partitions of an upstream that a partition of an asset reads."""
        node, upstream = self.nodes[key], self.nodes[dep]
        rule = "order" if node.view or upstream.view else node.inputs.get(dep, "order")
        if rule == "order" or dep not in self.stale:
            return []
        if upstream.calendar is None:
            return [None]
        window = self.window(node, dep, rule, partition)
        return list(self._spans[dep].within(window)) if window is not None else []

    def reads_any(
        self, key: dg.AssetKey, partition: Partition, dep: dg.AssetKey, of_dep: Spans | None, until: str
    ) -> bool:
        """Tell whether a partition reads some of these partitions of an upstream (None: of one without partitions)."""
        node = self.nodes[key]
        rule = node.inputs.get(dep, "order")
        if rule == "order":
            return False
        if of_dep is None:
            return True
        window = self.window(node, dep, rule, partition, until)
        return window is not None and of_dep.touch(window)

    def why(self, key: dg.AssetKey) -> str:
        """In words, why an asset is stale; empty when it is not."""
        partitions, calendar = self.stale.get(key), self.nodes[key].calendar
        if not partitions:
            return ""
        built = self.built(key)
        missing = [p for p in partitions if p not in built]
        if calendar is None:
            return "never materialised" if missing else "its inputs changed"
        noun = f"{calendar.cadence.noun}s"
        if len(missing) == len(partitions):
            return f"{len(partitions)} {noun} to build"
        return f"{len(partitions) - len(missing)} {noun} changed, {len(missing)} to build"

    def view_version(self, node: Node) -> str:
        """The version of a view: its code, with that of the views that it reads; what it shows is not its own."""
        return digest(node.code_version)

    def _is_current(self, view: Node) -> bool:
        built = self.built(view.key).get(None)
        return built is not None and built.version == self.view_version(view)

    def _read(self, node: Node, dep: dg.AssetKey, rule: Reads, partition: Partition, until: str) -> str:
        """Digest of what is read of an upstream."""
        built, calendar = self.built(dep), self._calendar_of(dep)
        if calendar is None:
            return built[None].version if None in built else ""
        window = self.window(node, dep, rule, partition, until)
        return self._series_of(dep, calendar).digest(window) if window is not None else ""

    def _calendar_of(self, key: dg.AssetKey) -> Calendar | None:
        return self.nodes[key].calendar if key in self.nodes else None

    def _series_of(self, key: dg.AssetKey, calendar: Calendar) -> Series:
        if key not in self._series:
            built = self.built(key)
            self._series[key] = Series(calendar, {p: b.version for p, b in built.items() if p is not None})
        return self._series[key]

    def _is_empty(self, node: Node) -> bool:
        """Tell whether there is nothing to wait for: a source of which nothing ever landed."""
        return node.calendar is not None and node.outside and not self._calendars.keys(node.calendar)

    def _is_stale(
        self, node: Node, partition: Partition, stale: Mapping[dg.AssetKey, frozenset[Partition]]
    ) -> bool:
        built = self.built(node.key).get(partition)
        if built is None:
            return True
        if node.outside and node.external is None:
            return False  # what it reads cannot be seen from here; whoever watches that has it loaded anew
        if node.external and partition and node.external(partition) is None:
            return False
        if built.inputs != self.inputs(node.key, partition, built.until):
            return True
        return any(
            self.reads_any(node.key, partition, dep, self._spans.get(dep), built.until)
            for dep in node.inputs
            if dep in node.together and dep in stale
        )


def extend_calendars(nodes: Collection[Node], ledger: Ledger, calendars: Calendars) -> None:
    """Extend the calendars of assets by what follows from those of the sources.

    Those of assets that start with another one begin once that is there; what they made stays in them.
    """
    for node in nodes:
        if node.calendar is not None and node.starts_with is not None and ledger.count(node.starts_with):
            calendars.begin(node.calendar, _start(ledger, node.starts_with))
            calendars.extend(node.calendar, [key for key in ledger.built(node.key) if key is not None])
    calendars.follow({node.calendar for node in nodes if node.calendar is not None})


def _start(ledger: Ledger, key: dg.AssetKey) -> datetime:
    """When what starts with an asset starts: with the first of all, when the asset does not say."""
    first = str(ledger.metadata(key).get("first_day", ""))
    return datetime.fromisoformat(first or "1970-01-01").replace(tzinfo=UTC)
