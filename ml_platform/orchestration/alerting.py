"""Failures as alerts: which asset, whose it is, what happened, and where to look."""

from collections.abc import Iterable

import dagster as dg

from ml_platform.monitoring.alerts.base import Alert
from ml_platform.orchestration.platform import Platform

__all__ = ["MAY_FAIL_TAG", "assets_of_step", "check_alert", "failure_alert"]

MAY_FAIL_TAG = "ml_platform/may_fail"
"""Run tag of runs whose failure is dealt with by whoever started them, and raises no alert."""


def failure_alert(platform: Platform, key: dg.AssetKey, error: str, run_id: str) -> Alert:
    """An asset could not be materialised."""
    return Alert(
        asset=key.to_user_string(),
        owner=_owner(platform, key),
        title=f"{key.to_user_string()} failed",
        detail=error.strip(),
        link=f"{platform.settings.dagster_ui_url}/runs/{run_id}",
        route=_route(platform, key),
    )


def check_alert(platform: Platform, evaluation: dg.AssetCheckEvaluation, run_id: str) -> Alert:
    """A check failed."""
    key = evaluation.asset_key
    return Alert(
        asset=key.to_user_string(),
        owner=_owner(platform, key),
        title=f"check {evaluation.check_name} of {key.to_user_string()} failed",
        detail=evaluation.description or "",
        link=f"{platform.settings.dagster_ui_url}/runs/{run_id}",
        severity="error" if evaluation.severity == dg.AssetCheckSeverity.ERROR else "warning",
        route=_route(platform, key),
    )


def assets_of_step(
    platform: Platform, step_key: str, selected: Iterable[dg.AssetKey] | None
) -> list[dg.AssetKey]:
    """The assets that a step of a run makes."""
    chosen = frozenset(selected) if selected else None
    for definition in platform.definitions.resolve_asset_graph().assets_defs:
        if definition.is_executable and definition.node_def.name == step_key:
            return sorted(key for key in definition.keys if chosen is None or key in chosen)
    return []


def _owner(platform: Platform, key: dg.AssetKey) -> str:
    graph = platform.definitions.resolve_asset_graph()
    return ", ".join(graph.get(key).owners) if graph.has(key) else ""


def _route(platform: Platform, key: dg.AssetKey) -> str:
    graph = platform.definitions.resolve_asset_graph()
    group = graph.get(key).group_name if graph.has(key) else ""
    return next((u.alert_route for u in platform.use_cases if u.name == group), "log")
