"""The choices behind the card fraud model's defaults, measured.

    python benchmarks/model_defaults.py [--only simulated] [--cache FOLDER]

Each line changes one thing of the declared defaults. Figures are means over prequential folds; seconds are
of fitting alone, all folds.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent))

from labelled_payments import cached

from assets.card_fraud import use_case
from ml_platform.models.evaluation.metrics import evaluate
from ml_platform.models.frameworks.base import feature_matrix
from ml_platform.models.frameworks.xgboost import XGBoostModel, library
from ml_platform.models.tasks.base import task
from ml_platform.models.training.data import LabelledRows, TrainingData
from ml_platform.models.training.splits import folds
from ml_platform.use_case import Split, UseCase

DATA = {
    "simulated": (90, datetime(2025, 4, 1, tzinfo=UTC)),
    "handbook": (183, datetime(2018, 8, 22, tzinfo=UTC)),
}
METRICS = (
    "auc",
    "average_precision",
    "auc_unknown_cards",
    "average_precision_unknown_cards",
    "card_precision_at_100",
    "log_loss",
    "calibration_error",
)
HANDBOOK_DEFAULTS = {
    "rounds": 100, "learning_rate": 0.3, "max_depth": 6, "max_bin": 256, "min_child_weight": 1,
    "subsample": 1.0, "colsample_bytree": 1.0,
}  # fmt: skip
HANDBOOK_BEST = {**HANDBOOK_DEFAULTS, "learning_rate": 0.1, "max_depth": 3}


ON_PLAIN_ROWS = "DMatrix, tree_method"


def train_on_plain_rows(data: TrainingData, parameters: Mapping[str, Any], seed: int) -> XGBoostModel:
    """As the use case's ``train``, on a ``DMatrix``, which every tree method accepts."""
    xgboost = library()
    booster = {**parameters, "objective": "binary:logistic", "seed": seed}
    names = data.feature_names
    rows = xgboost.DMatrix(feature_matrix(data.features, names), data.labels, feature_names=list(names))
    return XGBoostModel(xgboost.train(booster, rows, num_boost_round=int(booster.pop("rounds"))))


def variants() -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and changed parameters of each line."""
    yield "defaults", {}
    for method in ("hist", "approx"):
        yield f"{ON_PLAIN_ROWS} {method}", {"tree_method": method}
    for bins in (16, 256):
        yield f"max_bin {bins}", {"max_bin": bins}
    for depth in (3, 6, 8):
        yield f"max_depth {depth}", {"max_depth": depth}
    for rounds, rate in ((30, 0.3), (50, 0.2), (200, 0.05), (200, 0.1)):
        yield f"rounds {rounds}, learning_rate {rate}", {"rounds": rounds, "learning_rate": rate}
    for weight in (1, 20):
        yield f"min_child_weight {weight}", {"min_child_weight": weight}
    yield "no sampling of rows or columns", {"subsample": 1.0, "colsample_bytree": 1.0}
    for weight in (10, 100):
        yield f"scale_pos_weight {weight}", {"scale_pos_weight": weight}
    yield "base_score 0.5", {"base_score": 0.5}


def with_changes(parameters: Mapping[str, Any], split: Split, *, request: bool = True) -> UseCase:
    """The use case without its views (the benchmark's rows have none), and with something changed."""
    dataset = use_case.data.model_copy(update={"views": ()})
    changes: dict[str, Any] = {
        "parameters": {**use_case.model().parameters, **parameters},
        "split": split,
    }
    if not request:
        changes |= {"request_features": None, "request_feature_names": ()}
    model = use_case.model().model_copy(update=changes)
    return use_case.model_copy(update={"dataset": dataset, "models": (model,)})


def measure(
    table: pa.Table, as_of: datetime, case: UseCase, *, baselines: bool = False
) -> dict[str, tuple[list[float], float]]:
    """Mean of each metric over the folds, and processor seconds of fitting, of the model (and the baselines)."""
    model = case.model()
    rows = LabelledRows(table, case, model, as_of)
    found: dict[str, list[dict[str, float]]] = {}
    seconds = 0.0
    for fold in folds(rows.first, as_of, model.split, case.data.maturity):
        train, test = rows.training(fold), rows.test(fold)
        started = time.process_time()
        scorers: dict[str, Any] = {"model": model.train(train, dict(model.parameters), model.seed)}
        seconds += time.process_time() - started
        if baselines:
            scorers |= task(model.task).baselines(train)
        for name, scorer in scorers.items():
            found.setdefault(name, []).append(evaluate(model, scorer.predict(test.features), test))
    return {
        name: ([float(np.mean([fold[metric] for fold in all_folds])) for metric in METRICS], seconds)
        for name, all_folds in found.items()
    }


def show(name: str, figures: tuple[list[float], float]) -> None:
    """Print one line of the table."""
    means, seconds = figures
    shown = " | ".join(f"{mean:.3f}" if mean > 0.05 else f"{mean:.4f}" for mean in means)
    print(f"| {name} | {shown} | {seconds:.1f} |", flush=True)


def header(title: str) -> None:
    """Print a table's head."""
    print(
        f"\n{title}\n\n| | {' | '.join(METRICS)} | fit, CPU s |\n|---|{'---|' * (len(METRICS) + 1)}",
        flush=True,
    )


def against_the_handbook(table: pa.Table, as_of: datetime) -> None:
    """Our figures beside the published ones, in the handbook's own setting."""
    header("Handbook data, its own setting: 7 days of training, its known cards, 4 folds")
    week = Split(train_days=7, delay_days=7, test_days=7, folds=4)
    compared = {
        "handbook's defaults": HANDBOOK_DEFAULTS,
        "handbook's best": HANDBOOK_BEST,
        "our defaults": {},
    }
    for name, parameters in compared.items():
        figures = measure(table, as_of, with_changes(parameters, week), baselines=not parameters)
        for scorer, line in figures.items():
            show(name if scorer == "model" else scorer, line)


def one_change_at_a_time(table: pa.Table, as_of: datetime) -> None:
    """Print what each choice is worth."""
    split = use_case.model().split.model_copy(update={"folds": 2})
    header(f"Simulated bank: one change at a time ({split.train_days} days of training, {split.folds} folds)")
    for label, parameters in variants():
        case = with_changes(parameters, split)
        if label.startswith(ON_PLAIN_ROWS):
            plain = case.model().model_copy(update={"train": train_on_plain_rows})
            case = case.model_copy(update={"models": (plain,)})
        for scorer, figures in measure(table, as_of, case, baselines=not parameters).items():
            show(label if scorer == "model" else scorer, figures)
    show("no request features", measure(table, as_of, with_changes({}, split, request=False))["model"])
    for days in (7, 14, 60):
        other = split.model_copy(update={"train_days": days})
        show(f"train_days {days}", measure(table, as_of, with_changes({}, other))["model"])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cache", type=Path, help="folder to keep the generated rows in")
    parser.add_argument("--only", choices=[*DATA], help="one of the tables")
    arguments = parser.parse_args()
    print_table = {"handbook": against_the_handbook, "simulated": one_change_at_a_time}
    for name in [arguments.only] if arguments.only else [*DATA]:
        days, as_of = DATA[name]
        print_table[name](cached(name, arguments.cache, days), as_of)


if __name__ == "__main__":
    main()
