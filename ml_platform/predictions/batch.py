"""Batch predictions: whole partitions scored by the champion and its shadows, written to the warehouse."""

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.cadence import Cadence
from ml_platform.datasets.query import scoring_sql
from ml_platform.errors import DataError, SchemaMismatchError
from ml_platform.models.releases.manifest import Release
from ml_platform.models.tasks.base import task
from ml_platform.models.training.data import add_request_features
from ml_platform.predictions.scorers import Scorer, Scorers
from ml_platform.predictions.table import MODEL, PROMOTION, RELEASE, STAGE, BatchScoring
from ml_platform.warehouse.base import Warehouse

__all__ = ["PartitionPredictions", "Predicted", "predict_partitions", "windows_of"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PartitionPredictions:
    """The predictions of one partition by one release.

    Attributes:
        key: of the partition.
        rows: number of events scored.
        version: content version of these rows.
        release: version of the release that scored them.
    """

    key: str
    rows: int
    version: str
    release: str


@dataclass(frozen=True)
class Predicted:
    """The result of scoring.

    Attributes:
        champion: one entry a partition, in order of time.
        shadows: stage to the same, of each shadow that scored.
        failed: stage to what was wrong, of each shadow that did not.
    """

    champion: list[PartitionPredictions]
    shadows: dict[str, list[PartitionPredictions]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def predict_partitions(
    scoring: BatchScoring,
    cadence: Cadence,
    keys: Sequence[str],
    warehouse: Warehouse,
    scorers: Scorers,
    progress: Callable[[str], None] = _log.info,
    *,
    instant: bool = False,
) -> Predicted:
    """Score every event of some partitions and replace their predictions, release by release.

    Features are read once, and stream through in bounded memory; shadows' predictions wait in temporary files until
    the champion's are written. Killed at any instant, the table holds a release's old predictions of all the
    partitions or its new ones, the champion's first. The same release on the same features gives the same rows.

    Args:
        scoring: what is scored, by which model, and where to.
        cadence: of the partitions.
        keys: theirs; a partition without events is emptied.
        warehouse: where features are read and predictions are written.
        scorers: the champion and the shadows.
        progress: told how many rows are done.
        instant: the events are a population as of each partition's start, and lie at that instant.

    Raises:
        SchemaMismatchError: the dataset does not have a feature that the champion needs, or a column to carry along;
            nothing was written.
        DataError: the champion gave predictions that its task calls unusable; nothing was written.
    """
    failed = dict(scorers.failed)
    if not keys:
        return Predicted([], failed=failed)
    wanted = sorted(set(keys), key=cadence.start)
    windows = windows_of(cadence, wanted, instant=instant)
    query = scoring_sql(scoring.dataset, warehouse.dialect, windows)
    with ExitStack() as files:
        shadows = [_Shadow(s, files.enter_context(tempfile.TemporaryFile())) for s in scorers.shadows]
        with warehouse.read(query.sql, query.parameters) as reader:
            champion = _Rows(scoring, cadence, scorers.champion, reader.schema)
            for shadow in shadows:
                shadow.prepare(scoring, cadence, reader.schema)
            batches = _score(champion, shadows, scoring, reader, progress)
            first = list(islice(batches, 1))  # it tells the columns of a prediction
            made = _write(champion, wanted, warehouse, chain(first, batches))
        written = {}
        for shadow in shadows:
            rows = shadow.write(wanted, warehouse)
            if rows is not None:
                written[shadow.scorer.stage] = rows
            else:
                failed[shadow.scorer.stage] = shadow.error
    return Predicted(made, written, failed)


def windows_of(
    cadence: Cadence, keys: Sequence[str], *, instant: bool = False
) -> list[tuple[datetime, datetime]]:
    """The spans of time *[start, end)* that partitions cover, neighbours joined, in order; or their first instants."""
    if instant:
        starts = sorted(cadence.start(key) for key in set(keys))
        return [(start, start + timedelta(microseconds=1)) for start in starts]
    found: list[tuple[datetime, datetime]] = []
    for key in sorted(set(keys), key=cadence.start):
        start, end = cadence.start(key), cadence.end(key)
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


class _Rows:
    """The rows of the table that one release gives."""

    def __init__(self, scoring: BatchScoring, cadence: Cadence, scorer: Scorer, events: pa.Schema) -> None:
        self.relation, self.cadence, self.scorer = scoring.declared.relation, cadence, scorer
        self._scoring = scoring
        _require_features(scoring, scorer.release)
        if missing := [name for name in scoring.carried if name not in events.names]:
            raise SchemaMismatchError(
                f"batch_predictions of {scoring.use_case.name} carries {missing}, which its dataset does not have; "
                f"choose among {events.names}"
            )
        self._carried = [events.field(name) for name in scoring.carried]
        self._task = task(scorer.release.manifest.task)
        self._schema: pa.Schema | None = None

    @property
    def schema(self) -> pa.Schema:
        """Columns of the rows; before any row was made, those of the declared model."""
        return self._schema or self._schema_with(
            task(self._scoring.model.task).prediction_schema(self._scoring.owner.data.label)
        )

    def of(self, events: pa.Table) -> pa.Table:
        """The predictions of some events, with the request features in them."""
        release = self.scorer.release
        predictions = self.scorer.model.predict(events)
        problems = self._task.problems(predictions)
        if predictions.num_rows != events.num_rows:
            problems.append(f"there are {predictions.num_rows}")
        if problems:
            raise DataError(
                f"{release.name}: the predictions of release {release.version} for {events.num_rows} events cannot "
                f"be used: {'; '.join(problems)}; roll it back, or look at the features"
            )
        if self._schema is None:
            self._schema = self._schema_with(predictions.schema)
        own = {
            MODEL: pa.repeat(release.name, events.num_rows),
            STAGE: pa.repeat(self.scorer.stage, events.num_rows),
            RELEASE: pa.repeat(release.version, events.num_rows),
            PROMOTION: pa.repeat(pa.scalar(self.scorer.promotion, pa.int64()), events.num_rows),
            self.cadence.column: self._partition(events.column(self._scoring.dataset.occurred_at)),
            **{name: predictions.column(name) for name in predictions.column_names},
        }
        columns = [own[name] if name in own else events.column(name) for name in self._schema.names]
        return pa.table(columns, self._schema)

    def _schema_with(self, predictions: pa.Schema) -> pa.Schema:
        if shared := sorted(set(predictions.names) & {field.name for field in self._carried}):
            raise SchemaMismatchError(
                f"batch_predictions of {self._scoring.use_case.name} carries {shared}, which are columns of a "
                "prediction too; leave them out, or rename them in the events' SQL"
            )
        own = [
            pa.field(MODEL, pa.string()),
            pa.field(STAGE, pa.string()),
            pa.field(RELEASE, pa.string()),
            pa.field(PROMOTION, pa.int64()),
            pa.field(self.cadence.column, self.cadence.arrow_type),
        ]
        return pa.schema([*self._carried, *predictions, *own])

    def _partition(self, occurred: pa.ChunkedArray) -> pa.ChunkedArray:
        moments = pc.cast(occurred, pa.timestamp("us", tz="UTC"))
        start = pc.floor_temporal(moments, unit=self.cadence.column, week_starts_monday=True)
        return pc.cast(start, self.cadence.arrow_type, safe=False)


class _Shadow:
    """A shadow's predictions, in a temporary file until the champion's are written; an error ends only itself."""

    def __init__(self, scorer: Scorer, file: IO[bytes]) -> None:
        self.scorer = scorer
        self.error = ""
        self._file = file
        self._rows: _Rows | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        self._written: list[PartitionPredictions] | None = None

    def prepare(self, scoring: BatchScoring, cadence: Cadence, events: pa.Schema) -> None:
        with self._guarded():
            self._rows = _Rows(scoring, cadence, self.scorer, events)

    def add(self, events: pa.Table) -> None:
        if self._rows is None or self.error:
            return
        with self._guarded():
            predicted = self._rows.of(events)
            if self._writer is None:
                self._writer = pa.ipc.new_stream(self._file, predicted.schema)
            self._writer.write_table(predicted)

    def write(self, keys: list[str], warehouse: Warehouse) -> list[PartitionPredictions] | None:
        """Write what was predicted; None: there was an error."""
        if self._rows is None or self.error:
            return None
        with self._guarded():
            batches: Iterable[pa.RecordBatch] = ()
            if self._writer is not None:
                self._writer.close()
                self._file.seek(0)
                batches = pa.ipc.open_stream(self._file)
            self._written = _write(self._rows, keys, warehouse, batches)
        return self._written

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 (whatever ails a shadow must not stop the champion)
            self.error = f"{self.scorer.release.version}: {error}"
            _log.warning("%s as %s: %s", self.scorer.release.name, self.scorer.stage, self.error)


def _score(
    champion: _Rows,
    shadows: Sequence[_Shadow],
    scoring: BatchScoring,
    reader: pa.RecordBatchReader,
    progress: Callable[[str], None],
) -> Iterator[pa.RecordBatch]:
    """The champion's rows; each batch is scored by the shadows on its way."""
    done, model = 0, scoring.model
    for batch in reader:
        if not batch.num_rows:
            continue
        events = add_request_features(
            pa.Table.from_batches([batch]), model.request_features, model.request_feature_names
        )
        predicted = champion.of(events)
        for shadow in shadows:
            shadow.add(events)
        yield from predicted.to_batches()
        done += batch.num_rows
        progress(f"{scoring.name}: {done} events scored by {champion.scorer.release.version}")


def _write(
    rows: _Rows, keys: list[str], warehouse: Warehouse, batches: Iterable[pa.RecordBatch]
) -> list[PartitionPredictions]:
    relation, cadence, release = rows.relation, rows.cadence, rows.scorer.release.version
    values = [cadence.column_value(key) for key in keys]
    # By stage too: a shadow that was champion before must not replace what it predicted as champion.
    where = {RELEASE: release, STAGE: rows.scorer.stage}
    warehouse.replace_partitions(relation, cadence.column, values, batches, rows.schema, where=where)
    versions = warehouse.partition_versions(relation, cadence.column, values, where=where)
    return [
        PartitionPredictions(key, versions[value][1], versions[value][0], release)
        for key, value in zip(keys, values, strict=True)
    ]


def _require_features(scoring: BatchScoring, release: Release) -> None:
    declared = {*scoring.dataset.feature_names, *scoring.model.request_feature_names}
    if missing := [f.name for f in release.manifest.features if f.name not in declared]:
        raise SchemaMismatchError(
            f"release {release.version} of {release.name} needs the features {missing}, which "
            f"{scoring.use_case.name} no longer declares; declare them again, or train and release a new candidate"
        )
