"""The state of every asset, as `ml-platform status` shows it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from ml_platform.orchestration.planning.attempts import failed_attempts
from ml_platform.orchestration.planning.calendars import Calendars
from ml_platform.orchestration.planning.check_states import CheckState, check_states
from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.nodes import nodes_of
from ml_platform.orchestration.planning.staleness import Staleness, digest
from ml_platform.orchestration.platform import Platform

__all__ = ["AssetState", "asset_states", "freshness_of"]


@dataclass(frozen=True)
class AssetState:
    """One asset: content version, when it was last materialised (UTC, ISO 8601), freshness, checks, staleness.

    ``partitions`` is how many of it there are (None for an asset without); ``freshness`` is fresh, late, overdue or
    ``-`` where there is no policy; ``stale`` says in words what is to be done, and is empty when nothing is; ``failed``
    is the error of the last attempt to do that, and empty when there was none or it went well.
    """

    asset: str
    version: str | None
    materialized_at: str | None
    partitions: int | None
    freshness: str
    checks_passed: int
    checks_failed: list[str]
    checks_warned: list[str]
    stale: str
    failed: str


def freshness_of(policy: object, materialized_at: datetime | None, now: datetime) -> str:
    """``fresh``, ``late`` (a warning) or ``overdue``, by a time-window policy; ``-`` without one."""
    if not isinstance(policy, TimeWindowFreshnessPolicy):
        return "-"
    age = now - materialized_at if materialized_at else timedelta.max
    if age > policy.fail_window.to_timedelta():
        return "overdue"
    return "late" if policy.warn_window and age > policy.warn_window.to_timedelta() else "fresh"


def asset_states(
    platform: Platform, instance: dg.DagsterInstance, now: datetime, serving: Mapping[dg.AssetKey, str]
) -> list[AssetState]:
    """The state of every asset, upstream first.

    Args:
        platform: whose assets.
        instance: what Dagster knows of them.
        now: for their freshness, with a zone.
        serving: the release that the registry names now, by the asset of each champion.
    """
    graph = platform.definitions.resolve_asset_graph()
    nodes = nodes_of(list(graph.assets_defs), platform.externals)
    ledger = Ledger.of(instance)
    staleness = Staleness(nodes, ledger, Calendars(instance))
    checks: dict[dg.AssetKey, list[CheckState]] = {}
    for check in check_states(instance, list(graph.asset_check_keys)).values():
        checks.setdefault(check.key.asset_key, []).append(check)
    failed = failed_attempts(instance, graph, staleness.stale.keys())
    states = []
    for key in graph.toposorted_asset_keys:
        if key not in nodes:
            continue
        count, newest = ledger.count(key), ledger.newest(key)
        at = datetime.fromtimestamp(newest, UTC) if newest is not None else None
        plain = nodes[key].calendar is None
        states.append(
            AssetState(
                asset=key.to_user_string(),
                version=serving.get(key) or _version(ledger, key, plain=plain),
                materialized_at=at.isoformat() if at else None,
                partitions=None if plain else count,
                freshness=freshness_of(graph.get(key).freshness_policy, at, now),
                checks_passed=sum(c.passed for c in checks.get(key, [])),
                checks_failed=_unmet(checks.get(key, []), dg.AssetCheckSeverity.ERROR),
                checks_warned=_unmet(checks.get(key, []), dg.AssetCheckSeverity.WARN),
                stale=staleness.why(key),
                failed=failed.get(key, ""),
            )
        )
    return states


def _version(ledger: Ledger, key: dg.AssetKey, *, plain: bool) -> str | None:
    """The version of an asset, of all its partitions together; None when it was never materialised."""
    if not ledger.count(key):
        return None
    return ledger.built(key)[None].version if plain else digest(ledger.digest(key))


def _unmet(checks: Iterable[CheckState], severity: dg.AssetCheckSeverity) -> list[str]:
    return sorted(one.key.name for one in checks if not one.passed and one.severity == severity)
