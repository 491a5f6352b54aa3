"""A small use case with a table in place of its snapshot: parcels, some of which get lost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.models.frameworks.base import feature_matrix
from ml_platform.models.frameworks.xgboost import XGBoostModel, library
from ml_platform.models.training.data import TrainingData
from ml_platform.use_case import Dataset, Gate, Label, Model, Split, UseCase

START = datetime(2011, 3, 1, tzinfo=UTC)


def night(parcels: pa.Table) -> pa.Table:
    """Request feature: whether the parcel was posted at night."""
    return pa.table({"at_night": pc.less(pc.hour(parcels.column("occurred_at")), 6)})


def train(data: TrainingData, parameters: dict[str, Any], seed: int) -> XGBoostModel:
    """A few small trees."""
    xgboost = library()
    names = data.feature_names
    rows = xgboost.DMatrix(feature_matrix(data.features, names), data.labels, feature_names=list(names))
    booster = {"objective": "binary:logistic", "seed": seed, "subsample": 0.9, "nthread": 1, **parameters}
    return XGBoostModel(xgboost.train(booster, rows, num_boost_round=booster.pop("rounds")))


def use_case(**changes: object) -> UseCase:
    """The declaration; ``changes`` are of its model."""
    model: dict[str, object] = {
        "train": train,
        "parameters": {"rounds": 8, "max_depth": 2},
        "request_features": night,
        "request_feature_names": ("at_night",),
        "split": Split(train_days=10, delay_days=3, test_days=4, folds=2),
        "gate": Gate(limits={"auc": 0.6}, min_segment_rows=20, max_calibration_error=0.05),
    }
    return UseCase(
        name="parcels",
        owner="team:parcels",
        description="Parcels that will get lost.",
        dataset=Dataset(
            events="post.parcels",
            id="parcel_id",
            keys=("sender_id",),
            features=("weight", "distance"),
            label=Label(
                relation="post.lost",
                id="parcel_id",
                available_at="reported_at",
                delay=timedelta(days=3),
                name="lost",
            ),
        ),
        models=(Model.model_validate(model | changes),),
    )


def parcels(days: int = 30, per_day: int = 60, seed: int = 0, slowest: float = 3.5) -> pa.Table:
    """Rows as a snapshot has them; middling parcels get lost, reported 1 to ``slowest`` days later."""
    rng = np.random.default_rng(seed)
    n = days * per_day
    occurred = np.datetime64(START.replace(tzinfo=None), "us") + np.sort(
        rng.integers(0, days * 86_400_000_000, n)
    ).astype("timedelta64[us]")
    weight = rng.exponential(1.0, n)
    lost = rng.random(n) < np.where((weight > 1.5) & (weight < 3), 0.5, 0.02)
    delay = rng.integers(86_400_000_000, int(slowest * 86_400_000_000), n)
    reported = occurred + delay.astype("timedelta64[us]")
    distance = np.where(rng.random(n) < 0.1, np.nan, rng.random(n))
    return pa.table(
        {
            "parcel_id": [f"p{i:05d}" for i in range(n)],
            "occurred_at": pa.array(occurred, pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")),
            "sender_id": [f"s{i}" for i in rng.integers(0, 200, n)],
            "weight": weight,
            "distance": pa.array(distance, from_pandas=True),
            "lost": pa.array(lost.astype(np.int32)),
            "lost_available_at": pa.array(
                np.where(lost, reported, np.datetime64("NaT")), pa.timestamp("us")
            ).cast(pa.timestamp("us", tz="UTC")),
        }
    )


class TableSnapshot:
    """A table in place of a dataset snapshot; reading it is counted."""

    def __init__(self, table: pa.Table, version: str = "d1", as_of: datetime | None = None) -> None:
        self._table = table
        self.version = version
        self.as_of = self.events_end = as_of or START + timedelta(days=30)
        self.reads = 0

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows."""
        self.reads += 1
        return self._table.select(columns) if columns else self._table
