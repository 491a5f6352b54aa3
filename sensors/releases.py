"""Watches the pointers of the production registry: what serves may change without a run."""

import dagster as dg

from ml_platform.orchestration.platform import Platform
from ml_platform.orchestration.pointers import report_all_changes

__all__ = ["releases_sensor"]


def releases_sensor(platform: Platform) -> dg.SensorDefinition:
    """Reports changes of what serves, and of shadows, that no run made, as events of the champions' assets."""

    @dg.sensor(
        name="releases",
        minimum_interval_seconds=30,
        description="Shows roll-backs, and shadows that begin or end, as events of the champion.",
    )
    def releases(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        with platform.backends() as backends:
            reported = report_all_changes(platform.use_cases, backends, context.instance)
        return dg.SkipReason(
            "; ".join(f"{e.use_case}/{e.model}: {e.action} of {e.stage}" for e in reported)
            or "nothing changed what serves"
        )

    return releases
