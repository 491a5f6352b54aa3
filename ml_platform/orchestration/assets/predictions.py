"""Batch predictions by the champion and its shadows, and the events that announce the champion's."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import dagster as dg

from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError
from ml_platform.events.base import Publisher
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.versions import code_version
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.naming import (
    Materialized,
    asset_key,
    common,
    declaration_version,
    freshness_of,
)
from ml_platform.orchestration.assets.progress import progress_of
from ml_platform.orchestration.planning.calendars import Calendar, derived
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.nodes import DAY, READS, STARTS_WITH, Reads
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.stores import note_written
from ml_platform.predictions.batch import predict_partitions
from ml_platform.predictions.publish import publish_partitions
from ml_platform.predictions.scorers import load_scorers
from ml_platform.predictions.table import BatchScoring
from ml_platform.storage.base import ObjectStore
from ml_platform.warehouse.base import Warehouse

__all__ = ["prediction_calendar", "prediction_events_asset", "prediction_key", "predictions_asset"]


def prediction_calendar(scoring: BatchScoring, events: Calendar | None) -> Calendar:
    """The calendar of predictions: the events', or one of the cadence that is declared, from a release's start on.

    Raises:
        ConfigurationError: the events follow no calendar.
    """
    if events is None:
        raise ConfigurationError(
            f"dataset.events of use case {scoring.use_case.name} is {scoring.dataset.events!r}, which follows no "
            "calendar: there is no such dbt model, or it is made from no source, or from several; name one that is "
            "made from one source of the landing folder"
        )
    cadence = scoring.declared.cadence
    of = derived(events, cadence) if cadence and cadence != events.cadence else events
    name = f"{scoring.use_case.name}_{scoring.model.name}_predictions"
    return Calendar(name, of.cadence, of, of.instant, begins=True)


def prediction_key(scoring: BatchScoring, name: str) -> dg.AssetKey:
    """``<use_case>/<model>/<name>``: by the use case that asks, and the model that predicts."""
    return dg.AssetKey([scoring.use_case.name, scoring.model.name, name])


def predictions_asset(scoring: BatchScoring, calendar: Calendar) -> dg.AssetsDefinition:
    """``<use_case>/<model>/predictions``: what the champion and its shadows predict, each row with its release.

    Args:
        scoring: what is scored, and by which model.
        calendar: of the partitions.
    """
    key = prediction_key(scoring, "predictions")
    champion = dg.AssetKey([scoring.owner.name, scoring.model.name, "champion"])
    declared, dataset, request = scoring.declared, scoring.dataset, scoring.model.request_features
    views = {asset_key(v.view.relation): _read_of(v.view.ttl) for v in dataset.views}
    # A new champion scores what comes from then on; what was predicted stays as it was decided.
    reads: dict[str, Reads] = {champion.to_user_string(): "order"}
    reads |= {k.to_user_string(): rule for k, rule in views.items()}
    checks = Checks(key, {"shadows": "Every shadow predicted the events that the champion did."})

    @dg.asset(
        key=key,
        deps=[asset_key(dataset.events), *views, champion],
        partitions_def=calendar.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version=declaration_version(
            dataset,
            declared.model_dump_json(),
            code_version(request) if request else "",
            leave_out={"data_schema", "label"},
        ),
        metadata={
            READS: reads,
            STARTS_WITH: champion.to_user_string(),
            "dagster/relation_identifier": declared.relation,
            **calendar.metadata,
        },
        description=(
            f"Predictions of every event of a {calendar.cadence.noun} by the champion as of the run, and by its "
            "shadows. The partitions from the champion's test window on are kept up to date; earlier ones are what it "
            "learnt from, and are scored only when asked for."
        ),
        check_specs=checks.specs,
        freshness_policy=freshness_of(calendar.cadence),
        automation_condition=when_stale(),
        pool="warehouse",
        **common(scoring.use_case, "table", scoring.model.framework),
    )
    @explained
    def predictions(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        registry: dg.ResourceParam[ObjectStore],
        scratch: dg.ResourceParam[Path],
    ) -> Materialized:
        recording = Recording(context)
        scorers = load_scorers(
            Registry(registry), scoring.owner.name, scoring.model.name, scratch / "releases"
        )
        made = predict_partitions(
            scoring,
            calendar.cadence,
            recording.keys,
            warehouse,
            scorers,
            progress_of(context),
            instant=calendar.instant,
        )
        note_written(context.instance, "warehouse", warehouse)
        rows = {partition.key: partition.rows for partition in made.champion}
        recording.finish(
            key,
            {partition.key: partition.version for partition in made.champion},
            rows=rows,
            metadata={"release": scorers.champion.release.version, "promotion": scorers.champion.promotion},
        )
        shadows = {stage: sum(p.rows for p in found) for stage, found in made.shadows.items()}
        return dg.MaterializeResult(
            metadata={
                "rows written": sum(rows.values()),
                **({"rows of shadows": dg.MetadataValue.json(shadows)} if shadows else {}),
            },
            check_results=checks.results([_shadows(shadows, made.failed)]),
        )

    return predictions


def prediction_events_asset(scoring: BatchScoring, calendar: Calendar) -> dg.AssetsDefinition:
    """``<use_case>/<model>/prediction_events``: one published event for each prediction that serves.

    Args:
        scoring: whose predictions; it declares a topic.
        calendar: of the partitions.
    """
    key, upstream = prediction_key(scoring, "prediction_events"), prediction_key(scoring, "predictions")
    champion = dg.AssetKey([scoring.owner.name, scoring.model.name, "champion"])
    declared = scoring.declared

    @dg.asset(
        key=key,
        deps=[upstream],
        partitions_def=calendar.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version=declaration_version(declared),
        metadata={
            STARTS_WITH: champion.to_user_string(),
            "topic": declared.topic or "",
            **calendar.metadata,
        },
        description=f"The predictions as CloudEvents on the topic `{declared.topic}`; publishing again adds nothing.",
        freshness_policy=freshness_of(calendar.cadence),
        automation_condition=when_stale(),
        pool="warehouse",
        **common(scoring.use_case, "cloudevents"),
    )
    @explained
    def prediction_events(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        publisher: dg.ResourceParam[Publisher],
    ) -> Materialized:
        recording = Recording(context)
        published = publish_partitions(
            scoring, calendar.cadence, recording.keys, warehouse, publisher, progress_of(context)
        )
        note_written(context.instance, "events", publisher)
        recording.finish(
            key,
            {partition: recording.derived_version(key, partition) for partition in recording.keys},
            rows=published.rows,
        )
        told = {"events published": published.new, "published before": published.duplicates}
        return dg.MaterializeResult(metadata={name: n for name, n in told.items() if n is not None})

    return prediction_events


def _shadows(rows: Mapping[str, int], failed: Mapping[str, str]) -> CheckOutcome:
    said = [f"{stage}: {why}" for stage, why in failed.items()]
    scored = ", ".join(f"{stage} {count} rows" for stage, count in rows.items())
    text = "; ".join(said) or scored or "there are no shadows"
    return CheckOutcome("shadows", not failed, text, {"rows": dict(rows)}, severity="WARN")


def _read_of(ttl: timedelta | None) -> Reads:
    # A day more than the time to live: a view's row may be of the partition in which its time ends.
    return "before" if ttl is None else ttl.total_seconds() + DAY
