"""The table of predictions: one row an event, with its score and the release that gave it."""

from ml_platform.errors import ConfigurationError
from ml_platform.use_case import BatchPrediction, UseCase

__all__ = ["DAY", "RELEASE", "SCORE", "batch_prediction"]

DAY = "day"
"""UTC day (DATE) on which the event occurred."""
SCORE = "score"
"""Probability of the positive class (DOUBLE)."""
RELEASE = "release"
"""Version of the release that gave the score."""


def batch_prediction(use_case: UseCase) -> BatchPrediction:
    """The use case's declaration. Raises ConfigurationError when it has none."""
    if use_case.batch_prediction is None:
        raise ConfigurationError(f"{use_case.name} declares no batch_prediction; declare one to score days")
    return use_case.batch_prediction
