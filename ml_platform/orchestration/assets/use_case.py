"""One use case as Dagster definitions."""

from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from ml_platform.errors import ConfigurationError
from ml_platform.ingestion.source import RawSource
from ml_platform.orchestration.assets.champion import champion_asset
from ml_platform.orchestration.assets.dataset import dataset_asset
from ml_platform.orchestration.assets.model import model_asset
from ml_platform.orchestration.assets.performance import performance_asset
from ml_platform.orchestration.assets.predictions import (
    prediction_calendar,
    prediction_events_asset,
    predictions_asset,
)
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.retraining import retraining_sensor
from ml_platform.predictions.table import BatchScoring, batch_scoring
from ml_platform.use_case import Dataset, Model, UseCase

__all__ = ["CalendarOf", "OriginsOf", "use_case_definitions"]

CalendarOf = Callable[[str], Calendar | None]
"""The calendar that a relation follows; None: it follows none."""
OriginsOf = Callable[[str], Sequence[RawSource]]
"""The sources that a relation is made from."""


def use_case_definitions(
    use_case: UseCase,
    calendar_of: CalendarOf,
    origins_of: OriginsOf,
    use_cases: Mapping[str, UseCase] | None = None,
) -> dg.Definitions:
    """The assets, with their checks and conditions, and the retraining sensor of a use case.

    =========================== ========================================================
    declaration                 becomes
    =========================== ========================================================
    ``Dataset``                 ``<use_case>/dataset``
    ``Model``                   ``<use_case>/<model>`` and ``<use_case>/<model>/champion``
    ``BatchPrediction``         ``<use_case>/<model>/predictions``, ``…/performance``, and with a topic
                                ``…/prediction_events``
    ``Retraining``              the sensor ``<use_case>_retraining``
    =========================== ========================================================

    A ``FeatureView`` may be several use cases': see :func:`ml_platform.orchestration.assets.online.online_definitions`.

    Args:
        use_case: the declaration.
        calendar_of: looks up the calendars of relations.
        origins_of: looks up the sources that relations are made from.
        use_cases: the project's, by name: a batch prediction may ask another one's model.

    Raises:
        ConfigurationError: the events follow no calendar, or two parts of the use case want one asset key.
        NotFoundError: a batch prediction names a use case or model that there is not.
    """
    assets: list[dg.AssetsDefinition] = []
    if use_case.models:
        calendar = _calendar(use_case, use_case.data, calendar_of)
        assets.append(dataset_asset(use_case, calendar, _reports(use_case.data, origins_of)))
    for model in use_case.models:
        predicted = _predicted(use_case, model, calendar_of, use_cases)
        assets += [model_asset(use_case, model), champion_asset(use_case, model, predicted)]
    for declared in use_case.batch_predictions:
        scoring = batch_scoring(use_case, declared, use_cases)
        assets += _prediction_assets(
            scoring,
            prediction_calendar(scoring, calendar_of(scoring.dataset.events)),
            _reports(scoring.dataset, origins_of),
        )
    _require_distinct(use_case, assets)
    sensors = [retraining_sensor(use_case)] if use_case.models else []
    return dg.Definitions(assets=assets, sensors=sensors)


def _predicted(
    use_case: UseCase, model: Model, calendar_of: CalendarOf, use_cases: Mapping[str, UseCase] | None
) -> list[Calendar]:
    """The calendars of all predictions by a model, of whichever use case."""
    return [
        prediction_calendar(scoring, calendar_of(scoring.dataset.events))
        for asking in {**(use_cases or {}), use_case.name: use_case}.values()
        for scoring in (batch_scoring(asking, one, use_cases) for one in asking.batch_predictions)
        if (scoring.owner.name, scoring.model.name) == (use_case.name, model.name)
    ]


def _reports(dataset: Dataset, origins_of: OriginsOf) -> Sequence[RawSource]:
    """The sources that the labels are made from: their own, where they have any beside the events'."""
    if dataset.label is None:
        return []
    found, of_events = origins_of(dataset.label.relation), origins_of(dataset.events)
    return [one for one in found if one not in of_events] or found


def _prediction_assets(
    scoring: BatchScoring, calendar: Calendar, reports: Sequence[RawSource]
) -> list[dg.AssetsDefinition]:
    assets = [predictions_asset(scoring, calendar)]
    if scoring.declared.topic is not None:
        assets.append(prediction_events_asset(scoring, calendar))
    if scoring.dataset.label is not None:
        assets.append(performance_asset(scoring, calendar, reports))
    return assets


def _calendar(use_case: UseCase, dataset: Dataset, calendar_of: CalendarOf) -> Calendar:
    found = calendar_of(dataset.events)
    if found is None:
        raise ConfigurationError(
            f"dataset.events of use case {use_case.name} is {dataset.events!r}, which follows no calendar: there is "
            "no such dbt model, or it is made from no source, or from several; name one that is made from one, or say "
            "in its SQL which it follows"
        )
    return found


def _require_distinct(use_case: UseCase, assets: list[dg.AssetsDefinition]) -> None:
    keys = [key.to_user_string() for asset in assets for key in asset.keys]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise ConfigurationError(
            f"use case {use_case.name} wants {repeated} twice: a model named `dataset`, or two batch predictions by "
            "models of one name; rename the model, or declare the second batch prediction in another use case"
        )
