"""What a model is trained and tested on: the rows of a snapshot, as they were known at the time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.errors import DataError, SchemaMismatchError
from ml_platform.models.training.splits import Fold
from ml_platform.use_case import UseCase

__all__ = ["LabelledRows", "Snapshot", "TestData", "TrainingData", "add_request_features"]

MICROSECOND = timedelta(microseconds=1)
DAY_US = 86_400_000_000
NEVER = np.iinfo(np.int64).max


class Snapshot(Protocol):
    """What training needs of a dataset snapshot."""

    @property
    def version(self) -> str:
        """Content version of the data."""
        ...

    @property
    def as_of(self) -> datetime:
        """Events before it, and labels reported by it, are in the snapshot (UTC)."""
        ...

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Its rows: id, time of occurrence, keys, features, label, and when each label was reported."""
        ...


@dataclass(frozen=True)
class TrainingData:
    """What a use case's ``train`` function gets.

    Attributes:
        features: the feature columns, in the declared order, one row an event, ordered by time.
        labels: int8 of shape (rows,): 1 when the label had been reported when the model would have been
        trained.
    """

    features: pa.Table
    labels: npt.NDArray[np.int8]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return tuple(self.features.column_names)


@dataclass(frozen=True)
class TestData:
    """What a model is judged on.

    Attributes:
        features: as in :class:`TrainingData`.
        labels: int8 of shape (rows,), mature.
        days: int64 of shape (rows,): the UTC day of each event, in days since 1970.
        cards: int64 of shape (rows,): a code for each event's card; None when the use case names no card.
        known: bool of shape (rows,): whether the card had been reported before the event's day.
    """

    __test__ = False  # not a test case, whatever pytest thinks of the name

    features: pa.Table
    labels: npt.NDArray[np.int8]
    days: npt.NDArray[np.int64]
    cards: npt.NDArray[np.int64] | None
    known: npt.NDArray[np.bool_]


def add_request_features(
    table: pa.Table, compute: Callable[[pa.Table], pa.Table] | None, names: Sequence[str]
) -> pa.Table:
    """Append the request features of each row: the one code path of training, batch scoring and serving.

    Raises:
        SchemaMismatchError: the function did not return exactly the columns declared, one row a row.
    """
    if compute is None:
        return table
    computed = compute(table)
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
    """The rows of a snapshot, ordered by time and id; folds cut windows out of them."""

    def __init__(self, table: pa.Table, use_case: UseCase, as_of: datetime) -> None:
        """Take the rows of a snapshot.

        Raises:
            DataError: there are no rows.
            SchemaMismatchError: a column that the use case declares is missing.
        """
        dataset, model = use_case.dataset, use_case.model
        reported = f"{dataset.label.name}_available_at"
        needed = [
            dataset.id,
            dataset.occurred_at,
            *dataset.keys,
            *dataset.feature_names,
            dataset.label.name,
            reported,
        ]
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
        self._events = table.select(list(dict.fromkeys(needed))[:-2])
        self._request = (model.request_features, model.request_feature_names)
        self._feature_names = [*dataset.feature_names, *model.request_feature_names]
        self._occurred = _microseconds(table.column(dataset.occurred_at))
        positive = pc.fill_null(pc.cast(table.column(dataset.label.name), pa.int8()), 0).to_numpy()
        times = _microseconds(table.column(reported))
        self._reported = np.where(positive == 1, times, NEVER)
        self._as_of = _to_us(as_of)
        self._known_days = model.known_days
        self._cards: npt.NDArray[np.int64] | None = None
        if model.card:
            codes = table.column(model.card).combine_chunks().dictionary_encode("encode")
            self._cards = codes.indices.to_numpy().astype(np.int64)

    @property
    def first(self) -> datetime:
        """Time of the first event."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(self._occurred[0]))

    @property
    def as_of(self) -> datetime:
        """Events before it, and labels reported by it, are among the rows (UTC)."""
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=self._as_of)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the model's features, in order: the dataset's, then the request's."""
        return tuple(self._feature_names)

    def training(self, fold: Fold) -> TrainingData:
        """The training window, with the labels that had been reported when the test window starts.

        Raises:
            DataError: the window has no positive, or no negative.
        """
        rows = self._window(fold.train_start, fold.train_end)
        labels = (self._reported[rows] <= _to_us(fold.test_start)).astype(np.int8)
        _both_classes(labels, "training", fold.train_start, fold.train_end, fold.test_start)
        return TrainingData(self._features(rows), labels)

    def test(self, fold: Fold) -> TestData:
        """The test window, with the labels reported until the snapshot was taken.

        Raises:
            DataError: the window has no positive, or no negative.
        """
        rows = self._window(fold.test_start, fold.test_end)
        labels = (self._reported[rows] <= self._as_of).astype(np.int8)
        _both_classes(labels, "test", fold.test_start, fold.test_end, None)
        days = self._occurred[rows] // DAY_US
        cards = self._cards[rows] if self._cards is not None else None
        return TestData(self._features(rows), labels, days, cards, self._known(rows, days, fold))

    def _window(self, start: datetime, end: datetime) -> slice:
        low, high = np.searchsorted(self._occurred, [_to_us(start), _to_us(end)])
        return slice(int(low), int(high))

    def _features(self, rows: slice) -> pa.Table:
        events = self._events.slice(rows.start, rows.stop - rows.start)
        return add_request_features(events, *self._request).select(self._feature_names)

    def _known(self, rows: slice, days: npt.NDArray[np.int64], fold: Fold) -> npt.NDArray[np.bool_]:
        """Whether a row's card was reported since the memory starts and before the row's day does."""
        if self._cards is None:
            return np.zeros(len(days), dtype=np.bool_)
        remembered = fold.train_days if self._known_days is None else self._known_days
        since = _to_us(fold.test_start - timedelta(days=remembered))
        counted = (self._reported != NEVER) & (self._reported > since)
        known_from = np.full(int(self._cards.max()) + 1, NEVER)
        np.minimum.at(known_from, self._cards[counted], self._reported[counted])
        known: npt.NDArray[np.bool_] = known_from[self._cards[rows]] <= days * DAY_US
        return known


def _both_classes(
    labels: npt.NDArray[np.int8], window: str, start: datetime, end: datetime, reported_by: datetime | None
) -> None:
    positives = int(labels.sum())
    if 0 < positives < len(labels):
        return
    by = f" reported by {reported_by:%Y-%m-%d}" if reported_by else ""
    raise DataError(
        f"the {window} window [{start:%Y-%m-%d}, {end:%Y-%m-%d}) has {len(labels)} rows, and {positives} of "
        f"them are positive{by}; a model needs both positives and negatives: bring the missing events or "
        "reports, or declare a longer window"
    )


def _to_us(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, UTC)) // MICROSECOND


def _microseconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Times as microseconds since 1970 (UTC); nulls as :data:`NEVER`."""
    values = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    numbers: npt.NDArray[np.int64] = pc.fill_null(values, NEVER).to_numpy()
    return numbers
