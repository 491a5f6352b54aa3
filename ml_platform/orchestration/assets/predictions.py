"""Batch predictions by the champion, and the events that announce them."""

from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg

from ml_platform.errors import NotFoundError
from ml_platform.events.base import Publisher
from ml_platform.models.frameworks.base import framework
from ml_platform.models.releases.registry import Registry
from ml_platform.orchestration.assets.naming import (
    DAILY,
    Materialized,
    asset_key,
    common,
    declaration_version,
)
from ml_platform.orchestration.planning.calendar import DAYS
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.nodes import READS, STARTS_WITH, Reads
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.predictions.batch import predict_days
from ml_platform.predictions.publish import publish_days
from ml_platform.predictions.table import batch_prediction
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["prediction_events_asset", "predictions_asset"]


def predictions_asset(use_case: UseCase) -> dg.AssetsDefinition:
    """``<use_case>/predictions``: daily scores, each row with the release that made it."""
    key = dg.AssetKey([use_case.name, "predictions"])
    champion = dg.AssetKey([use_case.name, "champion"])
    declared = batch_prediction(use_case)
    views = {asset_key(v.view.relation): _days_read(v.view.ttl) for v in use_case.dataset.views}
    # A new champion scores what comes from then on; what was predicted stays as it was decided.
    reads: dict[str, Reads] = {champion.to_user_string(): "order"}
    reads |= {k.to_user_string(): days for k, days in views.items()}

    @dg.asset(
        key=key,
        deps=[asset_key(use_case.dataset.events), *views, champion],
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version=declaration_version(
            use_case.dataset, declared.model_dump_json(), leave_out={"data_schema", "label"}
        ),
        metadata={
            READS: reads,
            STARTS_WITH: champion.to_user_string(),
            "dagster/relation_identifier": declared.relation,
        },
        description=(
            "Scores of every event of a day by the champion as of the run. The days from the champion's test window on "
            "are kept up to date; earlier ones are what it learnt from, and are scored only when asked for."
        ),
        freshness_policy=DAILY,
        automation_condition=when_stale(),
        pool="warehouse",
        **common(use_case, "table", use_case.model.framework),
    )
    def predictions(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        registry: dg.ResourceParam[ObjectStore],
        scratch: dg.ResourceParam[Path],
    ) -> Materialized:
        recording = Recording(context)
        releases = Registry(registry)
        release = releases.current(use_case.name)
        if release is None:
            raise NotFoundError(
                f"{use_case.name} has no release to predict with; materialise {champion.to_user_string()} first"
            )
        model = framework(release.manifest.framework).model.load(
            releases.fetch(release, scratch / "releases")
        )
        made = predict_days(use_case, _dates(recording.days), warehouse, release, model, context.log.info)
        rows = {day.day.isoformat(): day.rows for day in made}
        recording.finish(
            key,
            {day.day.isoformat(): day.version for day in made},
            rows=rows,
            metadata={"release": release.version},
        )
        return dg.MaterializeResult(metadata={"rows written": sum(rows.values())})

    return predictions


def prediction_events_asset(use_case: UseCase) -> dg.AssetsDefinition:
    """``<use_case>/prediction_events``: one published event for each prediction."""
    key = dg.AssetKey([use_case.name, "prediction_events"])
    upstream = dg.AssetKey([use_case.name, "predictions"])
    declared = batch_prediction(use_case)

    @dg.asset(
        key=key,
        deps=[upstream],
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version=declaration_version(declared),
        metadata={
            STARTS_WITH: dg.AssetKey([use_case.name, "champion"]).to_user_string(),
            "topic": declared.topic,
        },
        description=f"The predictions as CloudEvents on the topic `{declared.topic}`; publishing again adds nothing.",
        freshness_policy=DAILY,
        automation_condition=when_stale(),
        pool="warehouse",
        **common(use_case, "cloudevents"),
    )
    def prediction_events(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        publisher: dg.ResourceParam[Publisher],
    ) -> Materialized:
        recording = Recording(context)
        published = publish_days(use_case, _dates(recording.days), warehouse, publisher, context.log.info)
        recording.finish(
            key,
            {day: recording.derived_version(key, day) for day in recording.days},
            rows={day.isoformat(): rows for day, rows in published.rows.items()},
        )
        told = {"events published": published.new, "published before": published.duplicates}
        return dg.MaterializeResult(metadata={name: n for name, n in told.items() if n is not None})

    return prediction_events


def _dates(days: Iterable[str]) -> list[date]:
    return [date.fromisoformat(day) for day in days]


def _days_read(ttl: timedelta | None) -> Reads:
    return "before" if ttl is None else ttl.days + 1
