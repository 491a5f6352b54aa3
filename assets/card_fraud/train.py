"""Fits the model; everything around it (splits, metrics, gates, tracking) is the platform's."""

from collections.abc import Mapping
from typing import Any

from ml_platform.models.frameworks.base import feature_matrix
from ml_platform.models.frameworks.xgboost import XGBoostModel, library
from ml_platform.models.training.data import TrainingData

__all__ = ["train"]


def train(data: TrainingData, parameters: Mapping[str, Any], seed: int) -> XGBoostModel:
    """Fit boosted trees.

    Args:
        data: features and labels of a training window.
        parameters: ``rounds``, and whatever else XGBoost takes.
        seed: of row and column sampling.
    """
    xgboost = library()
    booster = {**parameters, "objective": "binary:logistic", "seed": seed}
    rounds = int(booster.pop("rounds"))
    rows = xgboost.QuantileDMatrix(
        feature_matrix(data.features, data.feature_names),
        data.labels,
        feature_names=list(data.feature_names),
        max_bin=booster["max_bin"],
    )
    return XGBoostModel(xgboost.train(booster, rows, num_boost_round=rounds))
