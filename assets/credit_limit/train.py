"""Fits the model; everything around it (splits, metrics, gates, tracking) is the platform's."""

from collections.abc import Mapping
from typing import Any

from ml_platform.models.frameworks.lightgbm import LightGBMModel, library, settings, training_rows
from ml_platform.models.training.data import TrainingData

__all__ = ["train"]


def train(data: TrainingData, parameters: Mapping[str, Any], seed: int) -> LightGBMModel:
    """Fit boosted trees on what each customer spent.

    Args:
        data: features, and the spend of the 30 days after, of a training window.
        parameters: ``rounds``, and whatever else LightGBM takes.
        seed: of row and column sampling.
    """
    booster = {**parameters, **settings(seed)}
    rounds = int(booster.pop("rounds"))
    rows, categories = training_rows(data)
    return LightGBMModel(library().train(booster, rows, num_boost_round=rounds), categories=categories)
