"""The declarations: what one practitioner writes for a use case.

They are plain, validated data and import neither Dagster nor MLflow, so that services can read them too;
``ml_platform.orchestration`` turns them into assets, checks, schedules and conditions.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from ml_platform.cadence import Cadence
from ml_platform.declaration import COLUMN, NAME, RELATION, Declaration, identifiers
from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.ingestion.source import RawSource
from ml_platform.models.declarations import (
    PRIMARY,
    Gate,
    GateCheck,
    Metric,
    Model,
    Plot,
    Segment,
    Split,
)

__all__ = [
    "PRIMARY",
    "BatchPrediction",
    "Dataset",
    "Feature",
    "FeatureSource",
    "FeatureView",
    "Gate",
    "GateCheck",
    "Label",
    "Metric",
    "Model",
    "Plot",
    "Retraining",
    "Segment",
    "Split",
    "SyncGuard",
    "UseCase",
    "ViewFeatures",
]

FeatureKind = Literal["request", "operational", "analytics"]


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
        description="Oldest that the newest row may be, measured against the end of the data, never the wall clock.",
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


class Feature(Declaration):
    """A feature column of a dataset's events, of any type that Arrow has: a number, a category, a text."""

    name: str = Field(pattern=COLUMN)
    kind: Literal["operational", "request"] = Field(
        default="operational",
        description="`operational`: a window over events, kept from their stream; `request`: the event carries it.",
    )
    description: str = ""


class FeatureSource(Declaration):
    """One input of a model, and where a service gets it from."""

    name: str = Field(description="The column that the model reads.")
    source: str = Field(
        description="Request: the function that computes it, or the field that holds it. Operational: relation and "
        "column. Analytics: view and feature of the online store."
    )
    entity: tuple[str, ...] = Field(default=(), description="Key columns that it is looked up by.")


class Label(Declaration):
    """The truth about an event, which arrives late.

    Without ``value`` it is an event: 1 when ``relation`` has a row of the event that was available by then, else 0.
    With ``value`` it is a value that arrives late, a class when there are ``classes`` and else a number; it is null
    until it was reported, and the newest report counts.
    """

    relation: str = Field(pattern=RELATION)
    id: str = Field(pattern=COLUMN, description="Column of the relation that names the event.")
    available_at: str = Field(pattern=COLUMN, description="When the label was reported.")
    delay: timedelta = Field(
        ge=timedelta(0),
        description="After this long an event without a report is negative, and a value that is missing will not come.",
    )
    max_late_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Largest share of labels that may come later than `delay`: so many are taken as final and are not.",
    )
    name: str = Field(
        default="label", pattern=COLUMN, description="Name of the label's column in the dataset."
    )
    value: str | None = Field(
        default=None,
        pattern=COLUMN,
        description="Column of the relation that holds the value; None: an event.",
    )
    classes: tuple[str, ...] = Field(default=(), description="Every class that `value` may be.")
    share: tuple[float, float] = Field(
        default=(0.0, 1.0), description="Lowest and highest believable share of positives, or of each class."
    )
    range: tuple[float | None, float | None] = Field(
        default=(None, None), description="Lowest and highest believable number, inclusive; None: unbounded."
    )

    @property
    def reported_at(self) -> str:
        """Name of the dataset's column that says when the label was reported; null until then."""
        return f"{self.name}_available_at"

    @model_validator(mode="after")
    def _fields_fit(self) -> "Label":
        if self.value is None and (self.classes or self.range != (None, None)):
            raise ValueError("classes and range are of values; name the column that holds the value, `value`")
        if self.classes and self.range != (None, None):
            raise ValueError("a label has classes or a range of numbers; declare one of them")
        if self.classes and len(self.classes) < 2:
            raise ValueError(f"classes are {self.classes}; declare at least two")
        if not 0.0 <= self.share[0] <= self.share[1] <= 1.0:
            raise ValueError(
                f"share is {self.share}; give the lowest and then the highest, both within 0 and 1"
            )
        low, high = self.range
        if low is not None and high is not None and low > high:
            raise ValueError(f"range is {self.range}; give the lowest and then the highest")
        identifiers(self.classes)
        return self


class Dataset(Declaration):
    """A snapshot of events, labelled when there is a label: one row an event, with what was known at its time."""

    events: str = Field(
        pattern=RELATION, description="Relation with one row an event, or an entity and time."
    )
    id: str = Field(pattern=COLUMN)
    occurred_at: str = Field(default="occurred_at", pattern=COLUMN)
    keys: tuple[str, ...] = Field(default=(), description="Entity columns carried along; not features.")
    features: tuple[Feature | str, ...] = Field(
        default=(),
        description="Feature columns of `events`: numbers, categories or texts; a name is operational.",
    )
    views: tuple[ViewFeatures, ...] = ()
    label: Label | None = Field(
        default=None, description="None: there is nothing to predict, e.g. embeddings."
    )
    history: timedelta | None = Field(
        default=None, description="How far back the snapshot reaches; None: all there is."
    )
    data_schema: Any = Field(
        default=None,
        description="Function without arguments that returns the pandera DataFrameSchema that every row must satisfy.",
    )

    @model_validator(mode="after")
    def _has_features(self) -> "Dataset":
        if not self.feature_names:
            raise ValueError("features and views are both empty; name at least one feature")
        return self

    @property
    def event_features(self) -> tuple[str, ...]:
        """Feature columns of the events, in order."""
        return tuple(f.name if isinstance(f, Feature) else f for f in self.features)

    @property
    def view_features(self) -> tuple[str, ...]:
        """Feature columns that the views add, in order: ``<view>__<feature>``."""
        return tuple(f"{v.view.name}__{f}" for v in self.views for f in v.features)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Every feature column of the snapshot, in order: the events' own, then the views'."""
        return self.event_features + self.view_features

    @property
    def maturity(self) -> timedelta:
        """Time from an event until its label is final; nothing without a label."""
        return self.label.delay if self.label else timedelta(0)


class BatchPrediction(Declaration):
    """Predictions of whole partitions by a released model, in a warehouse table, announced by events."""

    model: str = Field(
        default="model",
        pattern=r"^([a-z][a-z0-9_]{0,62}/)?[a-z][a-z0-9_]{0,62}$",
        description="A model of this use case, or `<use_case>/<model>` of another one.",
    )
    relation: str = Field(pattern=RELATION, description="Table that the predictions are written to.")
    topic: str | None = Field(
        default=None, description="Topic that prediction events are published on; None: nothing is published."
    )
    columns: tuple[str, ...] = Field(
        default=(), description="Columns of the dataset's events that are carried along."
    )
    cadence: Cadence | None = Field(
        default=None, description="How often; None: that of the dataset's events."
    )


class Retraining(Declaration):
    """When a new candidate is due. Whatever fires, no training starts within `cool_down` of the last."""

    min_new_labels: int = Field(default=200, gt=0, description="Labels reported since the last snapshot.")
    metric: str = Field(
        default=PRIMARY, description="Metric that is watched; `primary`: the task's main one."
    )
    limit: float | None = Field(
        default=None, description="Retrain when the metric on newly reported labels is worse than this."
    )
    cool_down: timedelta = timedelta(days=1)


class UseCase(Declaration):
    """One use case: a group of assets, with its owner, tags, schedule and alert route.

    It may have features only (``feature_views``), or batch predictions only (by another use case's model).
    """

    name: str = Field(pattern=NAME)
    owner: str = Field(description="`team:<name>` or an e-mail address.")
    description: str
    tags: Mapping[str, str] = Field(default_factory=dict)
    sources: tuple[RawSource, ...] = Field(
        default=(), description="What it needs of the landing folder; a source may be several use cases'."
    )
    dataset: Dataset | None = None
    models: tuple[Model, ...] = ()
    batch_predictions: tuple[BatchPrediction, ...] = ()
    feature_views: tuple[FeatureView, ...] = Field(
        default=(), description="Views synced to the online store."
    )
    retraining: Retraining = Retraining()
    alert_route: str = Field(default="log", description="Where alerts go, as the alert port understands it.")

    @model_validator(mode="after")
    def _parts_fit(self) -> "UseCase":
        if self.models and self.dataset is None:
            raise ValueError(
                f"use case {self.name} has models and no dataset; declare what they are trained on"
            )
        for what, names in (
            ("models", [m.name for m in self.models]),
            ("batch_predictions", [b.relation for b in self.batch_predictions]),
        ):
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what} of use case {self.name} repeat {repeated}; name each once")
        own = {model.name for model in self.models}
        for prediction in self.batch_predictions:
            if "/" not in prediction.model and prediction.model not in own:
                raise ValueError(
                    f"batch_predictions names the model {prediction.model!r}; {self.name} has {sorted(own)}, and "
                    "another use case's is named `<use_case>/<model>`"
                )
        # Tasks may be added by packages, so they are looked up; their module imports this one.
        from ml_platform.models.tasks.checking import check_models

        try:
            check_models(self)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        return self

    def model(self, name: str = "model") -> Model:
        """The model of that name.

        Raises:
            NotFoundError: there is none.
        """
        for model in self.models:
            if model.name == name:
                return model
        raise NotFoundError(f"{self.name} has no model {name!r}; it has {[m.name for m in self.models]}")

    @property
    def data(self) -> Dataset:
        """The dataset of a use case that must have one.

        Raises:
            ConfigurationError: it declares none.
        """
        if self.dataset is None:
            raise ConfigurationError(f"use case {self.name} declares no dataset; declare one")
        return self.dataset

    @property
    def joined_views(self) -> tuple[ViewFeatures, ...]:
        """The feature views that the dataset joins; none without a dataset."""
        return self.dataset.views if self.dataset else ()

    def features_by_kind(self, model: str = "model") -> Mapping[FeatureKind, tuple[FeatureSource, ...]]:
        """The inputs of a model by kind, each with where a service gets it from.

        Request features come with the event or are computed from it; operational ones are windows kept from the event
        stream; analytics ones are fetched from the online store by their entity.

        >>> use_case.features_by_kind()["analytics"]
        (FeatureSource(name='buyer__orders', source='online/buyer orders', entity=('buyer_id',)),)
        """
        declared, chosen = self.data, self.model(model)
        kinds = {f.name: f.kind for f in declared.features if isinstance(f, Feature)}
        own = [(name, kinds.get(name, "operational")) for name in declared.event_features]
        compute = chosen.request_features
        computed = f"{compute.__module__}.{compute.__qualname__}" if compute else ""
        return {
            "request": (
                *(
                    FeatureSource(name=name, source=f"request {name}")
                    for name, kind in own
                    if kind == "request"
                ),
                *(FeatureSource(name=name, source=computed) for name in chosen.request_feature_names),
            ),
            "operational": tuple(
                FeatureSource(name=name, source=f"{declared.events} {name}", entity=declared.keys)
                for name, kind in own
                if kind == "operational"
            ),
            "analytics": tuple(
                FeatureSource(
                    name=f"{v.view.name}__{f}", source=f"online/{v.view.name} {f}", entity=v.view.entity
                )
                for v in declared.views
                for f in v.features
            ),
        }
