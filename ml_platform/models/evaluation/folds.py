"""Fitting and testing a use case's model over its folds."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.models.evaluation.baselines import fit_baselines
from ml_platform.models.evaluation.metrics import evaluate
from ml_platform.models.frameworks.base import FittedModel, framework
from ml_platform.models.training.data import LabelledRows, TestData, TrainingData
from ml_platform.models.training.splits import Fold, folds
from ml_platform.use_case import Model, UseCase

__all__ = ["Evaluation", "FoldResult", "evaluate_folds", "spread"]

Scores = npt.NDArray[np.float64]
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldResult:
    """One fold: its windows, its rows and positives, and the metrics on its test window."""

    fold: Fold
    train_rows: int
    train_positives: int
    test_rows: int
    test_positives: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation:
    """A model, fitted and tested on the newest fold, with the older folds' results beside it.

    Attributes:
        model: fitted on the newest training window.
        test: the newest test window, and ``scores`` the model's probabilities on it.
        folds: results, newest first.
        baselines: each baseline's metrics on the newest test window; ``baseline_scores`` its probabilities.
        notes: what differs from the declaration (a shorter training window, folds left out), for a person.
    """

    model: FittedModel
    test: TestData
    scores: Scores
    folds: list[FoldResult]
    baselines: Mapping[str, Mapping[str, float]]
    baseline_scores: Mapping[str, Scores]
    notes: list[str] = field(default_factory=list)


def evaluate_folds(
    use_case: UseCase, rows: LabelledRows, progress: Callable[[str], None] = logger.info
) -> Evaluation:
    """Fit and test the model on every fold that the history reaches.

    Raises:
        DataError: the newest fold cannot be trained or tested; an older one that cannot is left out with a
        note.
        ConfigurationError: ``train`` did not return a model of the declared framework and features.
    """
    model, maturity = use_case.model, use_case.dataset.label.delay
    found = folds(rows.first, rows.as_of, model.split, maturity)
    notes = _shortfalls(found, model)
    results: list[FoldResult] = []
    newest = _fit(use_case, rows, found[0])
    fitted, train, test = newest
    scores = fitted.predict(test.features)
    results.append(_result(found[0], train, test, scores, model.precision_k))
    progress(f"fold 1 of {len(found)}: {found[0]}, {_rounded(results[0].metrics)}")
    baselines = {name: scorer.predict(test.features) for name, scorer in fit_baselines(train).items()}
    del train, newest
    for number, fold in enumerate(found[1:], start=2):
        try:
            other, older_train, older_test = _fit(use_case, rows, fold)
        except DataError as error:
            notes.append(f"fold {number} is left out: {error}")
            continue
        older_scores = other.predict(older_test.features)
        results.append(_result(fold, older_train, older_test, older_scores, model.precision_k))
        progress(f"fold {number} of {len(found)}: {fold}, {_rounded(results[-1].metrics)}")
    for note in notes:
        logger.warning("%s: %s", use_case.name, note)
    return Evaluation(
        fitted,
        test,
        scores,
        results,
        {name: evaluate(values, test, model.precision_k) for name, values in baselines.items()},
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


def _fit(use_case: UseCase, rows: LabelledRows, fold: Fold) -> tuple[FittedModel, TrainingData, TestData]:
    model = use_case.model
    train, test = rows.training(fold), rows.test(fold)
    fitted = model.train(train, dict(model.parameters), model.seed)
    expected = framework(model.framework).model
    where = f"{model.train.__module__}.{model.train.__qualname__}"
    if not isinstance(fitted, expected):
        raise ConfigurationError(f"{where} returned {type(fitted).__name__}; return {expected.__name__}")
    if unknown := set(fitted.feature_names) - set(rows.feature_names):
        raise ConfigurationError(f"{where} used {sorted(unknown)}, which the use case does not declare")
    return fitted, train, test


def _result(fold: Fold, train: TrainingData, test: TestData, scores: Scores, k: int) -> FoldResult:
    if not ((scores >= 0) & (scores <= 1)).all():
        raise DataError(
            f"the model's scores on {fold} are no probabilities ({scores.min()} to {scores.max()}); "
            "look for infinite features, and for an objective that gives no probabilities"
        )
    return FoldResult(
        fold,
        len(train.labels),
        int(train.labels.sum()),
        len(test.labels),
        int(test.labels.sum()),
        evaluate(scores, test, k),
    )


def _shortfalls(found: list[Fold], model: Model) -> list[str]:
    split = model.split
    notes = []
    if split.train_days is not None and found[0].train_days < split.train_days:
        notes.append(f"trained on the {found[0].train_days} days there are, of {split.train_days} declared")
    if len(found) < split.folds:
        notes.append(f"the history reaches {len(found)} of the {split.folds} folds declared")
    return notes


def _rounded(metrics: Mapping[str, float]) -> dict[str, Any]:
    chosen = ("auc", "average_precision")
    return {
        name: round(value, 3)
        for name, value in metrics.items()
        if name in chosen or name.startswith("card_precision")
    }
