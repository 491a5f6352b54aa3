"""The table of predictions: one row an event, with the prediction and the release that gave it."""

from ml_platform.errors import ConfigurationError
from ml_platform.use_case import BatchPrediction, UseCase

__all__ = ["DAY", "RELEASE", "batch_prediction"]

DAY = "day"
"""UTC day (DATE) on which the event occurred."""
RELEASE = "release"
"""Version of the release that gave the prediction."""


def batch_prediction(use_case: UseCase) -> BatchPrediction:
    """The use case's declaration. Raises ConfigurationError when it has none."""
    if not use_case.batch_predictions:
        raise ConfigurationError(f"{use_case.name} declares no batch_predictions; declare one to score days")
    return use_case.batch_predictions[0]
