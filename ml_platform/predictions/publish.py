"""Prediction events: one CloudEvent for each row of predictions."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from ml_platform.errors import NotFoundError
from ml_platform.events.base import EventBus
from ml_platform.events.cloudevents import CloudEvent, event_id, timestamp
from ml_platform.predictions.table import DAY, RELEASE, SCORE, batch_prediction
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse, identifier

__all__ = ["EVENT_TYPE", "DayEvents", "publish_days"]

_log = logging.getLogger(__name__)

EVENT_TYPE = "ml-platform.prediction.v1"


@dataclass(frozen=True)
class DayEvents:
    """What publishing one day's predictions came to."""

    day: date
    new: int
    duplicates: int


def publish_days(
    use_case: UseCase,
    days: Sequence[date],
    warehouse: Warehouse,
    bus: EventBus,
    progress: Callable[[str], None] = _log.info,
) -> list[DayEvents]:
    """Publish the predictions of ``days``, day after day, ordered by time and then id.

    An event's id is derived from release, entity and time, so that publishing again is harmless and a new
    release's prediction of the same event is news. Killed half way, the next call publishes the rest.

    Returns:
        One entry a day, ordered by day.

    Raises:
        ConfigurationError: the use case declares no batch prediction.
        NotFoundError: there is no table of predictions yet.
    """
    declared = batch_prediction(use_case)
    if not warehouse.exists(declared.relation):
        raise NotFoundError(
            f"there is no {declared.relation}; materialise the predictions of {use_case.name} first"
        )
    id_, occurred_at = identifier(use_case.dataset.id), identifier(use_case.dataset.occurred_at)
    columns = dict.fromkeys((id_, occurred_at, RELEASE, SCORE, *map(identifier, declared.columns)))
    sql = (
        f"SELECT {', '.join(columns)} FROM {identifier(declared.relation)}"
        f" WHERE {DAY} = ? ORDER BY {occurred_at}, {id_}"
    )
    results = []
    for day in sorted(set(days)):
        with warehouse.read(sql, [day]) as reader:
            published = bus.publish(declared.topic, _events(use_case, reader))
        results.append(DayEvents(day, published.new, published.duplicates))
        progress(
            f"{use_case.name}: {day}: {published.new} events published, {published.duplicates} known already"
        )
    return results


def _events(use_case: UseCase, reader: pa.RecordBatchReader) -> Iterator[CloudEvent]:
    names: list[str] = reader.schema.names
    source = f"/ml-platform/{use_case.name}"
    for batch in reader:
        for row in zip(*(_plain(column) for column in batch.columns), strict=True):
            entity, time, release = str(row[0]), row[1], row[2]
            data = dict(zip(names, row, strict=True))
            yield CloudEvent(event_id(release, entity, time), source, EVENT_TYPE, time, entity, data)


def _plain(column: pa.Array) -> list[Any]:
    """Values as JSON has them: times as RFC 3339, NaN as null, decimals as strings."""
    values: list[Any] = column.to_pylist()
    if pa.types.is_timestamp(column.type):
        return [None if v is None else timestamp(v) for v in values]
    if pa.types.is_floating(column.type):
        return [None if v is None or not math.isfinite(v) else v for v in values]
    if pa.types.is_date(column.type) or pa.types.is_decimal(column.type):
        return [None if v is None else str(v) for v in values]
    return values
