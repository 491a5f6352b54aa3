"""Fitting and testing a model over its folds."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.models.declarations import Model
from ml_platform.models.evaluation.metrics import evaluate
from ml_platform.models.frameworks.base import FittedModel, framework
from ml_platform.models.tasks.base import require_schema, task
from ml_platform.models.training.data import LabelledRows, TestData, TrainingData
from ml_platform.models.training.splits import Fold, folds
from ml_platform.use_case import UseCase
from ml_platform.user_code import call_user_code

__all__ = ["Evaluation", "FoldResult", "evaluate_folds", "spread"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldResult:
    """One fold: its windows, its rows, figures of their labels, and the metrics on its test window.

    ``share_known`` is :meth:`LabelledRows.share_known`, and ``ripe`` estimates of the metrics for when it is 1.
    """

    fold: Fold
    train_rows: int
    train_labels: Mapping[str, float]
    test_rows: int
    test_labels: Mapping[str, float]
    metrics: Mapping[str, float]
    share_known: float | None
    ripe: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """A model, fitted and tested on the newest fold, with the older folds' results beside it.

    Attributes:
        model: fitted on the newest training window.
        test: the newest test window, and ``predictions`` the model's, one row a row of it.
        folds: results, newest first.
        baselines: each baseline's metrics on the newest test window; ``baseline_predictions`` what it predicts.
        notes: what differs from the declaration (a shorter training window, folds left out), for a person.
    """

    model: FittedModel
    test: TestData
    predictions: pa.Table
    folds: list[FoldResult]
    baselines: Mapping[str, Mapping[str, float]]
    baseline_predictions: Mapping[str, pa.Table]
    notes: list[str] = field(default_factory=list)


def evaluate_folds(
    use_case: UseCase, declared: Model, rows: LabelledRows, progress: Callable[[str], None] = logger.info
) -> Evaluation:
    """Fit and test the model on every fold that the history reaches.

    Raises:
        DataError: the newest fold cannot be trained or tested; an older one that cannot is left out with a note.
        ConfigurationError: ``train`` did not return a model of the declared framework, task and features.
    """
    found = folds(rows.first, rows.as_of, declared.split, use_case.data.maturity, events_end=rows.events_end)
    notes = _shortfalls(found, declared)
    results: list[FoldResult] = []
    progress(f"fold 1 of {len(found)}: training on {found[0]}")
    newest = _fit(use_case, declared, rows, found[0])
    fitted, train, test = newest
    predictions = _predict(use_case, fitted, test, found[0])
    results.append(_result(declared, found[0], train, test, predictions, rows.share_known(found[0])))
    progress(f"fold 1 of {len(found)}: {found[0]}, {_rounded(declared, results[0].metrics)}")
    baselines = {
        name: baseline.predict(test.features)
        for name, baseline in task(declared.task).baselines(train).items()
    }
    del train, newest
    for number, fold in enumerate(found[1:], start=2):
        progress(f"fold {number} of {len(found)}: training on {fold}")
        try:
            other, older_train, older_test = _fit(use_case, declared, rows, fold)
        except DataError as error:
            notes.append(f"fold {number} is left out: {error}")
            continue
        older = _predict(use_case, other, older_test, fold)
        results.append(_result(declared, fold, older_train, older_test, older, rows.share_known(fold)))
        progress(f"fold {number} of {len(found)}: {fold}, {_rounded(declared, results[-1].metrics)}")
    for note in notes:
        logger.warning("%s: %s", use_case.name, note)
    return Evaluation(
        fitted,
        test,
        predictions,
        results,
        {name: evaluate(declared, table, test) for name, table in baselines.items()},
        baselines,
        notes,
    )


def spread(results: list[FoldResult]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation (of the sample), lowest and highest of each metric over the folds."""
    table: dict[str, dict[str, float]] = {}
    for name in results[0].metrics:
        values = np.array([result.metrics[name] for result in results if name in result.metrics])
        table[name] = {
            "mean": float(values.mean()),
            "std": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
            "min": float(values.min()),
            "max": float(values.max()),
        }
    return table


def _fit(
    use_case: UseCase, declared: Model, rows: LabelledRows, fold: Fold
) -> tuple[FittedModel, TrainingData, TestData]:
    train, test = rows.training(fold), rows.test(fold)
    fitted = call_user_code(
        f"{use_case.name}/{declared.name}, train",
        declared.train,
        train,
        dict(declared.parameters),
        declared.seed,
        given=f"{train.features.num_rows:,} rows of the features {', '.join(train.feature_names)}",
    )
    expected = framework(declared.framework)
    where = f"{use_case.name}/{declared.name}: {declared.train.__module__}.{declared.train.__qualname__}"
    if not isinstance(fitted, expected):
        raise ConfigurationError(f"{where} returned {type(fitted).__name__}; return {expected.__name__}")
    if fitted.task != declared.task:
        raise ConfigurationError(
            f"{where} returned a model of the task {fitted.task}, and {declared.task} is declared; correct one of them"
        )
    if unknown := set(fitted.feature_names) - set(rows.feature_names):
        raise ConfigurationError(f"{where} used {sorted(unknown)}, which the use case does not declare")
    return fitted, train, test


def _predict(use_case: UseCase, fitted: FittedModel, test: TestData, fold: Fold) -> pa.Table:
    kind = task(fitted.task)
    predictions = fitted.predict(test.features)
    schema = kind.prediction_schema(use_case.data.label)
    require_schema(predictions, schema, test.features.num_rows, type(fitted).__name__)
    if problems := kind.problems(predictions):
        raise DataError(
            f"the model's predictions on {fold} cannot be used: {', '.join(problems)}; look for infinite features, and "
            "for an objective that does not fit the task"
        )
    return predictions


def _result(
    declared: Model,
    fold: Fold,
    train: TrainingData,
    test: TestData,
    predictions: pa.Table,
    share_known: float | None,
) -> FoldResult:
    kind = task(declared.task)
    metrics = evaluate(declared, predictions, test)
    return FoldResult(
        fold,
        train.features.num_rows,
        kind.summary(train.labels, train.classes),
        test.features.num_rows,
        kind.summary(test.labels, test.classes),
        metrics,
        share_known,
        kind.ripe(metrics, test.labels, share_known) if share_known else {},
    )


def _shortfalls(found: list[Fold], model: Model) -> list[str]:
    split = model.split
    notes = []
    if split.train_days is not None and found[0].train_days < split.train_days:
        notes.append(f"trained on the {found[0].train_days} days there are, of {split.train_days} declared")
    if len(found) < split.folds:
        notes.append(f"the history reaches {len(found)} of the {split.folds} folds declared")
    return notes


def _rounded(declared: Model, metrics: Mapping[str, float]) -> dict[str, Any]:
    kind = task(declared.task)
    chosen = {kind.primary, *kind.watched, *(metric.name for metric in declared.metrics)}
    return {name: round(value, 3) for name, value in metrics.items() if name in chosen}
