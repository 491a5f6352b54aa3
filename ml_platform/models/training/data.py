"""The data that a model is trained and tested on: the rows of a snapshot, as they were known at the time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.errors import DataError, SchemaMismatchError
from ml_platform.models.declarations import Model
from ml_platform.models.tasks.base import task
from ml_platform.models.tasks.checking import classes_of
from ml_platform.models.tasks.delays import delays_of
from ml_platform.models.training.splits import Fold
from ml_platform.use_case import UseCase
from ml_platform.user_code import call_user_code

__all__ = ["LabelledRows", "Snapshot", "TestData", "TrainingData", "add_request_features"]

MICROSECOND = timedelta(microseconds=1)
NEVER = np.iinfo(np.int64).max


class Snapshot(Protocol):
    """The part of a dataset snapshot that training needs."""

    @property
    def version(self) -> str:
        """Content version of the data."""
        ...

    @property
    def as_of(self) -> datetime:
        """Labels reported by it are in the snapshot (UTC)."""
        ...

    @property
    def events_end(self) -> datetime:
        """Events before it are in the snapshot (UTC)."""
        ...

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Its rows: id, time of occurrence, keys, features, label, and when each label was reported."""
        ...


@dataclass(frozen=True)
class TrainingData:
    """The data that a use case's ``train`` function gets.

    Attributes:
        features: the feature columns, in the declared order, one row an event, ordered by time. Texts and categories
            are string (or dictionary) columns.
        labels: of shape (rows,), as they were reported when the model would have been trained: int8 0/1 (binary), int64
            codes into ``classes`` (multiclass), float64 (regression), or empty (embedding).
        classes: those of the label; empty where there are none.
    """

    features: pa.Table
    labels: npt.NDArray[Any]
    classes: tuple[str, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(self.features.column_names)


@dataclass(frozen=True)
class TestData:
    """The data that a model is judged on.

    Attributes:
        features: as in :class:`TrainingData`.
        labels: as in :class:`TrainingData`, mature.
        classes: as in :class:`TrainingData`.
        rows: id, time, keys, label and ``<label>_available_at`` of each test row, in the order of ``features``.
        earlier: the same columns of the snapshot's rows before the test window, in order of time.
        start: first instant of the test window (UTC); ``end``: the first after it.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    features: pa.Table
    labels: npt.NDArray[Any]
    classes: tuple[str, ...]
    rows: pa.Table
    earlier: pa.Table
    start: datetime
    end: datetime

    def filter(self, rows: npt.NDArray[np.bool_]) -> "TestData":
        """Those of its rows for which ``rows``, bool of shape (rows,), is true."""
        mask = pa.array(rows)
        return replace(
            self,
            features=self.features.filter(mask),
            labels=self.labels[rows] if len(self.labels) else self.labels,
            rows=self.rows.filter(mask),
        )


def judged_rows(predictions: pa.Table, test: TestData) -> str:
    """The columns of predictions and of the rows they are judged on, in words."""
    return (
        f"predictions with the columns {', '.join(predictions.column_names)}; test.rows with "
        f"{', '.join(test.rows.column_names)}; test.features with {', '.join(test.features.column_names)}"
    )


def add_request_features(
    table: pa.Table, compute: Callable[[pa.Table], pa.Table] | None, names: Sequence[str]
) -> pa.Table:
    """Append the request features of each row: the one code path of training, batch scoring and serving.

    Raises:
        SchemaMismatchError: the function did not return exactly the columns declared, one row a row.
        UserCodeError: the function raised an error.
    """
    if compute is None:
        return table
    given = f"the columns {', '.join(table.column_names)}"
    computed = call_user_code("request features", compute, table, given=given)
    if computed.column_names != list(names) or computed.num_rows != table.num_rows:
        raise SchemaMismatchError(
            f"{compute.__module__}.{compute.__qualname__} returned {computed.num_rows} rows of "
            f"{computed.column_names} for {table.num_rows} rows; model.request_feature_names declares "
            f"{list(names)}, one row a row"
        )
    for name in names:
        table = table.append_column(name, computed.column(name))
    return table


class LabelledRows:
    """The rows of a snapshot, ordered by time and id; folds cut windows out of them.

    The label of an event is 1 when it was reported by then, and else 0. A value that was not reported by then is not
    known, and its row is left out. Without a label every row counts.
    """

    def __init__(
        self,
        table: pa.Table,
        use_case: UseCase,
        model: Model,
        as_of: datetime,
        events_end: datetime | None = None,
    ) -> None:
        """Take the rows of a snapshot for one model.

        Args:
            table: the rows.
            use_case: whose.
            model: names the task and what is made of a request.
            as_of: labels reported by it are among the rows.
            events_end: events before it are; ``as_of`` when it is not given.

        Raises:
            DataError: there are no rows.
            SchemaMismatchError: a column that the use case declares is missing.
        """
        dataset = use_case.data
        self._label = dataset.label
        carried = dict.fromkeys((dataset.id, dataset.occurred_at, *dataset.keys))
        labelled = (self._label.name, self._label.reported_at) if self._label else ()
        needed = list(dict.fromkeys((*carried, *dataset.feature_names, *labelled)))
        if missing := [name for name in needed if name not in table.column_names]:
            raise SchemaMismatchError(
                f"the snapshot of {use_case.name} lacks the columns {missing}; export it again"
            )
        if not table.num_rows:
            raise DataError(f"the snapshot of {use_case.name} has no rows; bring data and export it again")
        order = pc.sort_indices(
            table, [(dataset.occurred_at, "ascending"), (dataset.id, "ascending")]
        ).to_numpy()
        if (order != np.arange(len(order), dtype=order.dtype)).any():  # a copy of everything
            table = table.take(pa.array(order))
        self._task = task(model.task)
        self._classes = classes_of(dataset)
        self._events = table.select([name for name in needed if name not in labelled])
        self._rows = table.select([*carried, *labelled])
        self._request = (model.request_features, model.request_feature_names)
        self._feature_names = [*dataset.feature_names, *model.request_feature_names]
        self._occurred = _microseconds(table.column(dataset.occurred_at))
        self._reported = self._reported_at(table)
        self._as_of, self._events_end = _to_us(as_of), _to_us(events_end or as_of)

    @property
    def first(self) -> datetime:
        """Time of the first event."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(self._occurred[0]))

    @property
    def as_of(self) -> datetime:
        """Labels reported by it are among the rows (UTC)."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self._as_of)

    @property
    def events_end(self) -> datetime:
        """Events before it are among the rows (UTC)."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self._events_end)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the model's features, in order: the dataset's, then the request's."""
        return tuple(self._feature_names)

    def training(self, fold: Fold) -> TrainingData:
        """The training window, with the labels that had been reported when the test window starts.

        Raises:
            DataError: the task cannot learn from these labels (one class only, say).
        """
        rows = self._window(fold.train_start, fold.train_end)
        labels, known = self._labels(rows, _to_us(fold.test_start))
        self._check(labels, known, "training", (fold.train_start, fold.train_end), fold.test_start)
        return TrainingData(_filtered(self._features(rows), known), labels, self._classes)

    def test(self, fold: Fold) -> TestData:
        """The test window, with the labels reported until the snapshot was taken.

        Raises:
            DataError: the labels cannot be tested on (one class only, say).
        """
        rows = self._window(fold.test_start, fold.test_end)
        labels, known = self._labels(rows, self._as_of)
        self._check(labels, known, "test", (fold.test_start, fold.test_end), None)
        return TestData(
            _filtered(self._features(rows), known),
            labels,
            self._classes,
            _filtered(self._rows.slice(rows.start, rows.stop - rows.start), known),
            self._rows.slice(0, rows.start),
            fold.test_start,
            fold.test_end,
        )

    def share_known(self, fold: Fold) -> float | None:
        """Share of the labels of a test window that is known: of all rows, or of the events that will be reported.

        None without a label, and where there are too few reports to estimate how many are still to come.
        """
        rows = self._window(fold.test_start, fold.test_end)
        if self._label is None or rows.start == rows.stop:
            return None
        if self._label.value is not None:
            return float((self._reported[rows] <= self._as_of).mean())
        delays = delays_of(self._occurred, self._reported, self._as_of, self._label.delay)
        return delays.share_known(self._as_of - self._occurred[rows]) if delays else None

    def _reported_at(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """When each label was reported, in microseconds since 1970; never: :data:`NEVER`."""
        if self._label is None:
            return np.zeros(table.num_rows, dtype=np.int64)
        values = table.column(self._label.name)
        if self._label.value is None:
            known = pc.equal(pc.fill_null(pc.cast(values, pa.int8()), 0), 1)
        else:
            known = pc.is_valid(values)
        times = _microseconds(table.column(self._label.reported_at))
        return np.where(known.to_numpy(), times, NEVER)

    def _window(self, start: datetime, end: datetime) -> slice:
        low, high = np.searchsorted(self._occurred, [_to_us(start), _to_us(end)])
        return slice(int(low), int(high))

    def _features(self, rows: slice) -> pa.Table:
        events = self._events.slice(rows.start, rows.stop - rows.start)
        return add_request_features(events, *self._request).select(self._feature_names)

    def _labels(self, rows: slice, moment: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
        """The labels as of a moment, and which of the rows have one; None: all of them."""
        if self._label is None:
            return np.empty(0), None
        reported = self._reported[rows] <= moment
        if self._label.value is None:
            return reported.astype(np.int8), None
        values = self._rows.column(self._label.name).slice(rows.start, rows.stop - rows.start)
        return self._task.encode(values.filter(pa.array(reported)), self._classes), reported

    def _check(
        self,
        labels: npt.NDArray[Any],
        known: npt.NDArray[np.bool_] | None,
        window: str,
        span: tuple[datetime, datetime],
        reported_by: datetime | None,
    ) -> None:
        rows = len(labels) if known is None else len(known)
        wrong = self._task.learnable(labels, self._classes) if self._label else None
        if wrong is None:
            return
        unknown = "" if known is None else f" ({len(labels)} of them with a label)"
        by = f", by the labels reported by {reported_by:%Y-%m-%d}" if reported_by else ""
        raise DataError(
            f"the {window} window [{span[0]:%Y-%m-%d}, {span[1]:%Y-%m-%d}) has {rows} rows{unknown}, and {wrong}{by}: "
            "bring the missing events or reports, or declare a longer window"
        )


def _filtered(table: pa.Table, rows: npt.NDArray[np.bool_] | None) -> pa.Table:
    return table if rows is None else table.filter(pa.array(rows))


def _to_us(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // MICROSECOND


def _microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Times as microseconds since 1970 (UTC); nulls as :data:`NEVER`."""
    values = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    numbers: npt.NDArray[np.int64] = pc.fill_null(values, NEVER).to_numpy()
    return numbers
