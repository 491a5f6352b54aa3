"""Releases that score without having been trained."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from samples.candidates import manifest

from ml_platform.models.releases.manifest import Feature, Release, ReleaseFile
from ml_platform.predictions.scorers import Scorer

NAMES = ("amount", "items", "at_night")

Predict = Callable[[pa.Table], pa.Table]


class Stub:
    """A model that needs no training; ``calls`` counts the rows that it was asked for."""

    def __init__(self, predict: Predict) -> None:
        self.predict = predict


def by_amount(features: pa.Table) -> pa.Table:
    """The larger the order, the likelier; a little more at night."""
    night = features.column("at_night").to_numpy().astype(np.float64)
    return pa.table({"score": np.clip(features.column("amount").to_numpy() / 1000 + 0.001 * night, 0, 1)})


def by_items(features: pa.Table) -> pa.Table:
    """The more items, the likelier."""
    return pa.table({"score": features.column("items").to_numpy() / 10})


def breaks(features: pa.Table) -> pa.Table:
    """Fails on the last rows, when others have been scored already."""
    last = np.array([i == "o399" for i in features.column("order_id").to_pylist()])
    return pa.table({"score": np.where(last, np.nan, 0.5)})


def release(
    seed: str = "ab", names: tuple[str, ...] = NAMES, use_case: str = "returns", **changes: object
) -> Release:
    """A release of a model that needs these features."""
    said = manifest(**{"features": [Feature(name=name, type="double") for name in names], **changes})
    return Release.of(use_case, "model", (ReleaseFile(path="m", sha256=seed * 32, size=1),), said)


def scorer(
    seed: str = "ab",
    predict: Predict = by_amount,
    *,
    stage: str = "champion",
    promotion: int = 1,
    names: tuple[str, ...] = NAMES,
    use_case: str = "returns",
    **changes: object,
) -> Scorer:
    """A scorer; another seed is another release."""
    made = release(seed, names, use_case, **changes)
    return Scorer(stage, promotion, made, Stub(predict))  # type: ignore[arg-type]  # of a model, predict is all it needs
