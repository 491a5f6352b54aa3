"""Embeddings: a vector for each row, to be compared with others; nothing is known to be true of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.checks import CheckOutcome
from ml_platform.errors import DataError
from ml_platform.models.evaluation.drawing import BLUE, draw
from ml_platform.models.tasks.base import (
    Array,
    Direction,
    Distribution,
    Figures,
    LabelQuery,
    Predictor,
    Query,
    Task,
)
from ml_platform.models.tasks.bins import count_in_bins, equal_mass_bins
from ml_platform.models.tasks.labels import label_facts, labels_outcome
from ml_platform.use_case import Dataset, Label
from ml_platform.warehouse.dialect import SqlDialect

if TYPE_CHECKING:
    from ml_platform.models.training.data import TestData, TrainingData

__all__ = ["EMBEDDING", "Embedding"]

EMBEDDING = "embedding"
"""The vector (ARRAY of FLOAT), of equally many dimensions in each row."""
_COMPARED = 2_000
"""Rows among which neighbours are sought."""


class Embedding(Task):
    """A prediction is ``embedding``, a list of floats. A label is not needed; one with classes measures neighbours."""

    name: ClassVar[str] = "embedding"
    primary: ClassVar[str] = "effective_dimensions"
    watched: ClassVar[tuple[str, ...]] = ()
    uncounted: ClassVar[frozenset[str]] = frozenset(
        {"effective_dimensions", "distinct_share", "neighbour_agreement"}
    )
    actual: ClassVar[pa.DataType] = pa.string()

    def check_label(self, label: Label | None) -> None:
        """Take any label, and none."""

    def labels_check(self, query: LabelQuery, dataset: Dataset, as_of: datetime) -> CheckOutcome:
        """Judge only that no label is earlier than its event; without a label there is nothing to judge."""
        label = dataset.label
        if label is None:
            (found,) = query([dataset.id], "SELECT count(*) AS n FROM snapshot")
            return CheckOutcome("labels", True, f"{found['n']} rows need no labels", blocking=True)
        facts = label_facts(query, dataset, as_of, known=f'"{label.name}" IS NOT NULL', counted={})
        return labels_outcome(label, facts, [], f"labels of {facts['rows']} rows")

    def encode(self, values: pa.ChunkedArray, classes: tuple[str, ...]) -> Array:
        """Int64 codes of the classes, or of the distinct values in order."""
        texts = pc.cast(values, pa.string())
        known = pa.array(classes, pa.string()) if classes else pc.unique(texts).sort()
        codes = pc.index_in(texts, value_set=known)
        if codes.null_count:
            raise DataError(
                f"{codes.null_count} labels are none of the declared classes; add them to Label.classes"
            )
        found: npt.NDArray[np.int64] = pc.cast(codes, pa.int64()).to_numpy()
        return found

    def summary(self, labels: Array, classes: tuple[str, ...]) -> Mapping[str, float]:
        """Nothing."""
        return {}

    def learnable(self, labels: Array, classes: tuple[str, ...]) -> str | None:
        """Any labels will do."""
        return None

    def prediction_schema(self, label: Label | None) -> pa.Schema:
        """``embedding`` (list of float)."""
        return pa.schema([pa.field(EMBEDDING, pa.list_(pa.float32()))])

    def predictions(self, raw: Array, classes: tuple[str, ...]) -> pa.Table:
        """From vectors of shape (rows, dimensions)."""
        vectors = np.ascontiguousarray(raw, dtype=np.float32)
        offsets = np.arange(vectors.shape[0] + 1, dtype=np.int32) * vectors.shape[1]
        lists = pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1)))
        return pa.table([lists], schema=self.prediction_schema(None))

    def problems(self, predictions: pa.Table) -> list[str]:
        """Vectors that are null, of different lengths, or not finite."""
        lists = predictions.column(EMBEDDING)
        if lists.null_count:
            return ["some are null"]
        if len(pc.unique(pc.list_value_length(lists))) > 1:
            return ["their lengths differ"]
        flat = pc.list_flatten(lists).to_numpy()
        return [] if np.isfinite(flat).all() else ["some are not finite"]

    def is_constant(self, predictions: pa.Table) -> bool:
        """Tell whether all vectors are equal."""
        vectors = _vectors(predictions)
        return bool((vectors == vectors[:1]).all())

    def directions(self, classes: tuple[str, ...]) -> Mapping[str, Direction]:
        """All are better when higher."""
        return {
            "effective_dimensions": Direction.HIGHER,
            "distinct_share": Direction.HIGHER,
            "neighbour_agreement": Direction.HIGHER,
        }

    def metrics(self, predictions: pa.Table, labels: Array, classes: tuple[str, ...]) -> dict[str, float]:
        """Measures of how much the vectors say.

        ``effective_dimensions`` is the exponential of the entropy of their covariance's eigenvalues (1: all lie on a
        line), ``distinct_share`` the share of vectors that occur once or first, and ``neighbour_agreement``, where
        there are labels, the share of rows whose nearest other row by cosine has the same label (of two thousand rows,
        evenly spread).
        """
        vectors = _vectors(predictions).astype(np.float64)
        if not len(vectors):
            return {}
        found = {"distinct_share": len(np.unique(vectors, axis=0)) / len(vectors)}
        if len(vectors) > 1:
            spectrum = np.clip(np.linalg.eigvalsh(np.atleast_2d(np.cov(vectors, rowvar=False))), 0, None)
            if spectrum.sum() > 0:
                shares = spectrum[spectrum > 0] / spectrum.sum()
                found["effective_dimensions"] = float(np.exp(-(shares * np.log(shares)).sum()))
        if len(labels) > 1:
            found["neighbour_agreement"] = _agreement(vectors, labels)
        return found

    def baselines(self, data: "TrainingData") -> dict[str, Predictor]:
        """None: there is nothing to be right about."""
        return {}

    def plots(
        self, predictions: pa.Table, test: "TestData", baselines: Mapping[str, pa.Table]
    ) -> dict[str, bytes]:
        """The lengths of the vectors."""
        del test, baselines
        norms = _norms(predictions)

        def paint(axes: object) -> None:
            axes.hist(norms, bins=50, color=BLUE)  # type: ignore[attr-defined]  # matplotlib is imported lazily
            axes.set(title="Length of the vectors", xlabel="Norm", ylabel="Rows")  # type: ignore[attr-defined]  # as above

        return {"norms": draw(paint)}

    def distribution(self, predictions: pa.Table) -> Distribution:
        """Norms in ten bins of equal mass."""
        found = equal_mass_bins(_norms(predictions))
        # Engines add up in other orders: a norm that is an edge must not fall on either side of it.
        return found.model_copy(update={"edges": tuple(edge * (1 + 1e-9) for edge in found.edges)})

    def bins_sql(self, relation: str, reference: Distribution, sql: SqlDialect) -> Query:
        """Count norms in the bins."""
        number = sql.cast("x", pa.float64())
        norm = f"(SELECT SQRT(SUM({number} * {number})) FROM UNNEST({sql.quoted(EMBEDDING)}) AS x)"
        inner = f"(SELECT {norm} AS norm FROM {relation}) AS norms"
        return count_in_bins(inner, "norm", reference, sql)

    def figures_sql(self, judged: str, label: Label, sql: SqlDialect) -> Query:
        """Rows of each scope."""
        return Query(f"SELECT scope, COUNT(*) AS n FROM {judged} GROUP BY 1", {})

    def figures(self, counts: pa.Table, label: Label) -> dict[int | None, Figures]:
        """No metric of vectors can be counted."""
        return {row["scope"]: Figures(int(row["n"]), {}) for row in counts.to_pylist()}


def _vectors(predictions: pa.Table) -> npt.NDArray[np.float32]:
    """Shape (rows, dimensions)."""
    flat: npt.NDArray[np.float32] = pc.list_flatten(predictions.column(EMBEDDING)).to_numpy()
    return flat.reshape(predictions.num_rows, -1) if predictions.num_rows else flat.reshape(0, 0)


def _norms(predictions: pa.Table) -> npt.NDArray[np.float64]:
    norms: npt.NDArray[np.float64] = np.linalg.norm(_vectors(predictions).astype(np.float64), axis=1)
    return norms


def _agreement(vectors: npt.NDArray[np.float64], labels: Array) -> float:
    chosen = np.unique(np.linspace(0, len(vectors) - 1, _COMPARED).astype(np.int64))
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    nearness = unit[chosen] @ unit[chosen].T
    np.fill_diagonal(nearness, -np.inf)
    return float((labels[chosen][nearness.argmax(axis=1)] == labels[chosen]).mean())
