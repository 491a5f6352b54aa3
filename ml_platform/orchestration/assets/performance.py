"""Monitoring of the released model, by the labels that have been reported since."""

from datetime import UTC, date, datetime, time, timedelta

import dagster as dg

from ml_platform.models.releases.registry import Registry
from ml_platform.monitoring.drift import prediction_drift
from ml_platform.monitoring.performance import performance, performance_check, performance_plot
from ml_platform.monitoring.served import Served
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
from ml_platform.predictions.table import batch_prediction
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Query, Warehouse

__all__ = ["performance_asset"]

_DRIFT_DAYS = 7


def performance_asset(use_case: UseCase) -> dg.AssetsDefinition:
    """``<use_case>/performance``: how the predictions did, and whether they drift."""
    key = dg.AssetKey([use_case.name, "performance"])
    label, relation = use_case.data.label, batch_prediction(use_case).relation
    reports = [asset_key(label.relation)] if label else []
    checks = Checks(
        key,
        {
            "performance": "The metric that retraining watches keeps its limit, on newly reported labels.",
            "prediction_drift": f"Predictions of the last {_DRIFT_DAYS} days are spread as those of the test rows.",
        },
    )

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([use_case.name, "predictions"]), *reports],
        code_version=declaration_version(use_case.retraining, label.model_dump_json() if label else ""),
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
        rows = Query(f"SELECT * FROM {warehouse.dialect.quoted(relation)}", {})
        served = Served(relation, rows, use_case.data, use_case.model())
        found = performance(served, warehouse, as_of=end_of(recording.calendar[-1]), trained_until=trained)
        release = releases.current(use_case.name)
        end = _start_of(days[-1]) + timedelta(days=1) if days else end_of(recording.calendar[-1])
        drift = prediction_drift(
            served,
            warehouse,
            release.manifest.test_predictions if release else None,
            release.version if release else None,
            first=_start_of(days[-_DRIFT_DAYS:][0]) if days else end,
            end=end,
        )
        outcomes = [performance_check(use_case, served, found), drift]
        recording.finish(key, recording.derived_version(key, None))
        return dg.MaterializeResult(
            metadata={
                "plots": pictures({"performance": performance_plot(found, served.task.watched)}),
                "rows judged": found.rows,
                "rows left out (in sample)": found.in_sample,
                **{name: float(value) for name, value in found.metrics.items()},
            },
            check_results=checks.results(outcomes),
        )

    return performance_


def _start_of(day: str) -> datetime:
    return datetime.combine(date.fromisoformat(day), time(), UTC)
