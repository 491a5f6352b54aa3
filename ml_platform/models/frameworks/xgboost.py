"""XGBoost, stored in its own format. Serving uses this file too: it imports neither Dagster nor MLflow."""

import json
import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.errors import ConfigurationError, NotFoundError, UnreadableFileError
from ml_platform.models.frameworks.base import FittedModel, feature_matrix
from ml_platform.models.frameworks.ubjson import is_whole
from ml_platform.models.tasks.base import task

if TYPE_CHECKING:
    import xgboost

__all__ = ["XGBoostModel", "library"]

FILE = "model.ubj"
CLASSES = "classes"
"""Attribute of the booster that holds the names of the classes, as JSON."""

_TASKS = {
    "binary:logistic": "binary",
    "multi:softprob": "multiclass",
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:squaredlogerror",
            "reg:absoluteerror",
            "reg:pseudohubererror",
            "reg:gamma",
            "reg:tweedie",
            "count:poisson",
        ),
        "regression",
    ),
}
"""Objective to the task that it solves: those whose predictions are probabilities, or in the label's unit."""


def library() -> ModuleType:
    """The ``xgboost`` module, its threads set to sleep while they wait for each other.

    By default they spin, and on cores shared with other processes a fit then takes up to ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when the shared library is loaded
    import xgboost

    return xgboost  # type: ignore[no-any-return]  # the module has no types


class XGBoostModel(FittedModel):
    """A booster with its ``feature_names`` set, of an objective that gives probabilities or the label's number.

    Args:
        booster: what ``xgboost.train`` returns.
        classes: those of the label, for ``multi:softprob``.

    >>> XGBoostModel(xgboost.train(parameters, rows), data.classes)
    """

    libraries: ClassVar[tuple[str, ...]] = ("xgboost-cpu", "xgboost")

    def __init__(self, booster: "xgboost.Booster", classes: tuple[str, ...] = ()) -> None:
        if not booster.feature_names:
            raise ConfigurationError("the booster has no feature_names; name them when its DMatrix is made")
        objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
        if objective not in _TASKS:
            raise ConfigurationError(
                f"the booster's objective {objective} gives neither probabilities nor the label's number; train with "
                f"one of {sorted(_TASKS)}"
            )
        self._booster = booster
        # Waking threads costs more than scoring a row; one alone scores a million rows in a few seconds.
        booster.set_param({"nthread": 1})
        if classes:
            booster.set_attr(**{CLASSES: json.dumps(list(classes))})
        self._classes = tuple(json.loads(booster.attr(CLASSES) or "[]"))
        self._task = task(_TASKS[objective])
        if self._task.name == "multiclass" and not self._classes:
            raise ConfigurationError(
                "a booster of multi:softprob needs the names of its classes; pass data.classes"
            )
        self._names = tuple(booster.feature_names)

    @property
    def task(self) -> str:
        """Follows from the booster's objective."""
        return self._task.name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`predict` reads, in the order of training."""
        return self._names

    def predict(self, features: pa.Table) -> pa.Table:
        """Predict each row; nulls are missing values (NaN)."""
        raw: npt.NDArray[Any] = self._booster.inplace_predict(
            feature_matrix(features, self._names), validate_features=False
        )
        return self._task.predictions(raw, self._classes)

    def save(self, folder: Path) -> None:
        """Write ``model.ubj`` (XGBoost's binary JSON, readable by every later version)."""
        folder.mkdir(parents=True, exist_ok=True)
        self._booster.save_model(folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read ``model.ubj``.

        Raises:
            NotFoundError: the folder does not hold one.
            UnreadableFileError: the file is not an XGBoost model.
        """
        xgboost = library()
        path = folder / FILE
        if not path.is_file():
            raise NotFoundError(
                f"there is no XGBoost model at {path}; name the folder that a model was saved to"
            )
        refused = f"{path} is not an XGBoost model, or is damaged; restore it or train again"
        if not is_whole(path.read_bytes()):
            raise UnreadableFileError(refused)
        try:
            booster = xgboost.Booster(model_file=path)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise UnreadableFileError(refused) from error
        return cls(booster)

    def importance(self) -> dict[str, float]:
        """Share of each feature in the total gain of all splits."""
        gain = self._booster.get_score(importance_type="total_gain")
        shares = {name: float(np.sum(gain.get(name, 0.0))) for name in self._names}
        total = sum(shares.values()) or 1.0
        return {name: share / total for name, share in shares.items()}
