"""The declaration of a model: how it is trained, split, measured and judged; :mod:`ml_platform.use_case` names all."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field, JsonValue, model_validator

from ml_platform.declaration import COLUMN, NAME, Declaration

__all__ = ["PRIMARY", "Gate", "GateCheck", "Metric", "Model", "Plot", "Segment", "Split"]

PRIMARY = "primary"
"""In place of a metric's name: the task's main one (``average_precision``, ``macro_f1``, ``mae``, …)."""


class Split(Declaration):
    """A split by time, with the label delay as a gap; further folds each lie `test_days` earlier (prequential)."""

    train_days: int | None = Field(
        default=None, gt=0, description="Days of training, at most; None: all there is before the gap."
    )
    min_train_days: int = Field(
        default=1,
        gt=0,
        description="Fewest days of training; a shorter history is refused, one in between is warned of.",
    )
    delay_days: int = Field(
        default=7, ge=0, description="Gap between training and test, in days: the label delay."
    )
    test_days: int = Field(default=7, gt=0)
    folds: int = Field(
        default=1, gt=0, description="Number of prequential folds; the newest one makes the model."
    )

    @model_validator(mode="after")
    def _training_is_possible(self) -> "Split":
        if self.train_days is not None and self.train_days < self.min_train_days:
            raise ValueError(f"train_days {self.train_days} is below min_train_days {self.min_train_days}")
        return self


class Metric(Declaration):
    """A metric of the use case's own.

    ``function(predictions, test) -> float | None``: predictions are an Arrow table with the task's columns, ``test``
    is a :class:`~ml_platform.models.training.data.TestData`; None: it is not defined on these rows.
    """

    name: str = Field(pattern=NAME)
    function: Callable[..., float | None]
    higher_is_better: bool = True


class Plot(Declaration):
    """A plot of the use case's own: ``function(predictions, test)`` returns a matplotlib Figure, or a PNG's bytes."""

    name: str = Field(pattern=NAME)
    function: Callable[..., Any]


class Segment(Declaration):
    """A part of the events on which the model must not collapse: a range of numbers, or some values of a category."""

    name: str = Field(pattern=NAME)
    column: str = Field(pattern=COLUMN, description="A feature, or a key or the time of the event.")
    low: float | None = Field(default=None, description="Inclusive lower bound of `column`.")
    high: float | None = Field(default=None, description="Exclusive upper bound of `column`.")
    values: tuple[str, ...] = Field(default=(), description="Values of `column`, compared as text.")

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> "Segment":
        if bool(self.values) == (self.low is not None or self.high is not None):
            raise ValueError(
                f"segment {self.name} needs `values`, or a range by `low` and `high`, and not both"
            )
        return self


class GateCheck(Declaration):
    """A check of the use case's own in the gate.

    ``function(given)`` takes a :class:`~ml_platform.models.evaluation.gates.GateInput` and returns a
    :class:`~ml_platform.checks.CheckOutcome`; its name, and whether it blocks, are those declared here.
    """

    name: str = Field(pattern=NAME)
    description: str = Field(description="What passing it means, for a person.")
    function: Callable[..., Any]
    blocking: bool = True


class Gate(Declaration):
    """The conditions that a candidate must meet before it may be released. A check that is None or empty is left out.

    The direction of each comparison is the metric's: a limit on ``auc`` is its lowest value, on ``log_loss`` its
    highest, on ``bias`` its largest distance from 0.
    """

    limits: Mapping[str, float] = Field(
        default_factory=dict,
        description="Metric to its worst accepted value, e.g. `{'auc': 0.7, 'log_loss': 0.3}`.",
    )
    beats_baselines_on: str | None = Field(
        default=PRIMARY,
        description="Metric on which every baseline must be beaten; `primary`: the task's main one.",
    )
    beats_champion_on: str | None = Field(
        default=PRIMARY, description="Metric on which it may not be worse than the champion."
    )
    champion_tolerance: float = Field(
        default=0.01,
        ge=0,
        description="How much worse than the champion is still accepted, in the metric's unit.",
    )
    segments: tuple[Segment, ...] = ()
    segment_metric: str = Field(default=PRIMARY, description="Metric that each segment is judged by.")
    segment_limit: float | None = Field(
        default=None,
        description="Its worst accepted value on a segment; None: segments are reported, not judged.",
    )
    min_segment_rows: int = Field(default=100, ge=1, description="Smaller segments are reported, not judged.")
    max_calibration_error: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Highest expected calibration error, for tasks that give probabilities.",
    )
    max_latency_ms: float | None = Field(
        default=50.0, gt=0, description="Highest median processor time to predict one row, in milliseconds."
    )
    max_size_mb: float | None = Field(default=100.0, gt=0, description="Largest size of the model's files.")
    checks: tuple[GateCheck, ...] = ()


class Model(Declaration):
    """The declaration of a model: how a candidate is trained and judged.

    ``train(data, parameters, seed)`` takes a :class:`~ml_platform.models.training.data.TrainingData`, the parameters
    below as a dict and the seed, and returns the framework's
    :class:`~ml_platform.models.frameworks.base.FittedModel`. It reads nothing else, and the same arguments give the
    same model.
    """

    name: str = Field(default="model", pattern=NAME, description="Unique within the use case.")
    task: str = Field(default="binary", description="What is predicted; see ml_platform.models.tasks.")
    framework: str = Field(
        default="xgboost", description="What `train` returns; see ml_platform.models.frameworks."
    )
    train: Callable[..., Any]
    parameters: Mapping[str, JsonValue] = Field(
        default_factory=dict, description="Any JSON, given to `train`."
    )
    request_features: Callable[..., Any] | None = Field(
        default=None,
        description="Pure function of the event's own columns, Arrow table to Arrow table, in training and serving.",
    )
    request_feature_names: tuple[str, ...] = ()
    split: Split = Split()
    gate: Gate = Gate()
    metrics: tuple[Metric, ...] = ()
    plots: tuple[Plot, ...] = ()
    seed: int = 0
