"""Baselines that several tasks share: the same answer for every row, and a linear model of the numeric features."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.models.frameworks.base import feature_matrix, is_numeric
from ml_platform.models.tasks.base import Task
from ml_platform.models.training.data import TrainingData

__all__ = ["Constant", "Linear", "numeric_features"]


def numeric_features(data: TrainingData) -> tuple[str, ...]:
    """Names of the features that a linear model can read: texts and categories are left out."""
    return tuple(field.name for field in data.features.schema if is_numeric(field.type))


@dataclass(frozen=True)
class Constant:
    """Predicts the same for every row: a float, or an array of one value a class."""

    task: Task
    value: npt.NDArray[np.float64]
    classes: tuple[str, ...] = ()

    def predict(self, features: pa.Table) -> pa.Table:
        """The same prediction, once a row."""
        raw = np.broadcast_to(self.value, (features.num_rows, *self.value.shape))
        return self.task.predictions(np.ascontiguousarray(raw), self.classes)


@dataclass(frozen=True)
class Linear:
    """A linear estimator on the numeric features, standardised; nulls take the column's mean."""

    task: Task
    feature_names: tuple[str, ...]
    pipeline: Any
    classes: tuple[str, ...] = ()

    @classmethod
    def fit(cls, task: Task, estimator: Any, data: TrainingData) -> "Linear | None":  # noqa: ANN401 (of scikit-learn)
        """Fit on all rows of a training window; None when no feature is numeric."""
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        names = numeric_features(data)
        if not names:
            return None
        pipeline = make_pipeline(
            SimpleImputer(strategy="mean", keep_empty_features=True), StandardScaler(), estimator
        )
        pipeline.fit(feature_matrix(data.features, names).astype(np.float64), data.labels)
        return cls(task, names, pipeline, data.classes)

    def predict(self, features: pa.Table) -> pa.Table:
        """Predictions with the task's columns."""
        matrix = feature_matrix(features, self.feature_names).astype(np.float64)
        if not hasattr(self.pipeline, "predict_proba"):
            return self.task.predictions(self.pipeline.predict(matrix), self.classes)
        found = self.pipeline.predict_proba(matrix)
        if not self.classes:
            return self.task.predictions(found[:, 1], ())
        # A class that training did not have gets no probability.
        raw = np.zeros((features.num_rows, len(self.classes)))
        raw[:, self.pipeline.classes_] = found
        return self.task.predictions(raw, self.classes)
