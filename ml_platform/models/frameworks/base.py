"""The contract of a fitted model, and the table of frameworks that packages may extend."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.errors import SchemaMismatchError
from ml_platform.table import Entry, Table

__all__ = [
    "FittedModel",
    "check_framework",
    "feature_matrix",
    "framework",
    "framework_names",
    "is_numeric",
    "require_features",
]


class FittedModel(ABC):
    """A fitted model of any framework, stored in the framework's own files and never as a pickle.

    Saving a model twice gives the same bytes, and a loaded model predicts what the saved one did.
    """

    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose versions decide a fit; those that are not installed are passed over."""

    @property
    @abstractmethod
    def task(self) -> str:
        """Name of the task that it solves."""

    @property
    @abstractmethod
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`predict` reads, in the order of training."""

    @abstractmethod
    def predict(self, features: pa.Table) -> pa.Table:
        """Predict each row.

        Args:
            features: a table with at least :attr:`feature_names`, nulls allowed, in any order; other columns are
                ignored.

        Returns:
            The columns of the task's prediction schema, one row a row, in the order of the table.

        Raises:
            SchemaMismatchError: a feature is missing, or is of a type that the model cannot read.
        """

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the model's native files into a folder (created when it is not there).

        Raises:
            ConfigurationError: a part of the model cannot be stored safely; names it.
        """

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read a model that :meth:`save` wrote.

        Raises:
            NotFoundError: the folder does not hold one.
            UnreadableFileError: a file is not of this framework, is damaged, or holds what is not allowed.
        """

    def importance(self) -> Mapping[str, float] | None:
        """Share of each feature in the model's decisions, adding up to 1 (a constant model: all 0); None: unknown."""
        return None


_FRAMEWORKS: Table[FittedModel] = Table(
    "framework",
    "ml_platform.frameworks",
    {
        "xgboost": Entry("ml_platform.models.frameworks.xgboost", "XGBoostModel"),
        "sklearn": Entry("ml_platform.models.frameworks.sklearn", "SklearnModel"),
        "lightgbm": Entry("ml_platform.models.frameworks.lightgbm", "LightGBMModel"),
    },
)


def framework(name: str) -> type[FittedModel]:
    """The class of a framework's models.

    Raises:
        ConfigurationError: there is no such framework; names those there are.
    """
    return _FRAMEWORKS.load(name)


def check_framework(name: str) -> None:
    """Refuse a framework that does not exist, importing none. Raises ConfigurationError."""
    _FRAMEWORKS.check(name)


def framework_names() -> tuple[str, ...]:
    """Names of every framework, those of other packages included."""
    return _FRAMEWORKS.names()


def require_features(features: pa.Table, names: tuple[str, ...]) -> None:
    """Refuse a table that lacks a feature. Raises SchemaMismatchError."""
    if missing := [name for name in names if name not in features.column_names]:
        raise SchemaMismatchError(
            f"the model needs the features {missing}, which are not among {features.column_names}"
        )


def feature_matrix(features: pa.Table, names: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """The named columns as one float32 matrix of shape (rows, names), nulls as NaN.

    Raises:
        SchemaMismatchError: a column is missing, or is neither numeric nor boolean.
    """
    require_features(features, names)
    matrix = np.empty((features.num_rows, len(names)), dtype=np.float32)
    for position, name in enumerate(names):
        column = features.column(name)
        if not is_numeric(column.type):
            raise SchemaMismatchError(
                f"feature {name!r} is {column.type}, and a matrix holds numbers and booleans only; encode it in "
                "`train` (a scikit-learn pipeline takes text and categories, LightGBM categories), make it a number in "
                "the feature SQL, or take it out of the features"
            )
        if pa.types.is_boolean(column.type):
            column = pc.cast(column, pa.uint8())
        matrix[:, position] = pc.cast(column, pa.float32(), safe=False).to_numpy()
    return matrix


def is_numeric(kind: pa.DataType) -> bool:
    """Tell whether a column of this type can be part of a matrix: numbers, booleans, and nulls without a type."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    )
