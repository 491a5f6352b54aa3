"""The one rule of what is stale; `ml-platform run`, the automation condition and `status` all ask it.

An asset (a day of it) is stale when it was never materialised, or when the digest of its inputs that was recorded
then differs from today's: its code version, the content versions of what it reads, and, for assets that read the
outside world, a fingerprint of that. It is stateless: a process killed anywhere leaves nothing to repair here.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property

import dagster as dg

from ml_platform.orchestration.planning.ledger import READ_UNTIL, Built, Ledger
from ml_platform.orchestration.planning.nodes import Node

__all__ = ["Staleness", "digest"]

Day = str | None


def digest(*parts: object) -> str:
    """SHA-256 over the JSON of some plain values, shortened to 32 hex digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


class Staleness:
    """What is stale, seen at one moment.

    Args:
        nodes: the assets, by key.
        ledger: what has been built.
        days: the calendar, in order.
    """

    def __init__(self, nodes: Mapping[dg.AssetKey, Node], ledger: Ledger, days: Sequence[str]) -> None:
        self._nodes = nodes
        self._days = list(days)
        self._position = {day: i for i, day in enumerate(self._days)}
        self._ledger = ledger
        self._built: dict[dg.AssetKey, Mapping[Day, Built]] = {}

    def note(self, key: dg.AssetKey, day: Day, version: str) -> None:
        """Take it that (asset, day) now has this version, for what is built together with it."""
        made = dict(self.built(key))
        made[day] = Built(version=version, inputs="", timestamp=0.0, run_id="", metadata={})
        self._built[key] = made

    def built(self, key: dg.AssetKey) -> Mapping[Day, Built]:
        """The newest materialisation of each day of an asset."""
        if key not in self._built:
            self._built[key] = dict(self._ledger.latest(key))
        return self._built[key]

    def read_days(self, node: Node, dep: dg.AssetKey, day: Day, until: str | None = None) -> list[Day]:
        """Which days of ``dep`` the given day of an asset reads."""
        rule = node.rule(dep)
        if rule == "order":
            return []
        if not self._is_daily(dep):
            return [None]
        if rule == "all":
            return list(self._days)
        if rule == "until_read":
            return [d for d in self._days if until is None or d <= until]
        if day is None or day not in self._position:
            return []
        last = self._position[day]
        first = 0 if rule == "before" else max(0, last - int(rule))
        return list(self._days[first : last + 1])

    def inputs(self, key: dg.AssetKey, day: Day, until: str | None = None) -> str:
        """Digest of all that a materialisation of (asset, day) would be made from now."""
        node = self._nodes[key]
        read = [
            (
                dep.to_user_string(),
                [(d, self._version(dep, d)) for d in self.read_days(node, dep, day, until)],
            )
            for dep in node.deps
        ]
        outside = (node.external(day) or "") if node.external and day else ""
        return digest(node.code_version, read, outside)

    def wanted(self, node: Node) -> list[Day]:
        """The days that an asset should have: all of the calendar, or those from its start on."""
        if not node.daily:
            return [None]
        if node.starts_with is None:
            return list(self._days)
        start = self.built(node.starts_with).get(None)
        if start is None:
            return []
        first = str(start.metadata.get("first_day", ""))
        made = self.built(node.key)
        return [day for day in self._days if day >= first or day in made]

    @cached_property
    def stale(self) -> dict[dg.AssetKey, frozenset[Day]]:
        """Assets to their stale days (``None`` for an asset without days); only what is stale is listed.

        Within assets that are built together, a day is also stale when something that it reads there is.
        """
        result: dict[dg.AssetKey, frozenset[Day]] = {}
        for key in self._in_order():
            node = self._nodes[key]
            days = frozenset(day for day in self.wanted(node) if self._is_stale(node, day, result))
            if days:
                result[key] = days
        return result

    @cached_property
    def ready(self) -> dict[dg.AssetKey, frozenset[Day]]:
        """What is stale and reads nothing stale (or never made) other than what is built together with it."""
        found = {
            key: frozenset(day for day in days if not self.waits_for(key, day))
            for key, days in self.stale.items()
        }
        return {key: days for key, days in found.items() if days}

    @cached_property
    def ready_together(self) -> dict[dg.AssetKey, frozenset[Day]]:
        """What is ready on days on which nothing that is built with it waits, so that one run builds it all."""

        def held(key: dg.AssetKey, day: Day) -> bool:
            stale = [
                other for other in self._nodes[key].together if day in self.stale.get(other, frozenset())
            ]
            return any(day not in self.ready.get(other, frozenset()) for other in stale)

        found = {
            key: frozenset(day for day in days if not held(key, day)) for key, days in self.ready.items()
        }
        return {key: days for key, days in found.items() if days}

    def waits_for(self, key: dg.AssetKey, day: Day) -> frozenset[dg.AssetKey]:
        """The assets that must be built before (asset, day) can be.

        What is only ordered behind must be there, and may be stale: a release serves until the next one does, also
        while the gate keeps that one back.
        """
        node = self._nodes[key]
        before: set[dg.AssetKey] = set()
        for dep in node.deps:
            if dep not in self._nodes:
                continue
            stale = self.stale.get(dep, frozenset())
            read = [d for d in self.read_days(node, dep, day) if d in stale]
            if dep in node.together:
                before |= {upstream for d in read for upstream in self.waits_for(dep, d)}
            elif read or not self.built(dep):
                before.add(dep)
        return frozenset(before)

    def why(self, key: dg.AssetKey) -> str:
        """In words, why an asset is stale; empty when it is not."""
        days = self.stale.get(key)
        if not days:
            return ""
        built = self.built(key)
        missing = [day for day in days if day not in built]
        if len(missing) == len(days):
            return "never materialised" if None in days else f"{len(days)} days to build"
        return (
            "its inputs changed"
            if None in days
            else f"{len(days) - len(missing)} days changed, {len(missing)} to build"
        )

    def _version(self, key: dg.AssetKey, day: Day) -> str:
        built = self.built(key).get(day)
        return built.version if built else ""

    def _is_daily(self, key: dg.AssetKey) -> bool:
        if key in self._nodes:
            return self._nodes[key].daily
        return any(day is not None for day in self.built(key))

    def _is_stale(self, node: Node, day: Day, stale: Mapping[dg.AssetKey, frozenset[Day]]) -> bool:
        built = self.built(node.key).get(day)
        if built is None:
            return True
        if node.outside and node.external is None:
            return False  # what it reads cannot be seen from here; whoever watches that has it loaded anew
        if node.external and day and node.external(day) is None:
            return False
        until = str(built.metadata[READ_UNTIL]) if READ_UNTIL in built.metadata else None
        if built.inputs != self.inputs(node.key, day, until):
            return True
        siblings = [dep for dep in node.deps if dep in node.together and dep in stale]
        return any(not stale[dep].isdisjoint(self.read_days(node, dep, day)) for dep in siblings)

    def _in_order(self) -> list[dg.AssetKey]:
        done: dict[dg.AssetKey, None] = {}

        def visit(key: dg.AssetKey) -> None:
            if key in done or key not in self._nodes:
                return
            for dep in self._nodes[key].deps:
                visit(dep)
            done[key] = None

        for key in sorted(self._nodes):
            visit(key)
        return list(done)
