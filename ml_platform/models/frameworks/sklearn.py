"""scikit-learn, stored with skops: no pickle, and only types that our own list allows."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
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
from ml_platform.models.frameworks.sklearn_types import TRUSTED, check_trees, strangers
from ml_platform.models.tasks.base import task

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SklearnModel", "frame"]

FILE = "model.skops"
DESCRIPTION = "model.json"
SCHEMA = "schema.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ADDRESS = "_stop_words_id"
"""Attribute of text vectorisers that holds a memory address, to remember that their stop words were looked at."""


class _Description(BaseModel):
    model_config = ConfigDict(extra="forbid")

    features: tuple[str, ...]
    classes: tuple[str, ...]
    task: str


def frame(features: pa.Table, names: tuple[str, ...]) -> "pd.DataFrame":
    """The named columns as the data frame that estimators are fitted on and predict from.

    Numbers and booleans are float64, nulls NaN; texts and categories are Python strings, null being the empty one.

    >>> pipeline.fit(frame(data.features, data.feature_names), data.labels)

    Raises:
        SchemaMismatchError: a column is missing, or is neither number, boolean, text nor category.
    """
    import pandas as pd

    require_features(features, names)
    return pd.DataFrame({name: _series(features.column(name), name) for name in names}, columns=list(names))


def _series(column: pa.ChunkedArray, name: str) -> "pd.Series[Any]":
    import pandas as pd

    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return pd.Series(pc.fill_null(column, "").to_pylist(), dtype=object)
    if not is_numeric(column.type):
        raise SchemaMismatchError(
            f"feature {name!r} is {column.type}; estimators read numbers, booleans, texts and categories: make it one "
            "of them in the feature SQL, or take it out of the features"
        )
    if pa.types.is_boolean(column.type):
        column = pc.cast(column, pa.uint8())
    return pd.Series(pc.cast(column, pa.float64(), safe=False).to_numpy())


class SklearnModel(FittedModel):
    """A fitted estimator or pipeline.

    A classifier needs ``predict_proba``; what has only ``transform`` makes embeddings.

    Args:
        estimator: fitted on :func:`frame` and on the labels as they are given to ``train``.
        feature_names: columns of that frame, in order.
        classes: those of the label, for several of them.

    >>> SklearnModel(pipeline, data.feature_names, data.classes)
    """

    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn", "scipy", "skops")

    def __init__(
        self,
        estimator: Any,  # noqa: ANN401 (any estimator)
        feature_names: tuple[str, ...],
        classes: tuple[str, ...] = (),
    ) -> None:
        self._estimator = estimator
        self._names = tuple(feature_names)
        self._classes = tuple(classes)
        self._task = task(_task_of(estimator, self._classes))

    @property
    def task(self) -> str:
        """Follows from the kind of estimator and the number of classes."""
        return self._task.name

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns that :meth:`predict` reads, in the order of training."""
        return self._names

    def predict(self, features: pa.Table) -> pa.Table:
        """Predict each row; see :func:`frame` for nulls."""
        rows = frame(features, self._names)
        return self._task.predictions(self._raw(rows), self._classes)

    def _raw(self, rows: "pd.DataFrame") -> npt.NDArray[Any]:
        found: npt.NDArray[Any]
        if not len(rows):  # estimators refuse none
            return np.empty(
                (0, len(self._classes)) if self._classes else (0, 1) if self.task == "embedding" else 0
            )
        if self._task.name == "regression":
            return np.asarray(self._estimator.predict(rows), dtype=np.float64)
        if self._task.name == "embedding":
            found = self._estimator.transform(rows)
            return found.toarray() if hasattr(found, "toarray") else np.asarray(found)
        found = self._estimator.predict_proba(rows)
        if not self._classes:
            return found[:, list(self._estimator.classes_).index(1)]
        # A class that training did not have gets no probability.
        raw = np.zeros((len(rows), len(self._classes)))
        raw[:, np.asarray(self._estimator.classes_, dtype=np.int64)] = found
        return raw

    def save(self, folder: Path) -> None:
        """Write ``model.skops`` (in one canonical form) and ``model.json`` (features, classes, task).

        Raises:
            ConfigurationError: a part of the estimator is of a type that is not allowed; names it.
        """
        import skops.io

        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(skops.io.dumps(self._estimator))) as archive:
            schema = json.loads(archive.read(SCHEMA))
            if found := strangers(schema):
                raise ConfigurationError(
                    f"the estimator holds {', '.join(found)}, which may not be stored; use types of "
                    "ml_platform.models.frameworks.sklearn_types, or add one there after looking at what it does when "
                    "it is loaded"
                )
            content = _canonical(archive, schema)
        described = _Description(features=self._names, classes=self._classes, task=self.task)
        (folder / FILE).write_bytes(content)
        (folder / DESCRIPTION).write_text(described.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            NotFoundError: the folder does not hold one.
            UnreadableFileError: a file is damaged, or names a type that is not allowed: nothing of it was made.
        """
        path = folder / FILE
        if not path.is_file() or not (folder / DESCRIPTION).is_file():
            raise NotFoundError(
                f"there is no scikit-learn model at {path}, with {DESCRIPTION} beside it; name the folder that a model "
                "was saved to"
            )
        try:
            described = _Description.model_validate_json((folder / DESCRIPTION).read_bytes())
        except ValidationError as error:
            raise UnreadableFileError(
                f"{folder / DESCRIPTION} does not describe a scikit-learn model; restore it or train again"
            ) from error
        return cls(_estimator(path), described.features, described.classes)

    def importance(self) -> dict[str, float] | None:
        """Share of each feature in the absolute weights, or in the gain of trees; None: the estimator has neither."""
        last = self._estimator[-1] if hasattr(self._estimator, "steps") else self._estimator
        weights = getattr(last, "feature_importances_", None)
        if weights is None:
            weights = getattr(last, "coef_", None)
        if weights is None:
            return None
        flat = np.abs(np.asarray(weights, dtype=np.float64))
        flat = flat.mean(axis=0) if flat.ndim > 1 else flat
        owners = self._owners(len(flat))
        if owners is None:
            return None
        total = float(flat.sum()) or 1.0
        return {
            name: float(sum(flat[place] for place, owner in enumerate(owners) if owner == name)) / total
            for name in self._names
        }

    def _owners(self, width: int) -> list[str] | None:
        """The feature that each input of the last step comes from; None when it cannot be told."""
        steps = [step for _, step in self._estimator.steps[:-1]] if hasattr(self._estimator, "steps") else []
        if len(steps) == 1 and hasattr(steps[0], "transformers_"):
            (columns,) = steps
            places = columns.output_indices_
            owners = [""] * width
            for name, _, chosen in columns.transformers_:
                names = (
                    [chosen]
                    if isinstance(chosen, str)
                    else list(chosen)
                    if not isinstance(chosen, slice)
                    else []
                )
                span = places[name]
                size = span.stop - span.start
                if len(names) == 1:
                    owners[span] = names * size
                elif size == len(names):
                    owners[span] = names
                elif size:
                    return None
            return owners
        return list(self._names) if width == len(self._names) else None


def _task_of(estimator: Any, classes: tuple[str, ...]) -> str:  # noqa: ANN401
    from sklearn.base import is_classifier, is_regressor

    if is_classifier(estimator):
        if not hasattr(estimator, "predict_proba"):
            raise ConfigurationError(
                f"{type(estimator).__name__} gives no probabilities; wrap it in CalibratedClassifierCV, or take one "
                "with predict_proba"
            )
        return "multiclass" if classes else "binary"
    if is_regressor(estimator):
        return "regression"
    if hasattr(estimator, "transform"):
        return "embedding"
    raise ConfigurationError(
        f"{type(estimator).__name__} is no classifier, no regressor, and transforms nothing; return one of these"
    )


def _estimator(path: Path) -> Any:  # noqa: ANN401
    import skops.io

    try:
        content = path.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            schema = json.loads(archive.read(SCHEMA))
        found = strangers(schema)
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, RecursionError) as error:
        raise UnreadableFileError(
            f"{path} is not a skops file, or is damaged; restore it or train again"
        ) from error
    if found:
        raise UnreadableFileError(
            f"{path} holds {', '.join(found)}, which may not be loaded; nothing of it was. Restore the file, or look "
            "at where it comes from"
        )
    try:
        estimator = skops.io.loads(content, trusted=sorted(TRUSTED))
        sound = check_trees(estimator)
    except Exception as error:
        raise UnreadableFileError(
            f"{path} cannot be loaded ({type(error).__name__}: {error}); restore it or train again"
        ) from error
    if not sound:
        raise UnreadableFileError(f"{path} holds trees that lead nowhere; restore it or train again")
    return estimator


def _canonical(archive: zipfile.ZipFile, schema: Any) -> bytes:  # noqa: ANN401 (any JSON)
    """The same content in one form: skops names objects and files by their addresses, and keeps no order of sets."""
    referred = {node["__id__"] for node in _walk(schema) if node["__loader__"] == "CachedNode"}
    numbers: dict[int, int] = {}
    files: dict[str, bytes] = {}
    for node in _walk(schema):
        if (known := node.pop("__id__", None)) in referred:
            node["__id__"] = numbers.setdefault(known, len(numbers) + 1)
        if isinstance(node.get("file"), str):
            content = archive.read(node["file"])
            name = f"{hashlib.sha256(content).hexdigest()[:32]}{Path(node['file']).suffix}"
            node["file"] = name
            files[name] = content
    for node in _walk(schema):
        if node["__loader__"] == "SetNode":
            node["content"].sort(key=lambda item: json.dumps(item, sort_keys=True))
        if node["__loader__"] == "DictNode" and _ADDRESS in node["content"]:
            node["content"][_ADDRESS]["content"] = "0"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as target:
        for name, content in sorted(files.items()):
            target.writestr(zipfile.ZipInfo(name, _EPOCH), content)
        text = json.dumps(schema, separators=(",", ":"))
        target.writestr(zipfile.ZipInfo(SCHEMA, _EPOCH), text)
    return made.getvalue()


def _walk(value: Any) -> Any:  # noqa: ANN401
    """Every node of a schema, parents first."""
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        for child in value.values():
            yield from _walk(child)
    elif isinstance(value, list):
        for child in value:
            yield from _walk(child)
