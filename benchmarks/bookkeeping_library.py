"""The one place of the bookkeeping benchmark that knows how the library keeps facts and judges them.

Whoever changes that changes these few functions, and the benchmark stays as it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from ml_platform.orchestration.calendar import DAYS, calendar
from ml_platform.orchestration.conditions import when_missing, when_stale
from ml_platform.orchestration.home import prepare_home
from ml_platform.orchestration.ledger import INPUTS, VERSION, Built, Ledger
from ml_platform.orchestration.nodes import OUTSIDE, READS, Node, nodes_of
from ml_platform.orchestration.platform import Platform
from ml_platform.orchestration.staleness import Staleness, digest
from ml_platform.orchestration.state import asset_states
from ml_platform.orchestration.up_to_date import Updater
from ml_platform.settings import Settings
from sensors.automation import automation_sensor

__all__ = [
    "OUTSIDE",
    "READS",
    "Book",
    "Fact",
    "automation_sensor",
    "facts_of",
    "metadata_of",
    "partitions_of",
    "prepare_home",
    "status_of",
    "update_of",
    "when_missing",
    "when_stale",
]

Fact = tuple[dg.AssetKey, str | None, str, str]
"""An asset, a day of it (None: it has none), the version of its content, the digest of its inputs."""


def partitions_of(use_case: str) -> dg.DynamicPartitionsDefinition:  # noqa: ARG001 (today all share one calendar)
    """The calendar of a use case's daily assets."""
    return DAYS


def landed(day: str) -> str:
    """The fingerprint of a day's files."""
    return f"files of {day}"


def externals_of(definitions: dg.Definitions) -> dict[dg.AssetKey, Callable[[str], str | None]]:
    """The raw assets, which read the landing folder."""
    specs = definitions.resolve_all_asset_specs()
    return {spec.key: landed for spec in specs if OUTSIDE in spec.metadata}


def nodes(definitions: dg.Definitions) -> dict[dg.AssetKey, Node]:
    """The graph, as the planner sees it."""
    return nodes_of(list(definitions.resolve_asset_graph().assets_defs), externals_of(definitions))


def facts_of(definitions: dg.Definitions, days: Sequence[str]) -> Iterator[Fact]:
    """The facts of a graph of which nothing is stale, upstream first."""
    made: dict[dg.AssetKey, dict[str | None, Built]] = {}

    class Draft(Ledger):
        def latest(self, key: dg.AssetKey) -> Mapping[str | None, Built]:
            return made[key]

    graph = nodes(definitions)
    with dg.DagsterInstance.ephemeral() as nowhere:
        state = Staleness(graph, Draft(nowhere), days)
        for key in definitions.resolve_asset_graph().toposorted_asset_keys:
            made[key] = {}
            for day in days if graph[key].daily else [None]:
                version, inputs = digest("content", key.to_user_string(), day), state.inputs(key, day)
                made[key][day] = Built(version, inputs, 0.0, "", {})
                yield key, day, version, inputs


def metadata_of(fact: Fact) -> Mapping[str, Any]:
    """What a materialisation records of a fact."""
    return {
        VERSION: fact[2],
        INPUTS: fact[3],
        "dagster/partition_row_count": 7,
    }


class Book:
    """Facts and judgement; ``cold`` starts with nothing read, ``warm`` goes on from the last time."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._nodes, self._instance = nodes(definitions), instance
        self._ledger = Ledger(instance)

    def warm(self) -> int:
        """How much is stale."""
        return len(Staleness(self._nodes, self._ledger, calendar(self._instance)).stale)

    def cold(self) -> int:
        """How much is stale, by facts that are read anew."""
        self._ledger = Ledger(self._instance)
        return self.warm()


class Composed(Platform):
    """The platform that `status` is asked of."""

    @property
    def externals(self) -> dict[dg.AssetKey, Callable[[str], str | None]]:
        """The raw assets."""
        return externals_of(self.definitions)


def status_of(definitions: dg.Definitions, instance: dg.DagsterInstance) -> int:
    """What `ml-platform status` computes; the number of stale assets."""
    platform = Composed(Settings(), [], [], {}, lambda: definitions)
    return sum(bool(state.stale) for state in asset_states(platform, instance, datetime.now(UTC)))


def update_of(definitions: dg.Definitions, instance: dg.DagsterInstance, days: Sequence[str]) -> int:
    """What `ml-platform run` does when there is nothing to do; the number of runs."""
    updater = Updater(definitions, instance, externals_of(definitions))
    return len(updater.update(date.fromisoformat(day) for day in days).run_ids)
