"""When an asset is materialised by itself: the rule of staleness as a Dagster automation condition."""

import functools
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.declarative_automation.serialized_objects import AutomationConditionCursor

from ml_platform.orchestration.planning.calendars import Calendars
from ml_platform.orchestration.planning.ledger import Ledger, Partition
from ml_platform.orchestration.planning.nodes import nodes_of
from ml_platform.orchestration.planning.staleness import Staleness
from ml_platform.orchestration.planning.storage import Place

__all__ = ["WhenStale", "when_missing", "when_stale"]


class WhenStale(dg.AutomationCondition[dg.AssetKey]):
    """True for the partitions of an asset that are stale, wait for nothing stale, and fulfil one more condition.

    That one is asked only of an asset of which something is stale: Dagster's own conditions cost more the more
    partitions there are, and of almost every asset almost every tick nothing is stale. It runs in the code location
    (`use_user_code_server`), as it reads versions from the event log. All assets of one tick see one state, and what is
    stale must be so still once it was seen that no run is at work on it: else what a run made that ended in between
    would be made twice.
    """

    _seen: tuple[object, Staleness, Place] | None = None

    def __init__(self, condition: dg.AutomationCondition[dg.AssetKey], said: str) -> None:
        self._condition = condition
        self._said = said

    @property
    def name(self) -> str:
        """Name shown in the UI."""
        return self._said

    @property
    def children(self) -> Sequence[dg.AutomationCondition[dg.AssetKey]]:
        """The condition that is asked of what is stale."""
        return [self._condition]

    @property
    def requires_cursor(self) -> bool:
        """It is stateless."""
        return False

    async def evaluate(  # type: ignore[override] # Dagster awaits it, as it does its own
        self, context: dg.AutomationContext[dg.AssetKey]
    ) -> dg.AutomationResult[dg.AssetKey]:
        """Dagster's entry point."""
        state, place = self._state(context)
        if context.key not in state.stale:
            return _Skipped(context, true_subset=context.get_empty_subset())
        rest = await context.for_child_condition(
            child_condition=self._condition, child_indices=[0], candidate_subset=context.candidate_subset
        ).evaluate_async()
        view = context.asset_graph_view
        found = state.ready_together.get(context.key, frozenset()) | _behind(context, state)
        # What was at work when the tick began may be done by now, and so is not in progress any more.
        if found and Ledger.of(view.instance).place != place:
            found &= self._read(context)[0].stale.get(context.key, frozenset())
        partitions = context.asset_graph.get(context.key).partitions_def
        if not found:
            ready = context.get_empty_subset()
        elif partitions is None:
            ready = view.get_full_subset(key=context.key)
        else:
            ready = view.get_subset_from_partition_keys(
                context.key, partitions, {key for key in found if key}
            )
        return dg.AutomationResult(
            context, true_subset=ready.compute_intersection(rest.true_subset), child_results=[rest]
        )

    @classmethod
    def _state(cls, context: dg.AutomationContext[dg.AssetKey]) -> tuple[Staleness, Place]:
        view = context.asset_graph_view
        if cls._seen is None or cls._seen[0] is not view:
            cls._seen = (view, *cls._read(context))
        return cls._seen[1:]

    @staticmethod
    def _read(context: dg.AutomationContext[dg.AssetKey]) -> tuple[Staleness, Place]:
        """The state of staleness now, and the place in the log up to which it is known."""
        graph, instance = context.asset_graph, context.asset_graph_view.instance
        nodes = nodes_of(list(graph.assets_defs) if isinstance(graph, AssetGraph) else [])
        ledger = Ledger.of(instance)
        return Staleness(nodes, ledger, Calendars(instance)), ledger.place


def _behind(context: dg.AutomationContext[dg.AssetKey], state: Staleness) -> frozenset[Partition]:
    """The partitions that wait only for the same partition of what this tick asks for: one run makes both in order."""
    key = context.key
    node = state.nodes[key]
    if node.calendar is None or node.together != {key}:
        return frozenset()

    @functools.cache
    def asked(dep: dg.AssetKey) -> AbstractSet[Partition]:
        upstream, subset = state.nodes.get(dep), context.request_subsets_by_key.get(dep)
        if upstream is None or upstream.calendar != node.calendar or subset is None:
            return frozenset()
        return subset.expensively_compute_partition_keys()

    def comes_first(dep: dg.AssetKey, partition: Partition) -> bool:
        return partition in asked(dep) and set(state.stale_read(key, dep, partition)) <= {partition}

    return frozenset(
        partition
        for partition in state.stale[key]
        if (waits := state.waits_for(key, partition)) and all(comes_first(dep, partition) for dep in waits)
    )


class _Skipped(dg.AutomationResult[dg.AssetKey]):
    """As if this tick had not been: conditions that look back go on from the last one that was evaluated."""

    def get_new_cursor(self) -> AutomationConditionCursor[dg.AssetKey]:
        before: AutomationConditionCursor[dg.AssetKey] | None = self._context._cursor  # noqa: SLF001 (there is no other way to it)
        return before if before is not None else super().get_new_cursor()


def _unhindered() -> dg.AutomationCondition[dg.AssetKey]:
    return (
        ~dg.AutomationCondition.in_progress()
        & (~dg.AutomationCondition.execution_failed() | _upstream_made_since_the_attempt())
        & ~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.in_progress())
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    )


def _upstream_made_since_the_attempt() -> dg.AutomationCondition[Any]:
    attempted = (
        dg.AutomationCondition.newly_requested() | dg.AutomationCondition.execution_failed().newly_true()
    )
    return dg.AutomationCondition.any_deps_updated().since(attempted)


def when_stale() -> dg.AutomationCondition[dg.AssetKey]:
    """Materialise what is stale, once: not while it runs, not behind a failed blocking check.

    What failed waits for a person, or for something upstream to be made.
    """
    return WhenStale(_unhindered(), "stale, and nothing upstream is in progress or blocked")


def when_missing() -> dg.AutomationCondition[dg.AssetKey]:
    """Materialise what was never made; refreshing it is somebody else's decision (a retraining sensor's)."""
    return WhenStale(
        _unhindered() & dg.AutomationCondition.missing(),
        "never made, and nothing upstream is in progress or blocked",
    )
