"""Batch predictions: the champion's scores of whole days, written to the warehouse."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.datasets.query import scoring_sql
from ml_platform.errors import DataError, SchemaMismatchError
from ml_platform.models.releases.manifest import Release
from ml_platform.models.tasks.base import Predictor, require_schema, task
from ml_platform.models.training.data import add_request_features
from ml_platform.predictions.table import DAY, RELEASE, batch_prediction
from ml_platform.use_case import BatchPrediction, UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["DayPredictions", "predict_days"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DayPredictions:
    """The predictions of one UTC day.

    Attributes:
        day: the day on which the events occurred.
        rows: number of events scored.
        version: content version of the day's rows.
        release: version of the release that scored them.
    """

    day: date
    rows: int
    version: str
    release: str


def predict_days(
    use_case: UseCase,
    days: Sequence[date],
    warehouse: Warehouse,
    release: Release,
    model: Predictor,
    progress: Callable[[str], None] = _log.info,
) -> list[DayPredictions]:
    """Score every event of ``days`` and replace those days' predictions, all in one transaction.

    Rows stream through in bounded memory. Killed at any instant, the table holds the old predictions of all
    the days or the new ones. The same release on the same features gives the same rows.

    Args:
        use_case: whose declaration.
        days: UTC days; days without events are emptied.
        warehouse: where features are read and predictions are written.
        release: stated on each row.
        model: what was loaded from the release.
        progress: told how many rows are done.

    Returns:
        One entry a day, ordered by day.

    Raises:
        ConfigurationError: the use case declares no batch prediction.
        SchemaMismatchError: the use case no longer has a feature that the release needs; nothing was written.
        DataError: the model gave predictions that are not finite; nothing was written.
    """
    declared = batch_prediction(use_case)
    _require_features(use_case, release)
    if not days:
        return []
    wanted = sorted(set(days))
    sql, parameters = scoring_sql(use_case.data, warehouse.dialect, wanted)
    with warehouse.read(sql, parameters) as reader:
        schema = _schema(use_case, declared, reader.schema)
        batches = _score(use_case, reader, schema, release, model, progress)
        warehouse.replace_partitions(declared.relation, DAY, wanted, batches, schema)
    versions = warehouse.partition_versions(declared.relation, DAY, wanted)
    return [DayPredictions(day, versions[day][1], versions[day][0], release.version) for day in wanted]


def _require_features(use_case: UseCase, release: Release) -> None:
    declared = {*use_case.data.feature_names, *use_case.model().request_feature_names}
    if missing := [f.name for f in release.manifest.features if f.name not in declared]:
        raise SchemaMismatchError(
            f"release {release.version} of {use_case.name} needs the features {missing}, which are no longer "
            "declared; declare them again, or train and release a new candidate"
        )


def _schema(use_case: UseCase, declared: BatchPrediction, rows: pa.Schema) -> pa.Schema:
    dataset = use_case.data
    names = list(dict.fromkeys((dataset.id, dataset.occurred_at, *declared.columns)))
    if missing := [name for name in names if name not in rows.names]:
        raise SchemaMismatchError(
            f"batch_prediction.columns of {use_case.name} names {missing}, which its dataset does not have; "
            f"choose among {rows.names}"
        )
    own = [*_predicted(use_case), pa.field(RELEASE, pa.string()), pa.field(DAY, pa.date32())]
    return pa.schema([*(rows.field(name) for name in names), *own])


def _predicted(use_case: UseCase) -> pa.Schema:
    return task(use_case.model().task).prediction_schema(use_case.data.label)


def _score(
    use_case: UseCase,
    reader: pa.RecordBatchReader,
    schema: pa.Schema,
    release: Release,
    model: Predictor,
    progress: Callable[[str], None],
) -> Iterator[pa.RecordBatch]:
    compute, done, predicted = use_case.model(), 0, _predicted(use_case)
    for batch in reader:
        rows = add_request_features(
            pa.Table.from_batches([batch]), compute.request_features, compute.request_feature_names
        )
        predictions = model.predict(rows)
        require_schema(predictions, predicted, rows.num_rows, f"{use_case.name}: release {release.version}")
        if problems := task(compute.task).problems(predictions):
            raise DataError(
                f"{use_case.name}: release {release.version} gave predictions that cannot be used "
                f"({', '.join(problems)}) for {rows.num_rows} events; roll it back, or look at the features"
            )
        occurred = pc.cast(rows.column(use_case.data.occurred_at), pa.timestamp("us", tz="UTC"))
        own = {
            **dict(zip(predictions.column_names, predictions.columns, strict=True)),
            RELEASE: pa.repeat(release.version, rows.num_rows),
            DAY: pc.cast(occurred, pa.date32(), safe=False),
        }
        result = pa.table(
            [own.get(name) if name in own else rows.column(name) for name in schema.names], schema
        )
        yield from result.to_batches()
        done += rows.num_rows
        progress(f"{use_case.name}: {done} events scored by {release.version}")
