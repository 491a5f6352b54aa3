"""Prediction events: one CloudEvent for each prediction that serves."""

import logging
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml_platform.cadence import Cadence, PartitionValue
from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.events.base import Publisher
from ml_platform.events.cloudevents import CloudEvent, event_id, timestamp
from ml_platform.predictions.table import MODEL, PROMOTION, RELEASE, STAGE, BatchScoring, serving_sql
from ml_platform.warehouse.base import Warehouse

__all__ = ["EVENT_TYPE", "PublishedPartitions", "publish_partitions"]

_log = logging.getLogger(__name__)

EVENT_TYPE = "ml-platform.prediction.v1"
_BATCH = 10_000


@dataclass(frozen=True)
class PublishedPartitions:
    """The result of publishing.

    Attributes:
        rows: predictions of each partition, by its key.
        new: events that the topic did not have; None: the bus cannot tell.
        duplicates: events that it had already; None: the bus cannot tell.
    """

    rows: Mapping[str, int]
    new: int | None
    duplicates: int | None


def publish_partitions(
    scoring: BatchScoring,
    cadence: Cadence,
    keys: Sequence[str],
    warehouse: Warehouse,
    publisher: Publisher,
    progress: Callable[[str], None] = _log.info,
) -> PublishedPartitions:
    """Publish the predictions of some partitions that serve, ordered by time and then id.

    In each partition these are the champion's newest, so those that were just made: neither a shadow's, nor what an
    earlier champion predicted, is announced. An event's id is derived from release, entity and time, so that publishing
    again is harmless and a new release's prediction of the same event is news. Killed half way, the next call
    publishes the rest.

    Args:
        scoring: whose predictions.
        cadence: of the partitions.
        keys: theirs.
        warehouse: that holds the predictions.
        publisher: where events go.
        progress: told how many are published.

    Raises:
        ConfigurationError: the batch prediction declares no topic.
        NotFoundError: there is no table of predictions yet.
    """
    declared = scoring.declared
    if declared.topic is None:
        raise ConfigurationError(
            f"the batch prediction {declared.relation} of {scoring.use_case.name} declares no topic; name one"
        )
    if not warehouse.exists(declared.relation):
        raise NotFoundError(
            f"there is no {declared.relation}; materialise the predictions by {scoring.name} first"
        )
    wanted = sorted(set(keys), key=cadence.start)
    rows = dict.fromkeys(wanted, 0)
    values = [cadence.column_value(key) for key in wanted]
    with _predictions(scoring, cadence, values, warehouse) as reader:
        published = publisher.publish(declared.topic, _events(scoring, cadence, reader, rows, progress))
    return PublishedPartitions(rows, published.new, published.duplicates)


@contextmanager
def _predictions(
    scoring: BatchScoring, cadence: Cadence, values: list[PartitionValue], warehouse: Warehouse
) -> Iterator[pa.RecordBatchReader]:
    """The predictions, by way of a file, so that the warehouse is free while they are published."""
    dialect, dataset = warehouse.dialect, scoring.dataset
    serving = serving_sql(scoring, cadence, dialect, "partitions")
    sql = (
        f"SELECT * FROM (\n{serving.sql}\n) AS serving\n"
        f"ORDER BY {dialect.listed((dataset.occurred_at, dataset.id))}"
    )
    with tempfile.TemporaryFile() as file:
        with (
            warehouse.read(sql, {**serving.parameters, "partitions": values}, batch_rows=_BATCH) as reader,
            pa.ipc.new_stream(file, reader.schema) as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
        file.seek(0)
        yield pa.ipc.open_stream(file)


def _events(
    scoring: BatchScoring,
    cadence: Cadence,
    reader: pa.RecordBatchReader,
    rows: dict[str, int],
    progress: Callable[[str], None],
) -> Iterator[CloudEvent]:
    """One event a row; counts the rows of each partition."""
    dataset = scoring.dataset
    told = (dataset.id, dataset.occurred_at, RELEASE)
    rest = [n for n in reader.schema.names if n not in (*told, MODEL, STAGE, PROMOTION, cadence.column)]
    names = [*told, *rest]
    source = f"/ml-platform/{scoring.name}"
    for batch in reader:
        for row in zip(*(_plain(batch.column(name)) for name in names), strict=True):
            entity, time, release = str(row[0]), row[1], row[2]
            data = dict(zip(names, row, strict=True))
            yield CloudEvent(event_id(release, entity, time), source, EVENT_TYPE, time, entity, data)
        for count in batch.column(cadence.column).value_counts().to_pylist():
            rows[cadence.key_of(count["values"])] += count["counts"]
        progress(f"{scoring.name}: {sum(rows.values())} events published")


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
