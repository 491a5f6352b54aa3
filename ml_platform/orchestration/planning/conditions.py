"""When an asset is materialised by itself: the rule of staleness as a Dagster automation condition."""

from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from ml_platform.orchestration.planning.calendars import Calendars
from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.nodes import nodes_of
from ml_platform.orchestration.planning.staleness import Staleness

__all__ = ["Stale", "when_missing", "when_stale"]


class Stale(dg.AutomationCondition[dg.AssetKey]):
    """True for the partitions of an asset that are stale and wait for nothing stale.

    It runs in the code location (`use_user_code_server`), as it reads versions from the event log. All assets of one
    tick see one state.
    """

    _seen: tuple[object, Staleness] | None = None

    @property
    def name(self) -> str:
        """Name shown in the UI."""
        return "stale"

    @property
    def requires_cursor(self) -> bool:
        """It is stateless."""
        return False

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        """Dagster's entry point."""
        state = self._state(context)
        found = state.ready_together.get(context.key, frozenset())
        view = context.asset_graph_view
        partitions = context.asset_graph.get(context.key).partitions_def
        if not found:
            subset = context.get_empty_subset()
        elif partitions is None:
            subset = view.get_full_subset(key=context.key)
        else:
            subset = view.get_subset_from_partition_keys(
                context.key, partitions, {key for key in found if key}
            )
        return dg.AutomationResult(context, true_subset=subset)

    @classmethod
    def _state(cls, context: dg.AutomationContext[dg.AssetKey]) -> Staleness:
        view = context.asset_graph_view
        if cls._seen is None or cls._seen[0] is not view:
            graph = context.asset_graph
            definitions = list(graph.assets_defs) if isinstance(graph, AssetGraph) else []
            instance = view.instance
            ledger = Ledger.of(instance)
            cls._seen = (view, Staleness(nodes_of(definitions), ledger, Calendars(instance)))
        return cls._seen[1]


def _when(condition: dg.AutomationCondition[dg.AssetKey], label: str) -> dg.AutomationCondition[dg.AssetKey]:
    return (
        condition
        & ~dg.AutomationCondition.in_progress()
        & (~dg.AutomationCondition.execution_failed() | _upstream_made_since_the_attempt())
        & ~dg.AutomationCondition.any_deps_match(dg.AutomationCondition.in_progress())
        & dg.AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label(label)


def _upstream_made_since_the_attempt() -> dg.AutomationCondition[Any]:
    attempted = (
        dg.AutomationCondition.newly_requested() | dg.AutomationCondition.execution_failed().newly_true()
    )
    return dg.AutomationCondition.any_deps_updated().since(attempted)


def when_stale() -> dg.AutomationCondition[dg.AssetKey]:
    """Materialise what is stale, once: not while it runs, not behind a failed blocking check.

    What failed waits for a person, or for something upstream to be made.
    """
    return _when(Stale(), "stale, and nothing upstream is in progress or blocked")


def when_missing() -> dg.AutomationCondition[dg.AssetKey]:
    """Materialise what was never made; refreshing it is somebody else's decision (a retraining sensor's)."""
    return _when(
        Stale() & dg.AutomationCondition.missing(),
        "never made, and nothing upstream is in progress or blocked",
    )
