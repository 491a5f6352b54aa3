"""The one place of the bookkeeping benchmark that knows how the library keeps facts and judges them.

Whoever changes that changes these few functions, and the benchmark stays as it is.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from ml_platform.cadence import Cadence
from ml_platform.orchestration.local.home import open_instance, prepare_home
from ml_platform.orchestration.planning.calendars import Calendar, Calendars
from ml_platform.orchestration.planning.conditions import when_missing, when_stale
from ml_platform.orchestration.planning.ledger import INPUTS, VERSION, Ledger
from ml_platform.orchestration.planning.nodes import DAY, OUTSIDE, READS, Node, nodes_of
from ml_platform.orchestration.planning.staleness import Staleness, digest
from ml_platform.orchestration.planning.state import asset_states
from ml_platform.orchestration.planning.up_to_date import Updater
from ml_platform.orchestration.platform import Platform
from ml_platform.settings import Settings
from sensors.automation import automation_sensor

__all__ = [
    "DAY",
    "OUTSIDE",
    "READS",
    "Book",
    "Fact",
    "automation_sensor",
    "calendar_of",
    "facts_of",
    "metadata_of",
    "open_instance",
    "prepare_home",
    "status_of",
    "update_of",
    "when_missing",
    "when_stale",
]

Fact = tuple[dg.AssetKey, str | None, str, str]
"""An asset, a day of it (None: it has none), the version of its content, the digest of its inputs."""


def calendar_of(use_case: str) -> Calendar:
    """The calendar of a use case's daily assets."""
    return Calendar(use_case, Cadence.DAILY)


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
    graph = nodes(definitions)
    with dg.DagsterInstance.ephemeral() as nowhere:
        state = Staleness(graph, Ledger.of(nowhere), Calendars(nowhere))
        for key in definitions.resolve_asset_graph().toposorted_asset_keys:
            partitions: list[str | None] = [*days] if graph[key].calendar else [None]
            versions = {one: digest("content", key.to_user_string(), one) for one in partitions}
            inputs = {one: state.inputs(key, one) for one in partitions}
            state.note(key, versions)
            for one in partitions:
                yield key, one, versions[one], inputs[one]


def metadata_of(fact: Fact) -> Mapping[str, Any]:
    """Metadata that a materialisation records of a fact."""
    return {
        VERSION: fact[2],
        INPUTS: fact[3],
        "dagster/partition_row_count": 7,
    }


class Book:
    """Facts and judgement; ``cold`` starts with nothing read, ``warm`` goes on from the last time."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
        self._nodes, self._instance = nodes(definitions), instance

    def warm(self) -> int:
        """Number of stale assets."""
        return len(Staleness(self._nodes, Ledger.of(self._instance), Calendars(self._instance)).stale)

    def cold(self) -> int:
        """Number of stale assets, by facts that are read anew, as a new process reads them."""
        Ledger.forget()
        return self.warm()


class Composed(Platform):
    """The platform that `status` is asked of."""

    @property
    def externals(self) -> dict[dg.AssetKey, Callable[[str], str | None]]:
        """The raw assets."""
        return externals_of(self.definitions)


def status_of(definitions: dg.Definitions, instance: dg.DagsterInstance) -> int:
    """Compute what `ml-platform status` does; the number of stale assets."""
    Ledger.forget()  # the command is a process of its own
    platform = Composed(Settings(), [], [], lambda: definitions)
    return sum(bool(state.stale) for state in asset_states(platform, instance, datetime.now(UTC), {}))


def update_of(definitions: dg.Definitions, instance: dg.DagsterInstance, days: Sequence[str]) -> int:
    """Do what `ml-platform run` does when there is nothing to do; the number of runs."""
    Ledger.forget()  # the command is a process of its own
    updater = Updater(definitions, instance, externals_of(definitions))
    calendars = {node.calendar for node in updater.nodes.values() if node.calendar is not None}
    return len(updater.update(dict.fromkeys(calendars, days)).run_ids)
