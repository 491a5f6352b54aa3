"""Fits the model; everything around it (splits, metrics, gates, tracking) is the platform's."""

from collections.abc import Mapping
from typing import Any

from ml_platform.models.frameworks.sklearn import SklearnModel, frame
from ml_platform.models.training.data import TrainingData

__all__ = ["train"]


def train(data: TrainingData, parameters: Mapping[str, Any], seed: int) -> SklearnModel:
    """Fit a linear model over TF-IDF of words, and of characters within them, which survive misspellings.

    Args:
        data: texts, categories and labels of a training window.
        parameters: ``alpha`` (regularisation), ``min_df`` (fewest messages that a term is in), ``words`` and
            ``characters`` (shortest and longest n-gram).
        seed: of the order of the rows in which the model learns.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    common = {"min_df": parameters["min_df"], "sublinear_tf": True}
    inputs = ColumnTransformer(
        [
            ("words", TfidfVectorizer(ngram_range=tuple(parameters["words"]), **common), "text"),
            (
                "characters",
                TfidfVectorizer(analyzer="char_wb", ngram_range=tuple(parameters["characters"]), **common),
                "text",
            ),
            ("categories", OneHotEncoder(handle_unknown="ignore"), ["channel", "language"]),
        ]
    )
    classifier = SGDClassifier(loss="log_loss", alpha=parameters["alpha"], random_state=seed)
    pipeline = Pipeline([("inputs", inputs), ("classifier", classifier)])
    pipeline.fit(frame(data.features, data.feature_names), data.labels)
    return SklearnModel(pipeline, data.feature_names, data.classes)
