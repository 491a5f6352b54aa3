"""XGBoost, stored in its own format. Serving uses this file too: it imports neither Dagster nor MLflow."""

import os
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.errors import NotFoundError, UnreadableFileError
from ml_platform.models.frameworks.base import FittedModel, feature_matrix

if TYPE_CHECKING:
    import xgboost

__all__ = ["XGBoostModel", "library"]

FILE = "model.ubj"


def library() -> ModuleType:
    """The ``xgboost`` module, its threads set to sleep while they wait for each other.

    By default they spin, and on cores shared with other processes a fit then takes up to ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when the shared library is loaded
    import xgboost

    return xgboost  # type: ignore[no-any-return]


class XGBoostModel(FittedModel):
    """A booster with its ``feature_names`` set, whose objective gives probabilities (``binary:logistic``)."""

    def __init__(self, booster: "xgboost.Booster") -> None:
        if not booster.feature_names:
            raise ValueError("the booster has no feature_names; name them when its DMatrix is made")
        self._booster = booster
        # Waking threads costs more than scoring a row; one alone scores a million rows in a few seconds.
        booster.set_param({"nthread": 1})
        self._names = tuple(booster.feature_names)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`predict` reads, in the order of training."""
        return self._names

    def predict(self, features: pa.Table) -> npt.NDArray[np.float64]:
        """Probability of the positive class, float64 of shape (rows,); nulls are missing values (NaN)."""
        scores: npt.NDArray[Any] = self._booster.inplace_predict(
            feature_matrix(features, self._names), validate_features=False
        )
        return scores.astype(np.float64)

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
        try:
            booster = xgboost.Booster(model_file=path)
        except (xgboost.core.XGBoostError, ValueError) as error:
            raise UnreadableFileError(
                f"{path} is not an XGBoost model, or is damaged; restore it or train again"
            ) from error
        return cls(booster)

    def importance(self) -> dict[str, float]:
        """Share of each feature in the total gain of all splits."""
        gain = self._booster.get_score(importance_type="total_gain")
        shares = {name: float(np.sum(gain.get(name, 0.0))) for name in self._names}
        total = sum(shares.values()) or 1.0
        return {name: share / total for name, share in shares.items()}
