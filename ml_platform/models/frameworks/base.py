"""The contract of a fitted model, and the look-up of frameworks by name."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.errors import ConfigurationError, SchemaMismatchError

__all__ = ["FittedModel", "Framework", "Scorer", "feature_matrix", "framework"]


class Scorer(Protocol):
    """Whatever gives a probability to each row: a model, or a baseline beside it."""

    def predict(self, features: pa.Table) -> npt.NDArray[np.float64]:
        """Probability of the positive class, float64 in [0, 1], one a row of ``features``, in its order."""
        ...


class FittedModel(ABC):
    """A fitted model of any framework, stored in the framework's own files and never as a pickle.

    Saving a model twice gives the same bytes, and a loaded model predicts what the saved one did.
    """

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`predict` reads, in the order of training."""

    @abstractmethod
    def predict(self, features: pa.Table) -> npt.NDArray[np.float64]:
        """Probability of the positive class.

        Args:
            features: a table with at least :attr:`feature_names` (numeric or boolean, nulls allowed), in any
                order; other columns are ignored.

        Returns:
            float64 in [0, 1], shape (rows,), in the order of the table.

        Raises:
            SchemaMismatchError: a feature is missing or not numeric.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's native files into a folder (created when it is not there)."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a model that :meth:`save` wrote.

        Raises:
            NotFoundError: the folder does not hold one.
            UnreadableFileError: a file is not of this framework, or is damaged.
        """

    @abstractmethod
    def importance(self) -> Mapping[str, float]:
        """Share of each feature in the model's decisions; shares add up to 1 (a constant model: all 0)."""


@dataclass(frozen=True)
class Framework:
    """A framework: its name, its class of models, and the distributions whose versions decide a fit."""

    name: str
    model: type[FittedModel]
    libraries: tuple[str, ...]


# Name to (module, class, distributions). The module is imported on look-up: naming a framework costs nothing.
_FRAMEWORKS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "xgboost": ("ml_platform.models.frameworks.xgboost", "XGBoostModel", ("xgboost-cpu", "xgboost")),
}


def framework(name: str) -> Framework:
    """The framework of that name.

    Raises:
        ConfigurationError: there is none.
    """
    if name not in _FRAMEWORKS:
        raise ConfigurationError(f"there is no framework {name!r}; choose one of {sorted(_FRAMEWORKS)}")
    module, model, libraries = _FRAMEWORKS[name]
    return Framework(name, getattr(import_module(module), model), libraries)


def feature_matrix(features: pa.Table, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """The named columns as one float32 matrix of shape (rows, names), nulls as NaN.

    Raises:
        SchemaMismatchError: a column is missing, or is neither numeric nor boolean.
    """
    if missing := [name for name in names if name not in features.column_names]:
        raise SchemaMismatchError(
            f"the model needs the features {missing}, which are not among {features.column_names}"
        )
    matrix = np.empty((features.num_rows, len(names)), dtype=np.float32)
    for position, name in enumerate(names):
        column = features.column(name)
        if not (
            pa.types.is_integer(column.type)
            or pa.types.is_floating(column.type)
            or pa.types.is_decimal(column.type)
            or pa.types.is_boolean(column.type)
            or pa.types.is_null(column.type)
        ):
            raise SchemaMismatchError(f"feature {name!r} is {column.type}; a feature is numeric or boolean")
        if pa.types.is_boolean(column.type):
            column = pc.cast(column, pa.uint8())
        matrix[:, position] = pc.cast(column, pa.float32(), safe=False).to_numpy()
    return matrix
