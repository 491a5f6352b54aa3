"""Prediction events: one CloudEvent for each row of predictions."""

import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from ml_platform.errors import NotFoundError
from ml_platform.events.base import Publisher
from ml_platform.events.cloudevents import CloudEvent, event_id, timestamp
from ml_platform.predictions.table import DAY, RELEASE, SCORE, batch_prediction
from ml_platform.use_case import BatchPrediction, UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["EVENT_TYPE", "PublishedDays", "publish_days"]

_log = logging.getLogger(__name__)

EVENT_TYPE = "ml-platform.prediction.v1"
_BATCH = 10_000


@dataclass(frozen=True)
class PublishedDays:
    """What publishing came to.

    Attributes:
        rows: predictions of each day, by day.
        new: events that the topic did not have; None: the bus cannot tell.
        duplicates: events that it had already; None: the bus cannot tell.
    """

    rows: Mapping[date, int]
    new: int | None
    duplicates: int | None


def publish_days(
    use_case: UseCase,
    days: Sequence[date],
    warehouse: Warehouse,
    publisher: Publisher,
    progress: Callable[[str], None] = _log.info,
) -> PublishedDays:
    """Publish the predictions of ``days``, ordered by time and then id.

    An event's id is derived from release, entity and time, so that publishing again is harmless and a new
    release's prediction of the same event is news. Killed half way, the next call publishes the rest.

    Raises:
        ConfigurationError: the use case declares no batch prediction.
        NotFoundError: there is no table of predictions yet.
    """
    declared = batch_prediction(use_case)
    if not warehouse.exists(declared.relation):
        raise NotFoundError(
            f"there is no {declared.relation}; materialise the predictions of {use_case.name} first"
        )
    wanted = sorted(set(days))
    rows = dict.fromkeys(wanted, 0)
    with _predictions(use_case, declared, wanted, warehouse) as reader:
        published = publisher.publish(declared.topic, _events(use_case, reader, rows, progress))
    return PublishedDays(rows, published.new, published.duplicates)


@contextmanager
def _predictions(
    use_case: UseCase, declared: BatchPrediction, days: list[date], warehouse: Warehouse
) -> Iterator[pa.RecordBatchReader]:
    """The predictions, by way of a file, so that the warehouse is free while they are published."""
    dialect, id_, occurred_at = warehouse.dialect, use_case.dataset.id, use_case.dataset.occurred_at
    columns = dict.fromkeys((id_, occurred_at, RELEASE, SCORE, DAY, *declared.columns))
    sql = (
        f"SELECT {dialect.listed(columns)} FROM {dialect.quoted(declared.relation)}"
        f" WHERE {dialect.is_in(dialect.quoted(DAY), 'days', pa.date32())}"
        f" ORDER BY {dialect.listed((occurred_at, id_))}"
    )
    with tempfile.TemporaryFile() as file:
        with (
            warehouse.read(sql, {"days": days}, batch_rows=_BATCH) as reader,
            pa.ipc.new_stream(file, reader.schema) as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
        file.seek(0)
        yield pa.ipc.open_stream(file)


def _events(
    use_case: UseCase, reader: pa.RecordBatchReader, rows: dict[date, int], progress: Callable[[str], None]
) -> Iterator[CloudEvent]:
    """One event a row; counts the rows of each day."""
    names = [name for name in reader.schema.names if name != DAY]
    source = f"/ml-platform/{use_case.name}"
    for batch in reader:
        for row in zip(*(_plain(batch.column(name)) for name in names), strict=True):
            entity, time, release = str(row[0]), row[1], row[2]
            data = dict(zip(names, row, strict=True))
            yield CloudEvent(event_id(release, entity, time), source, EVENT_TYPE, time, entity, data)
        for count in batch.column(DAY).value_counts().to_pylist():
            rows[count["values"]] += count["counts"]
        progress(f"{use_case.name}: {sum(rows.values())} events published")


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
