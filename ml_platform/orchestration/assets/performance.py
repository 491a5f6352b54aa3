"""Monitoring of the released model, by the labels that have been reported since."""

from datetime import date

import dagster as dg

from ml_platform.checks import CheckOutcome
from ml_platform.models.releases.registry import Registry
from ml_platform.monitoring.drift import score_drift
from ml_platform.monitoring.performance import performance, performance_check, performance_plot
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.naming import (
    DAILY,
    Materialized,
    asset_key,
    common,
    declaration_version,
)
from ml_platform.orchestration.assets.pictures import pictures
from ml_platform.orchestration.planning.calendar import end_of
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["performance_asset"]

_DRIFT_DAYS = 7


def performance_asset(use_case: UseCase) -> dg.AssetsDefinition:
    """``<use_case>/performance``: how the predictions did, and whether their scores drift."""
    key = dg.AssetKey([use_case.name, "performance"])
    checks = Checks(
        key,
        {
            "performance": "The metric that retraining watches is above its bound, on newly reported labels.",
            "score_drift": f"The scores of the last {_DRIFT_DAYS} days are spread as those of the test rows were.",
        },
    )

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([use_case.name, "predictions"]), asset_key(use_case.dataset.label.relation)],
        code_version=declaration_version(use_case.retraining, use_case.dataset.label.model_dump_json()),
        description="Metrics of the released predictions on days whose labels have been reported, day by day.",
        check_specs=checks.specs,
        freshness_policy=DAILY,
        automation_condition=when_stale(),
        pool="warehouse",
        **common(use_case, "monitoring"),
    )
    def performance_(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        registry: dg.ResourceParam[ObjectStore],
    ) -> Materialized:
        recording = Recording(context)
        releases = Registry(registry)
        days = [
            day
            for day in recording.calendar
            if day in recording.built_days(dg.AssetKey([use_case.name, "predictions"]))
        ]
        trained = {r.version: r.manifest.train_window.end for r in releases.list(use_case.name)}
        found = performance(use_case, warehouse, as_of=end_of(recording.calendar[-1]), trained_until=trained)
        outcomes = [performance_check(use_case, found)]
        release = releases.current(use_case.name)
        if release is None or release.manifest.test_scores is None:
            outcomes.append(
                CheckOutcome(
                    "score_drift", passed=True, description="the release names no scores to compare with"
                )
            )
        else:
            recent = [date.fromisoformat(day) for day in days[-_DRIFT_DAYS:]]
            outcomes.append(
                score_drift(use_case, warehouse, release.manifest.test_scores, release.version, recent)
            )
        recording.finish(key, recording.derived_version(key, None))
        return dg.MaterializeResult(
            metadata={
                "plots": pictures({"performance": performance_plot(found)}),
                "rows judged": sum(day.rows for day in found.days),
                "rows left out (in sample)": found.in_sample,
                **{name: float(value) for name, value in found.metrics.items()},
            },
            check_results=checks.results(outcomes),
        )

    return performance_
