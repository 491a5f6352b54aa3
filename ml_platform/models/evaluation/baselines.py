"""The two baselines that a model must beat to be worth its upkeep."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.models.frameworks.base import Scorer, feature_matrix
from ml_platform.models.training.data import TrainingData

__all__ = ["BaseRate", "LogisticRegression", "fit_baselines"]


@dataclass(frozen=True)
class BaseRate:
    """Gives every row the share of positives in training."""

    rate: float

    def predict(self, features: pa.Table) -> npt.NDArray[np.float64]:
        """The same probability for each row, float64 of shape (rows,)."""
        return np.full(features.num_rows, self.rate)


@dataclass(frozen=True)
class LogisticRegression:
    """Logistic regression on the same features, standardised; nulls take the column's mean."""

    feature_names: tuple[str, ...]
    pipeline: Any

    @classmethod
    def fit(cls, data: TrainingData) -> "LogisticRegression":
        """Fit on all rows and features of a training window."""
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression as Regression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        # Newton's method with a Cholesky factor is the fastest solver for many more rows than features.
        pipeline = make_pipeline(
            SimpleImputer(strategy="mean", keep_empty_features=True),
            StandardScaler(),
            Regression(solver="newton-cholesky"),
        )
        pipeline.fit(feature_matrix(data.features, data.feature_names).astype(np.float64), data.labels)
        return cls(data.feature_names, pipeline)

    def predict(self, features: pa.Table) -> npt.NDArray[np.float64]:
        """Probability of the positive class, float64 of shape (rows,)."""
        matrix = feature_matrix(features, self.feature_names).astype(np.float64)
        scores: npt.NDArray[np.float64] = self.pipeline.predict_proba(matrix)[:, 1]
        return scores


def fit_baselines(data: TrainingData) -> dict[str, Scorer]:
    """Both baselines, by name: ``base_rate`` and ``logistic_regression``."""
    return {
        "base_rate": BaseRate(float(data.labels.mean())),
        "logistic_regression": LogisticRegression.fit(data),
    }
