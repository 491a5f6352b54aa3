"""The declarations: what one practitioner writes for a use case.

They are plain, validated data and import neither Dagster nor MLflow, so that services can read them too;
``ml_platform.orchestration`` turns them into assets, checks, schedules and conditions.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ml_platform.declaration import COLUMN, NAME, RELATION, Declaration
from ml_platform.ingestion.source import RawSource

__all__ = [
    "BatchPrediction",
    "Dataset",
    "FeatureView",
    "Gate",
    "Label",
    "Model",
    "Retraining",
    "Segment",
    "Split",
    "SyncGuard",
    "UseCase",
    "ViewFeatures",
]


class SyncGuard(Declaration):
    """Preconditions of a sync: when one fails, nothing is shipped."""

    min_rows: int = Field(default=1, ge=0, description="Fewest entities that may be shipped.")
    max_null_share: Mapping[str, float] = Field(
        default_factory=dict, description="Column to its highest share of nulls (0-1)."
    )
    ranges: Mapping[str, tuple[float | None, float | None]] = Field(
        default_factory=dict,
        description="Column to its lowest and highest legal value, inclusive; None is unbounded.",
    )
    max_age: timedelta | None = Field(
        default=None,
        description="Oldest that the newest row may be, measured against the newest day of data, never the wall clock.",
    )
    max_changed_share: float = Field(
        default=1.0, ge=0, le=1, description="Largest share of stored entities that one sync may change."
    )
    max_deleted_share: float = Field(
        default=0.5, ge=0, le=1, description="Largest share of stored entities that one sync may delete."
    )
    max_row_drop: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Largest fall in the number of entities against the last sync, as a share.",
    )


class FeatureView(Declaration):
    """A warehouse table of feature values over time, kept online as one row an entity.

    The relation has one row per entity and ``event_timestamp``; the newest row of each entity is what the online store
    holds. ``available_at`` is when a consumer could first have known the row.
    """

    name: str = Field(pattern=NAME)
    relation: str = Field(pattern=RELATION, description="Warehouse relation, `schema.table`.")
    entity: tuple[str, ...] = Field(min_length=1, description="Key columns, in order.")
    features: tuple[str, ...] = Field(min_length=1, description="Feature columns, in order.")
    event_timestamp: str = Field(default="event_timestamp", pattern=COLUMN)
    available_at: str = Field(default="available_at", pattern=COLUMN)
    ttl: timedelta | None = Field(
        default=None, description="How long a value may be used after its event_timestamp; None: forever."
    )
    guard: SyncGuard = SyncGuard()
    owner: str = ""
    description: str = ""

    @field_validator("entity", "features")
    @classmethod
    def _columns_are_distinct(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(columns)) != len(columns):
            raise ValueError(f"a column is named twice in {columns}; name each once")
        return columns

    @model_validator(mode="after")
    def _roles_are_distinct(self) -> "FeatureView":
        if shared := set(self.entity) & set(self.features):
            raise ValueError(
                f"view {self.name}: {sorted(shared)} are both entity and feature; keep each in one"
            )
        return self


class ViewFeatures(Declaration):
    """Columns of a feature view that a dataset joins point-in-time; they appear as ``<view>__<feature>``."""

    view: FeatureView
    features: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _features_exist(self) -> "ViewFeatures":
        if unknown := set(self.features) - set(self.view.features):
            raise ValueError(
                f"view {self.view.name} has no features {sorted(unknown)}; it has {list(self.view.features)}"
            )
        return self


class Label(Declaration):
    """A binary label: 1 for an event that has a row in ``relation`` that was available by then, else 0."""

    relation: str = Field(pattern=RELATION)
    id: str = Field(pattern=COLUMN, description="Column of the relation that names the event.")
    available_at: str = Field(pattern=COLUMN, description="When the label was reported.")
    delay: timedelta = Field(description="After this long an event without a report is taken as negative.")
    name: str = Field(
        default="label", pattern=COLUMN, description="Name of the label's column in the dataset."
    )
    share: tuple[float, float] = Field(
        default=(0.0, 1.0), description="Lowest and highest believable share of positives."
    )


class Dataset(Declaration):
    """A snapshot of labelled events: one row an event, with what was known at its time."""

    events: str = Field(pattern=RELATION, description="Relation with one row an event.")
    id: str = Field(pattern=COLUMN)
    occurred_at: str = Field(default="occurred_at", pattern=COLUMN)
    keys: tuple[str, ...] = Field(default=(), description="Entity columns carried along; not features.")
    features: tuple[str, ...] = Field(min_length=1, description="Feature columns of `events`.")
    views: tuple[ViewFeatures, ...] = ()
    label: Label
    history: timedelta | None = Field(
        default=None, description="How far back the snapshot reaches; None: all there is."
    )
    data_schema: Any = Field(
        default=None,
        description="Function without arguments that returns the pandera DataFrameSchema that every row must satisfy.",
    )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature column of the snapshot, in order: the events' own, then the views'."""
        return self.features + tuple(f"{v.view.name}__{f}" for v in self.views for f in v.features)


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


class Segment(Declaration):
    """A part of the events on which the model must not collapse."""

    name: str = Field(pattern=NAME)
    column: str = Field(pattern=COLUMN)
    low: float | None = Field(default=None, description="Inclusive lower bound of `column`.")
    high: float | None = Field(default=None, description="Exclusive upper bound of `column`.")


class Gate(Declaration):
    """What a candidate must show before it may be released."""

    floors: Mapping[str, float] = Field(
        default_factory=dict, description="Metric to its lowest value, e.g. `{'auc': 0.7}`."
    )
    beats_baselines_on: str = Field(
        default="average_precision", description="Metric on which every baseline must be beaten."
    )
    beats_champion_on: str = Field(default="average_precision")
    champion_tolerance: float = Field(
        default=0.01, ge=0, description="How much worse than the champion is still accepted."
    )
    max_calibration_error: float = Field(
        default=0.05, gt=0, description="Highest expected calibration error (0-1)."
    )
    segments: tuple[Segment, ...] = ()
    min_segment_auc: float = Field(default=0.5, ge=0, le=1)
    min_segment_positives: int = Field(default=20, description="Smaller segments are reported, not judged.")
    max_latency_ms: float = Field(
        default=50.0, gt=0, description="Highest median time to score one row, in milliseconds."
    )
    max_size_mb: float = Field(default=100.0, gt=0)


class Model(Declaration):
    """How a candidate is trained and judged."""

    train: Callable[..., Any] = Field(
        description="`train(data, parameters, seed) -> fitted model`; see ml_platform.models.training.candidates."
    )
    framework: Literal["xgboost"] = "xgboost"
    parameters: Mapping[str, float | int | str | bool] = Field(default_factory=dict)
    request_features: Callable[..., Any] | None = Field(
        default=None,
        description="Pure function of the event's own columns, Arrow table to Arrow table, in training and serving.",
    )
    request_feature_names: tuple[str, ...] = ()
    split: Split = Split()
    gate: Gate = Gate()
    precision_k: int = Field(
        default=100, gt=0, description="k of Card Precision@k: alerts that investigators can check a day."
    )
    card: str | None = Field(
        default=None, description="Column that names the card (or account) for Card Precision@k."
    )
    known_days: int | None = Field(
        default=None,
        ge=0,
        description="Cards reported within so many days before the test, or in it, are known; None: the training days.",
    )
    seed: int = 0


class BatchPrediction(Declaration):
    """Daily scores by the champion, written to a warehouse table and published as events."""

    relation: str = Field(pattern=RELATION, description="Table that the predictions are written to.")
    topic: str = Field(description="Topic that prediction events are published on.")
    columns: tuple[str, ...] = Field(
        default=(), description="Columns of the dataset's events that are carried along."
    )


class Retraining(Declaration):
    """When a new candidate is due. Whatever fires, no training starts within `cool_down` of the last."""

    min_new_labels: int = Field(default=200, gt=0, description="Labels reported since the last snapshot.")
    metric: str = "average_precision"
    min_metric: float | None = Field(
        default=None, description="Retrain when the metric on newly reported labels falls below this."
    )
    cool_down: timedelta = timedelta(days=1)


class UseCase(Declaration):
    """One use case: a group of assets, with its owner, tags, schedule and alert route."""

    name: str = Field(pattern=NAME)
    owner: str = Field(description="`team:<name>` or an e-mail address.")
    description: str
    tags: Mapping[str, str] = Field(default_factory=dict)
    sources: tuple[RawSource, ...] = Field(
        default=(), description="What it needs of the landing folder; a source may be several use cases'."
    )
    dataset: Dataset
    model: Model
    batch_prediction: BatchPrediction | None = None
    feature_views: tuple[FeatureView, ...] = Field(
        default=(), description="Views synced to the online store."
    )
    retraining: Retraining = Retraining()
    alert_route: str = Field(default="log", description="Where alerts go, as the alert port understands it.")

    @model_validator(mode="after")
    def _card_is_carried(self) -> "UseCase":
        if self.model.card and self.model.card not in self.dataset.keys:
            raise ValueError(
                f"use case {self.name}: model.card {self.model.card!r} is not among dataset.keys {self.dataset.keys}"
            )
        return self
