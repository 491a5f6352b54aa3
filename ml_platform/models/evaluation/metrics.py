"""The metrics of a model's predictions: the task's, and the use case's own."""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ml_platform.errors import ConfigurationError
from ml_platform.models.declarations import Metric, Model
from ml_platform.models.tasks.base import task
from ml_platform.models.training.data import TestData, judged_rows
from ml_platform.user_code import call_user_code

__all__ = ["evaluate", "metric_of"]


def evaluate(model: Model, predictions: pa.Table, test: TestData) -> dict[str, float]:
    """Every metric of a model's predictions on a test window; those that are not defined on it are left out.

    Args:
        model: the declaration.
        predictions: one row a row of ``test``, with the task's columns.
        test: the rows.

    Raises:
        ConfigurationError: a metric of the use case's own did not return a number or None.
        UserCodeError: it raised an error.
    """
    found = task(model.task).metrics(predictions, test.labels, test.classes)
    own = {metric.name: _own(model, metric, predictions, test) for metric in model.metrics}
    return {**found, **{name: value for name, value in own.items() if value is not None}}


def metric_of(
    model: Model, name: str, predictions: pa.Table, test: TestData, rows: npt.NDArray[np.bool_]
) -> float | None:
    """One metric over some of the rows; None when it is not defined on them.

    Args:
        model: the declaration.
        name: of the metric.
        predictions: of every row of ``test``.
        test: the rows.
        rows: bool of shape (rows,): those that count.
    """
    mask = pa.array(rows)
    for metric in model.metrics:
        if metric.name == name:
            return _own(model, metric, predictions.filter(mask), test.filter(rows))
    labels = test.labels[rows] if len(test.labels) else test.labels
    found: Mapping[str, float] = task(model.task).metrics(predictions.filter(mask), labels, test.classes)
    return found.get(name)


def _own(model: Model, metric: Metric, predictions: pa.Table, test: TestData) -> float | None:
    value = call_user_code(
        f"model {model.name}, metric {metric.name}",
        metric.function,
        predictions,
        test,
        given=judged_rows(predictions, test),
    )
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise ConfigurationError(
            f"metric {metric.name} returned {type(value).__name__} {value!r}; return a number, or None where it is "
            "not defined"
        )
    return float(value) if math.isfinite(value) else None
