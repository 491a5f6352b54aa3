"""A small problem of every task, and a model of every framework that can solve it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from ml_platform.models.frameworks.base import FittedModel, feature_matrix
from ml_platform.models.tasks.base import task
from ml_platform.models.training.data import TestData, TrainingData
from ml_platform.use_case import Label

CLASSES = ("card lost", "loans", "other")
WORDS = {
    "card lost": "lost stolen card block",
    "loans": "loan rate house money",
    "other": "hello thanks branch hours",
}
START = datetime(2014, 5, 5, tzinfo=UTC)


def label(kind: str) -> Label | None:
    """A label that the task can learn."""
    common = {"relation": "a.labels", "id": "id", "available_at": "known_at", "delay": timedelta(days=2)}
    if kind == "embedding":
        return None
    if kind == "binary":
        return Label(**common)
    return Label(**common, value="truth", classes=CLASSES if kind == "multiclass" else ())


def training(kind: str, rows: int = 300, seed: int = 0) -> TrainingData:
    """Rows with two numbers (some null), a flag, a category and a text, and labels that depend on them."""
    random = np.random.default_rng(seed)
    code = random.integers(0, 3, rows)
    size = random.normal(code, 0.7)
    price = np.where(random.random(rows) < 0.1, np.nan, random.gamma(2, 10, rows))
    words = [WORDS[CLASSES[c]].split() for c in code]
    features = pa.table(
        {
            "size": size,
            "price": pa.array(price, from_pandas=True),
            "urgent": pa.array(random.random(rows) < 0.3),
            "region": pa.array([None if n % 17 == 0 else f"r{n % 4}" for n in range(rows)]),
            "text": [" ".join(random.choice(w, 3)) for w in words],
        }
    )
    labels: Any = {
        "binary": (code == 2).astype(np.int8),
        "multiclass": code.astype(np.int64),
        "regression": size * 10 + np.nan_to_num(price) + random.normal(0, 1, rows),
        "embedding": np.empty(0),
    }[kind]
    return TrainingData(features, labels, CLASSES if kind == "multiclass" else ())


def judged(kind: str, rows: int = 200, seed: int = 1) -> TestData:
    """Other rows of the same problem."""
    data = training(kind, rows, seed)
    ids = pa.table({"id": [f"e{n}" for n in range(rows)]})
    return TestData(
        data.features, data.labels, data.classes, ids, ids.slice(0, 0), START, START + timedelta(days=7)
    )


def predictions(kind: str, rows: int = 200, seed: int = 1, noise: float = 0.5) -> pa.Table:
    """Predictions of the test data that are right more often than not."""
    data = judged(kind, rows, seed)
    random = np.random.default_rng(seed + 7)
    if kind == "binary":
        raw = 1 / (1 + np.exp(-(data.labels * 2.0 - 1 + random.normal(0, noise * 2, rows))))
    elif kind == "multiclass":
        raw = random.random((rows, 3)) * noise + np.eye(3)[data.labels] * 0.4
        raw /= raw.sum(axis=1, keepdims=True)
    elif kind == "regression":
        raw = data.labels + random.normal(1, noise * 4, rows)
    else:
        raw = random.normal(0, 1, (rows, 5))
    return task(kind).predictions(raw, data.classes)


@dataclass(frozen=True)
class Fit:
    """A framework's way to solve a task: ``make(data, seed)`` fits."""

    framework: str
    task: str
    reads: tuple[str, ...]
    make: Callable[[TrainingData, int], FittedModel]


def _xgboost(kind: str) -> Callable[[TrainingData, int], FittedModel]:
    def make(data: TrainingData, seed: int) -> FittedModel:
        from ml_platform.models.frameworks.xgboost import XGBoostModel, library

        names = ("size", "price", "urgent")
        objective = {
            "binary": "binary:logistic",
            "multiclass": "multi:softprob",
            "regression": "reg:squarederror",
        }[kind]
        settings = {"objective": objective, "seed": seed, "max_depth": 2, "subsample": 0.9}
        if data.classes:
            settings["num_class"] = len(data.classes)
        matrix = feature_matrix(data.features, names)
        rows = library().DMatrix(matrix, data.labels, feature_names=list(names))
        return XGBoostModel(library().train(settings, rows, num_boost_round=6), data.classes)

    return make


def _lightgbm(kind: str) -> Callable[[TrainingData, int], FittedModel]:
    def make(data: TrainingData, seed: int) -> FittedModel:
        from ml_platform.models.frameworks.lightgbm import LightGBMModel, library, settings, training_rows

        objective = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}[kind]
        chosen = TrainingData(data.features.drop_columns(["text"]), data.labels, data.classes)
        rows, categories = training_rows(chosen)
        own = {"objective": objective, "num_leaves": 7, "min_data_in_leaf": 5, "bagging_fraction": 0.8}
        own |= {"bagging_freq": 1, "max_cat_to_onehot": 2}
        if data.classes:
            own["num_class"] = len(data.classes)
        booster = library().train({**settings(seed), **own}, rows, num_boost_round=6)
        return LightGBMModel(booster, categories=categories, classes=data.classes)

    return make


def _sklearn(kind: str) -> Callable[[TrainingData, int], FittedModel]:
    def make(data: TrainingData, seed: int) -> FittedModel:
        from sklearn.compose import ColumnTransformer
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        from ml_platform.models.frameworks.sklearn import SklearnModel, frame

        last = {
            "binary": LogisticRegression,
            "multiclass": lambda: LogisticRegression(max_iter=300),
            "regression": Ridge,
            "embedding": lambda: TruncatedSVD(4, random_state=seed),
        }[kind]()
        columns = ColumnTransformer(
            [
                ("text", TfidfVectorizer(ngram_range=(1, 2), stop_words=["hello"]), "text"),
                ("region", OneHotEncoder(handle_unknown="ignore"), ["region"]),
                ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["size", "price", "urgent"]),
            ]
        )
        pipeline = make_pipeline(columns, last)
        pipeline.fit(frame(data.features, data.feature_names), data.labels if len(data.labels) else None)
        return SklearnModel(pipeline, data.feature_names, data.classes)

    return make


NUMBERS = ("size", "price", "urgent")
FITS = [
    *(Fit("xgboost", kind, NUMBERS, _xgboost(kind)) for kind in ("binary", "multiclass", "regression")),
    *(
        Fit("lightgbm", kind, (*NUMBERS, "region"), _lightgbm(kind))
        for kind in ("binary", "multiclass", "regression")
    ),
    *(
        Fit("sklearn", kind, (*NUMBERS, "region", "text"), _sklearn(kind))
        for kind in ("binary", "multiclass", "regression", "embedding")
    ),
]
"""Every framework with every task that it can do."""
