"""LightGBM, stored in its text format with the categories of its features beside it."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from ml_platform.errors import (
    ConfigurationError,
    NotFoundError,
    SchemaMismatchError,
    UnreadableFileError,
)
from ml_platform.models.frameworks.base import FittedModel, is_numeric, require_features
from ml_platform.models.tasks.base import task

if TYPE_CHECKING:
    import lightgbm

    from ml_platform.models.training.data import TrainingData

__all__ = [
    "Categories",
    "LightGBMModel",
    "categories_of",
    "category_matrix",
    "library",
    "settings",
    "training_rows",
]

FILE = "model.txt"
DESCRIPTION = "model.json"
Categories = Mapping[str, tuple[str, ...]]
"""Feature to the categories that it had in training, whose positions are what LightGBM sees."""

_TASKS = {
    "binary": "binary",
    "cross_entropy": "binary",
    "multiclass": "multiclass",
    **dict.fromkeys(
        (
            "regression",
            "regression_l1",
            "huber",
            "fair",
            "poisson",
            "quantile",
            "mape",
            "gamma",
            "tweedie",
        ),
        "regression",
    ),
}


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid")

    features: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    classes: tuple[str, ...]
    sha256: str


def library() -> ModuleType:
    """The ``lightgbm`` module, its threads set to sleep while they wait for each other."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read once, when the shared library is loaded
    import lightgbm

    return lightgbm  # type: ignore[no-any-return]  # the module has no types


def settings(seed: int) -> dict[str, Any]:
    """Parameters that make a fit the same each time, whatever the number of threads, and silent."""
    return {
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }


def categories_of(features: pa.Table) -> dict[str, tuple[str, ...]]:
    """The categories of each string or dictionary column, sorted."""
    found = {}
    for field in features.schema:
        if not is_numeric(field.type):
            values = pc.unique(_texts(features.column(field.name), field.name)).drop_null()
            found[field.name] = tuple(sorted(values.to_pylist()))
    return found


def category_matrix(
    features: pa.Table, names: tuple[str, ...], categories: Categories
) -> npt.NDArray[np.float64]:
    """The named columns as one float64 matrix of shape (rows, names).

    A category is its position in ``categories``; nulls, and categories that training did not have, are NaN.

    Raises:
        SchemaMismatchError: a column is missing, or is a text in one place and a number in the other.
    """
    require_features(features, names)
    matrix = np.empty((features.num_rows, len(names)), dtype=np.float64)
    for position, name in enumerate(names):
        column = features.column(name)
        if name in categories:
            known = pa.array(categories[name], pa.string())
            column = pc.index_in(_texts(column, name), value_set=known, skip_nulls=True)
        elif not is_numeric(column.type):
            raise SchemaMismatchError(
                f"feature {name!r} is {column.type}, and was a number in training; train again, or correct the feature"
            )
        if pa.types.is_boolean(column.type):
            column = pc.cast(column, pa.uint8())
        matrix[:, position] = pc.cast(column, pa.float64()).to_numpy()
    return matrix


def training_rows(data: "TrainingData") -> "tuple[lightgbm.Dataset, dict[str, tuple[str, ...]]]":
    """A LightGBM Dataset of training data, and the categories to give to :class:`LightGBMModel`.

    >>> rows, categories = training_rows(data)
    >>> booster = library().train({**settings(seed), "objective": "regression"}, rows, num_boost_round=100)
    >>> LightGBMModel(booster, categories=categories)
    """
    categories = categories_of(data.features)
    rows = library().Dataset(
        category_matrix(data.features, data.feature_names, categories),
        data.labels,
        feature_name=list(data.feature_names),
        categorical_feature=sorted(categories),
        params={"verbosity": -1},
        free_raw_data=True,
    )
    return rows, categories


class LightGBMModel(FittedModel):
    """A booster, or an estimator of LightGBM's scikit-learn interface, fitted on :func:`category_matrix`.

    Args:
        model: what ``lightgbm.train`` returns, or a fitted ``LGBMClassifier`` or ``LGBMRegressor``.
        categories: as :func:`categories_of` gave them for the training data.
        classes: those of the label, for ``multiclass``.
        feature_names: in the order of the matrix; None: those that the booster was given.
    """

    libraries: ClassVar[tuple[str, ...]] = ("lightgbm",)

    def __init__(
        self,
        model: Any,  # noqa: ANN401 (the module has no types)
        *,
        categories: Categories | None = None,
        classes: tuple[str, ...] = (),
        feature_names: tuple[str, ...] | None = None,
    ) -> None:
        booster = getattr(model, "booster_", model)
        if getattr(booster, "pandas_categorical", None):
            raise ConfigurationError(
                "the booster was fitted on a data frame with categories, which its file does not name by column; fit "
                "it on `category_matrix` and pass the categories"
            )
        # Saved and read again, so that what predicts here is what the file holds (only the best rounds, say).
        self._text: str = booster.model_to_string()
        self._booster = library().Booster(model_str=self._text)
        objective = _objective(self._text)
        if objective not in _TASKS:
            raise ConfigurationError(
                f"the booster's objective {objective} gives neither probabilities nor the label's number; train with "
                f"one of {sorted(_TASKS)}"
            )
        self._task = task(_TASKS[objective])
        self._classes = tuple(classes) if self._task.name == "multiclass" else ()
        if self._task.name == "multiclass" and len(self._classes) != self._booster.num_model_per_iteration():
            raise ConfigurationError(
                f"the booster has {self._booster.num_model_per_iteration()} classes, {len(self._classes)} are named; "
                "pass data.classes, and train with num_class of their number"
            )
        self._names = tuple(feature_names or self._booster.feature_name())
        self._categories = dict(categories or {})

    @property
    def task(self) -> str:
        """Follows from the booster's objective."""
        return self._task.name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`predict` reads, in the order of training."""
        return self._names

    def predict(self, features: pa.Table) -> pa.Table:
        """Predict each row; nulls, and categories that training did not have, are missing values."""
        matrix = category_matrix(features, self._names, self._categories)
        if not len(matrix):
            shape = (0, len(self._classes)) if self._classes else (0,)
            return self._task.predictions(np.empty(shape), self._classes)
        return self._task.predictions(self._booster.predict(matrix, num_threads=1), self._classes)

    def save(self, folder: Path) -> None:
        """Write ``model.txt`` (LightGBM's own) and ``model.json`` (features, categories, classes)."""
        folder.mkdir(parents=True, exist_ok=True)
        content = self._text.encode()
        described = _Description(
            features=self._names,
            categories=self._categories,
            classes=self._classes,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        (folder / FILE).write_bytes(content)
        (folder / DESCRIPTION).write_text(described.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            NotFoundError: the folder does not hold one.
            UnreadableFileError: a file is damaged, or they do not belong together.
        """
        path = folder / FILE
        if not path.is_file() or not (folder / DESCRIPTION).is_file():
            raise NotFoundError(
                f"there is no LightGBM model at {path}, with {DESCRIPTION} beside it; name the folder that a model "
                "was saved to"
            )
        content = path.read_bytes()
        try:
            described = _Description.model_validate_json((folder / DESCRIPTION).read_bytes())
        except ValidationError as error:
            raise UnreadableFileError(
                f"{folder / DESCRIPTION} does not describe a LightGBM model; restore it or train again"
            ) from error
        # LightGBM's parser does not survive every damaged file.
        if hashlib.sha256(content).hexdigest() != described.sha256:
            raise UnreadableFileError(
                f"{path} is not the LightGBM model that {DESCRIPTION} describes, or is damaged; restore it or train "
                "again"
            )
        lightgbm = library()
        try:
            booster = lightgbm.Booster(model_str=content.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError, ValueError) as error:
            raise UnreadableFileError(f"{path} is not a LightGBM model; restore it or train again") from error
        return cls(
            booster,
            categories=described.categories,
            classes=described.classes,
            feature_names=described.features,
        )

    def importance(self) -> dict[str, float]:
        """Share of each feature in the total gain of all splits."""
        gain = self._booster.feature_importance("gain")
        total = float(gain.sum()) or 1.0
        return {name: float(share) / total for name, share in zip(self._names, gain, strict=True)}


def _objective(text: str) -> str:
    for line in text.splitlines():
        if line.startswith("objective="):
            return line.removeprefix("objective=").split(" ")[0]
        if line.startswith("Tree="):
            break
    return "of its own"


def _texts(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if is_numeric(column.type) and not pa.types.is_null(column.type):
        raise SchemaMismatchError(
            f"feature {name!r} is {column.type}, and was a category in training; train again, or correct the feature"
        )
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowNotImplementedError as error:
        raise SchemaMismatchError(
            f"feature {name!r} is {column.type}; LightGBM reads numbers, booleans and categories: make it one of them "
            "in the feature SQL, or take it out of the features"
        ) from error
