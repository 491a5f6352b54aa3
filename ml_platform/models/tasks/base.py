"""The contract of a task, and the table of tasks that packages may extend.

A task is a kind of problem. It owns all that depends on the kind: which labels it can learn, how the rows' labels
become numbers, the columns of a prediction, metrics and their direction, baselines, plots, drift, and the SQL that
counts in the warehouse how predictions did.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, model_validator

from ml_platform.checks import CheckOutcome
from ml_platform.errors import SchemaMismatchError
from ml_platform.table import Entry, Table
from ml_platform.use_case import Dataset, Label
from ml_platform.warehouse.base import Query
from ml_platform.warehouse.dialect import SqlDialect

if TYPE_CHECKING:
    from ml_platform.models.training.data import TestData, TrainingData

__all__ = [
    "Direction",
    "Distribution",
    "Figures",
    "LabelQuery",
    "Predictor",
    "Query",
    "Task",
    "check_task",
    "column",
    "require_schema",
    "task",
    "task_names",
]

Array = npt.NDArray[Any]


class Direction(StrEnum):
    """The values of a metric that are better: higher ones, lower ones, or those nearer to zero."""

    HIGHER = "higher"
    LOWER = "lower"
    ZERO = "zero"

    def loss(self, value: float) -> float:
        """The value as something to make small."""
        return {"higher": -value, "lower": value, "zero": abs(value)}[self.value]

    def reaches(self, value: float, limit: float, tolerance: float = 0.0) -> bool:
        """Tell whether a value is no worse than a limit, by more than a tolerance."""
        return self.loss(value) <= self.loss(limit) + tolerance

    def beats(self, value: float, other: float) -> bool:
        """Tell whether a value is better than another, and not equal to it."""
        return self.loss(value) < self.loss(other)

    @property
    def bound(self) -> str:
        """Noun of a limit, for a sentence."""
        return {"higher": "lowest", "lower": "highest", "zero": "largest distance from 0"}[self.value]


class Predictor(Protocol):
    """Whatever predicts: a fitted model, or a baseline beside it."""

    def predict(self, features: pa.Table) -> pa.Table:
        """Predictions with the task's columns, one a row of ``features``, in its order."""
        ...


class Distribution(BaseModel):
    """The spread of the predictions of a release's test rows: the reference for drift.

    ``shares[i]`` of them lie in the i-th bin. Of numbers, ``edges`` are the bins' inner bounds, each the upper and
    inclusive one of its bin; of classes, ``categories`` are the classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    shares: tuple[float, ...]

    @model_validator(mode="after")
    def _bins_fit(self) -> Self:
        bins = len(self.categories) or len(self.edges) + 1
        if (self.categories and self.edges) or len(self.shares) != bins:
            raise ValueError(f"{len(self.shares)} shares do not fit {bins} bins")
        return self


@dataclass(frozen=True)
class Figures:
    """Metrics of some predictions, reckoned from counts.

    Attributes:
        rows: predictions whose label is known.
        metrics: those that can be reckoned from counts, and are defined.
        counts: further counts for a person, JSON-able: positives, a confusion matrix.
    """

    rows: int
    metrics: Mapping[str, float]
    counts: Mapping[str, Any] = field(default_factory=dict)


LabelQuery = Callable[[Sequence[str], str], list[dict[str, Any]]]
"""``query(columns, sql)``: run DuckDB's SQL over some columns of the snapshot, as the relation ``snapshot``."""


class Task(ABC):
    """One kind of problem.

    ``classes`` is :attr:`Label.classes`, empty where there are none. ``predictions`` is always a table with the
    columns of :meth:`prediction_schema`, and ``labels`` an array as :meth:`encode` makes it.
    """

    name: ClassVar[str]
    primary: ClassVar[str]
    """The main metric: of the gate and of retraining, unless they name another."""
    watched: ClassVar[tuple[str, ...]]
    """Metrics that monitoring draws day by day; :meth:`figures` has them."""
    uncounted: ClassVar[frozenset[str]] = frozenset()
    """Metrics that :meth:`figures` cannot reckon from counts."""
    actual: ClassVar[pa.DataType]
    """Type that a label's value is compared as, in :meth:`figures_sql`."""

    # Labels

    @abstractmethod
    def check_label(self, label: Label | None) -> None:
        """Refuse a label that the task cannot learn. Raises ConfigurationError with the remedy."""

    @abstractmethod
    def labels_check(self, query: LabelQuery, dataset: Dataset, as_of: datetime) -> CheckOutcome:
        """Judge the labels of a snapshot: believable, and none earlier than its event. Its name is ``labels``."""

    @abstractmethod
    def encode(self, values: pa.ChunkedArray, classes: tuple[str, ...]) -> Array:
        """Labels without nulls as numbers: int8 0/1, int64 codes into ``classes``, or float64, of shape (rows,).

        Raises:
            DataError: a value is none that the task knows.
        """

    @abstractmethod
    def summary(self, labels: Array, classes: tuple[str, ...]) -> Mapping[str, float]:
        """A few figures of labels, for the record of a fold: positives, rows of each class, mean and spread."""

    @abstractmethod
    def learnable(self, labels: Array, classes: tuple[str, ...]) -> str | None:
        """The reason why labels cannot be learnt or tested (one class only, say), as a sentence; None: they can."""

    # Predictions

    @abstractmethod
    def prediction_schema(self, label: Label | None) -> pa.Schema:
        """Columns of a prediction. Raises ConfigurationError when the label does not fit the task."""

    @abstractmethod
    def predictions(self, raw: Array, classes: tuple[str, ...]) -> pa.Table:
        """The typed table of a framework's output of shape (rows,), (rows, classes) or (rows, dimensions)."""

    @abstractmethod
    def problems(self, predictions: pa.Table) -> list[str]:
        """Faults of unusable predictions: values that are not finite, no probabilities. Empty: they are sound."""

    @abstractmethod
    def is_constant(self, predictions: pa.Table) -> bool:
        """Tell whether every row is predicted the same."""

    # Metrics, baselines, plots

    @abstractmethod
    def directions(self, classes: tuple[str, ...]) -> Mapping[str, Direction]:
        """Every metric that the task may give, with its direction."""

    @abstractmethod
    def metrics(self, predictions: pa.Table, labels: Array, classes: tuple[str, ...]) -> dict[str, float]:
        """The metrics of predictions; those that are not defined on these rows are left out."""

    def ripe(self, metrics: Mapping[str, float], labels: Array, share_known: float) -> dict[str, float]:
        """Estimates of what metrics would be, were every label known; those that do not depend on it are left out.

        Args:
            metrics: of predictions, by the labels that are known; an event that was not reported counts as 0.
            labels: those labels, of shape (rows,).
            share_known: share of the labels that will ever be reported that is known, above 0.
        """
        del metrics, labels, share_known
        return {}

    @abstractmethod
    def baselines(self, data: "TrainingData") -> dict[str, Predictor]:
        """The predictors that a model must beat to be worth its upkeep, fitted on a training window, by name."""

    @abstractmethod
    def plots(
        self, predictions: pa.Table, test: "TestData", baselines: Mapping[str, pa.Table]
    ) -> dict[str, bytes]:
        """PNG of each plot, by name; equal arguments give equal bytes."""

    # Monitoring

    @abstractmethod
    def distribution(self, predictions: pa.Table) -> Distribution:
        """The spread of some predictions, at least one."""

    @abstractmethod
    def bins_sql(self, relation: str, reference: Distribution, sql: SqlDialect) -> Query:
        """Query that counts the predictions of a relation (or subquery) in the bins of a reference.

        Its columns: ``bin`` (position in ``shares``; null: in none of them) and ``n``.
        """

    @abstractmethod
    def figures_sql(self, judged: str, label: Label, sql: SqlDialect) -> Query:
        """Query that counts how predictions did, so that no row leaves the warehouse.

        ``judged`` names a relation with ``scope`` (days since 1970 as a 64-bit integer, or null for all days together),
        the prediction's columns, and ``actual`` (0 or 1 for an event label, else the value as :attr:`actual`). Each
        result row has its ``scope``.
        """

    @abstractmethod
    def figures(self, counts: pa.Table, label: Label) -> dict[int | None, Figures]:
        """The figures of each scope, from the result of :meth:`figures_sql`."""


def column(predictions: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """One number column of predictions as float64 of shape (rows,), nulls as NaN."""
    values: npt.NDArray[np.float64] = pc.cast(predictions.column(name), pa.float64()).to_numpy()
    return values


def require_schema(predictions: pa.Table, schema: pa.Schema, rows: int, who: str) -> None:
    """Refuse a table that is not one of predictions.

    Raises:
        SchemaMismatchError: it has other columns or types than the task's, or another number of rows.
    """
    if predictions.schema.equals(schema) and predictions.num_rows == rows:
        return
    raise SchemaMismatchError(
        f"{who} returned {predictions.num_rows} predictions with {_listed(predictions.schema)} for {rows} rows; "
        f"the task's columns are {_listed(schema)}, one row a row"
    )


def _listed(schema: pa.Schema) -> str:
    return ", ".join(f"{item.name} ({item.type})" for item in schema)


_TASKS: Table[Task] = Table(
    "task",
    "ml_platform.tasks",
    {
        "binary": Entry("ml_platform.models.tasks.binary", "Binary"),
        "multiclass": Entry("ml_platform.models.tasks.multiclass", "Multiclass"),
        "regression": Entry("ml_platform.models.tasks.regression", "Regression"),
        "embedding": Entry("ml_platform.models.tasks.embedding", "Embedding"),
    },
)


def task(name: str) -> Task:
    """The task of that name.

    Raises:
        ConfigurationError: there is none; names those there are.
    """
    return _TASKS.load(name)()


def check_task(name: str) -> None:
    """Refuse a task that does not exist, importing none. Raises ConfigurationError."""
    _TASKS.check(name)


def task_names() -> tuple[str, ...]:
    """Names of every task, those of other packages included."""
    return _TASKS.names()
