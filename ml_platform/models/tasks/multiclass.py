"""Multi-class classification: the probability of each class, and the likeliest one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.checks import CheckOutcome
from ml_platform.declaration import identifiers
from ml_platform.errors import ConfigurationError, DataError
from ml_platform.models.evaluation.calibration import expected_calibration_error
from ml_platform.models.evaluation.drawing import BLUE, GREEN, INK, draw
from ml_platform.models.tasks.base import (
    Array,
    Direction,
    Distribution,
    Figures,
    LabelQuery,
    Predictor,
    Query,
    Task,
    column,
)
from ml_platform.models.tasks.labels import label_facts, labels_outcome, required_label
from ml_platform.use_case import Dataset, Label
from ml_platform.warehouse.dialect import SqlDialect

if TYPE_CHECKING:
    from ml_platform.models.training.data import TestData, TrainingData

__all__ = ["PREDICTED", "Multiclass", "score_columns"]

PREDICTED = "predicted"
"""The likeliest class (STRING); of equal ones the first declared."""
_SHOWN = 5
_TOLERANCE = 1e-3
_SMALLEST = 2.2e-16
"""Taken for a probability of 0, whose logarithm would be infinite."""


def score_columns(classes: Sequence[str]) -> dict[str, str]:
    """Class to the column of its probability: ``score_<class>``, the class as an identifier."""
    return {name: f"score_{made}" for name, made in identifiers(classes).items()}


class Multiclass(Task):
    """Labels are codes into ``Label.classes``; a prediction is ``predicted`` and ``score_<class>`` of each class."""

    name: ClassVar[str] = "multiclass"
    primary: ClassVar[str] = "macro_f1"
    watched: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    uncounted: ClassVar[frozenset[str]] = frozenset({"calibration_error"})
    actual: ClassVar[pa.DataType] = pa.string()

    def check_label(self, label: Label | None) -> None:
        """Refuse a label without classes."""
        if not required_label(label, self.name).classes:
            raise ConfigurationError(
                "the task multiclass chooses among classes; declare Dataset.label.value and Dataset.label.classes"
            )

    def labels_check(self, query: LabelQuery, dataset: Dataset, as_of: datetime) -> CheckOutcome:
        """Judge the share of each class among mature rows: known classes only, at least two of them."""
        label = required_label(dataset.label, self.name)
        known = f'"{label.name}" IS NOT NULL'
        facts = label_facts(query, dataset, as_of, known=known, counted={})
        found = query(
            [label.name],
            f'SELECT CAST("{label.name}" AS VARCHAR) AS class, count(*) AS n FROM snapshot WHERE {known} '
            "GROUP BY ALL ORDER BY n DESC, class",
        )
        counts = {row["class"]: row["n"] for row in found}
        total = sum(counts.values())
        shares = {name: counts.get(name, 0) / total if total else 0.0 for name in label.classes}
        strangers = [name for name in counts if name not in shares]
        low, high = label.share
        odd = {name: share for name, share in shares.items() if not low <= share <= high}
        problems = []
        if strangers:
            problems.append(
                f"{sum(counts[name] for name in strangers)} labels are none of the declared classes: "
                f"{strangers[:_SHOWN]}; add them to Label.classes, or correct {label.relation}"
            )
        if sum(share > 0 for share in shares.values()) < 2:
            problems.append(
                f"fewer than two classes occur among {total} labels; bring more of {label.relation}"
            )
        if odd and total:
            said = ", ".join(f"{name} {share:.2%}" for name, share in list(odd.items())[:_SHOWN])
            problems.append(f"shares of classes are not within {low:.2%} and {high:.2%}: {said}")
        largest = max(shares, key=lambda name: shares[name])
        said = (
            f"{total} labels of {sum(s > 0 for s in shares.values())} classes, {largest} the most "
            f"({shares[largest]:.1%})"
        )
        return labels_outcome(label, facts, problems, said, labels=total, shares=shares)

    def encode(self, values: pa.ChunkedArray, classes: tuple[str, ...]) -> Array:
        """Int64 of shape (rows,): positions in ``classes``."""
        codes = pc.index_in(pc.cast(values, pa.string()), value_set=pa.array(classes, pa.string()))
        if codes.null_count:
            strangers = pc.unique(values.filter(pc.is_null(codes))).to_pylist()[:_SHOWN]
            raise DataError(
                f"{codes.null_count} labels are none of the declared classes: {strangers}; add them to Label.classes, "
                "or correct the label's value"
            )
        found: npt.NDArray[np.int64] = pc.cast(codes, pa.int64()).to_numpy()
        return found

    def summary(self, labels: Array, classes: tuple[str, ...]) -> Mapping[str, float]:
        """Rows of each class."""
        return dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))

    def learnable(self, labels: Array, classes: tuple[str, ...]) -> str | None:
        """At least two classes must occur."""
        present = np.unique(labels)
        if len(present) >= 2:
            return None
        return f"{[classes[code] for code in present]} are the classes among them; a model needs at least two"

    def prediction_schema(self, label: Label | None) -> pa.Schema:
        """``predicted`` (string), and ``score_<class>`` (double) of each class."""
        return self._schema(required_label(label, self.name).classes)

    def _schema(self, classes: tuple[str, ...]) -> pa.Schema:
        scores = [pa.field(name, pa.float64()) for name in score_columns(classes).values()]
        return pa.schema([pa.field(PREDICTED, pa.string()), *scores])

    def predictions(self, raw: Array, classes: tuple[str, ...]) -> pa.Table:
        """From probabilities of shape (rows, classes)."""
        scores = np.asarray(raw, dtype=np.float64).reshape(-1, len(classes))
        best = pa.array(classes, pa.string()).take(pa.array(scores.argmax(axis=1)))
        columns = [np.ascontiguousarray(scores[:, position]) for position in range(len(classes))]
        return pa.table([best, *map(pa.array, columns)], schema=self._schema(classes))

    def problems(self, predictions: pa.Table) -> list[str]:
        """Scores that are not finite, outside [0, 1], or that do not add up to 1."""
        scores = _scores(predictions)
        if not np.isfinite(scores).all():
            return ["some are not finite"]
        if not ((scores >= 0) & (scores <= 1)).all():
            return ["some are outside [0, 1]"]
        return [] if (abs(scores.sum(axis=1) - 1) < _TOLERANCE).all() else ["some do not add up to 1"]

    def is_constant(self, predictions: pa.Table) -> bool:
        """Tell whether all rows have equal scores."""
        scores = _scores(predictions)
        return bool((scores == scores[:1]).all())

    def directions(self, classes: tuple[str, ...]) -> Mapping[str, Direction]:
        """Accuracy, F1, precision and recall are better when higher; losses and errors when lower."""
        higher, lower = Direction.HIGHER, Direction.LOWER
        names = identifiers(classes).values()
        return {
            "accuracy": higher,
            "macro_f1": higher,
            "log_loss": lower,
            "calibration_error": lower,
            **{f"precision_{name}": higher for name in names},
            **{f"recall_{name}": higher for name in names},
        }

    def metrics(self, predictions: pa.Table, labels: Array, classes: tuple[str, ...]) -> dict[str, float]:
        """All of :meth:`directions`.

        ``macro_f1`` is the mean over the classes that occur or are predicted; the precision of a class that is never
        predicted, and the recall of one that does not occur, are not defined. ``calibration_error`` compares the
        score of the predicted class with how often it is right.
        """
        if not len(labels):
            return {}
        scores = _scores(predictions)
        best = scores.argmax(axis=1)
        matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
        np.add.at(matrix, (labels, best), 1)
        chances = np.clip(scores[np.arange(len(labels)), labels], _SMALLEST, None)
        return {
            **_of_matrix(matrix, classes),
            "log_loss": float(-np.log(chances).mean()),
            "calibration_error": expected_calibration_error(
                scores.max(axis=1), (best == labels).astype(np.int8)
            ),
        }

    def baselines(self, data: "TrainingData") -> dict[str, Predictor]:
        """``class_shares``, and ``logistic_regression`` on the numeric features."""
        from sklearn.linear_model import LogisticRegression

        from ml_platform.models.evaluation.baselines import Constant, Linear

        shares = np.bincount(data.labels, minlength=len(data.classes)) / len(data.labels)
        found: dict[str, Predictor] = {"class_shares": Constant(self, shares, data.classes)}
        if linear := Linear.fit(self, LogisticRegression(max_iter=300), data):
            found["logistic_regression"] = linear
        return found

    def plots(
        self, predictions: pa.Table, test: "TestData", baselines: Mapping[str, pa.Table]
    ) -> dict[str, bytes]:
        """The confusion matrix, and precision and recall of each class."""
        del baselines
        best = self.encode(predictions.column(PREDICTED), test.classes)
        matrix = np.zeros((len(test.classes), len(test.classes)), dtype=np.int64)
        np.add.at(matrix, (test.labels, best), 1)
        return {
            "confusion_matrix": draw(lambda axes: _confusion(axes, matrix, test.classes)),
            "precision_recall_by_class": draw(lambda axes: _by_class(axes, matrix, test.classes)),
        }

    def distribution(self, predictions: pa.Table) -> Distribution:
        """Share of each class among the predicted ones."""
        classes = tuple(sorted(set(predictions.column(PREDICTED).to_pylist())))
        codes = self.encode(predictions.column(PREDICTED), classes)
        shares = np.bincount(codes, minlength=len(classes)) / len(codes)
        # The last bin is of classes that no test row was predicted to be.
        return Distribution(categories=(*classes, ""), shares=(*shares.tolist(), 0.0))

    def bins_sql(self, relation: str, reference: Distribution, sql: SqlDialect) -> Query:
        """Count predicted classes."""
        *classes, _others = reference.categories
        parameters = {f"class_{number}": name for number, name in enumerate(classes)}
        cases = "".join(
            f" WHEN {sql.parameter(name)} THEN {number}" for number, name in enumerate(parameters)
        )
        chosen = f"CASE {sql.quoted(PREDICTED)}{cases} ELSE {len(classes)} END"
        return Query(f"SELECT {chosen} AS bin, COUNT(*) AS n FROM {relation} GROUP BY 1", parameters)

    def figures_sql(self, judged: str, label: Label, sql: SqlDialect) -> Query:
        """The confusion matrix and the sum of losses of each scope."""
        columns = score_columns(label.classes)
        parameters = {f"class_{number}": name for number, name in enumerate(columns)}
        cases = "".join(
            f" WHEN {sql.parameter(name)} THEN {sql.quoted(columns[value])}"
            for name, value in parameters.items()
        )
        text = (
            f"SELECT scope, actual, {sql.quoted(PREDICTED)} AS predicted, COUNT(*) AS n, "
            f"SUM(-LN(GREATEST(CASE actual{cases} ELSE 0 END, {_SMALLEST}))) AS losses FROM {judged} GROUP BY 1, 2, 3"
        )
        return Query(text, dict(parameters))

    def figures(self, counts: pa.Table, label: Label) -> dict[int | None, Figures]:
        """All of :meth:`directions` but the calibration error, and the confusion matrix."""
        places = {name: position for position, name in enumerate(label.classes)}
        matrices: dict[int | None, npt.NDArray[np.int64]] = {}
        losses: dict[int | None, float] = {}
        for row in counts.to_pylist():
            if row["actual"] not in places or row["predicted"] not in places:
                continue  # a class that is no longer declared
            empty = np.zeros((len(places), len(places)), dtype=np.int64)
            matrix = matrices.setdefault(row["scope"], empty)
            matrix[places[row["actual"]], places[row["predicted"]]] += int(row["n"])
            losses[row["scope"]] = losses.get(row["scope"], 0.0) + float(row["losses"])
        return {
            scope: Figures(
                int(matrix.sum()),
                {**_of_matrix(matrix, label.classes), "log_loss": losses[scope] / int(matrix.sum())},
                {"confusion": {"classes": list(label.classes), "counts": matrix.tolist()}},
            )
            for scope, matrix in matrices.items()
        }


def _scores(predictions: pa.Table) -> npt.NDArray[np.float64]:
    names = [name for name in predictions.column_names if name != PREDICTED]
    return np.column_stack([column(predictions, name) for name in names])


def _of_matrix(matrix: npt.NDArray[np.int64], classes: Sequence[str]) -> dict[str, float]:
    """Metrics of a confusion matrix: a row an actual class, a column a predicted one."""
    hits, actual, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    names = list(identifiers(classes).values())
    occur = (actual + predicted) > 0
    f1 = 2 * hits[occur] / (actual + predicted)[occur]
    return {
        "accuracy": float(hits.sum() / matrix.sum()),
        "macro_f1": float(f1.mean()),
        **{f"precision_{n}": float(h / p) for n, h, p in zip(names, hits, predicted, strict=True) if p},
        **{f"recall_{n}": float(h / a) for n, h, a in zip(names, hits, actual, strict=True) if a},
    }


def _confusion(axes: Any, matrix: npt.NDArray[np.int64], classes: Sequence[str]) -> None:  # noqa: ANN401
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    places = np.arange(len(classes))
    axes.set_xticks(places, classes, rotation=30, ha="right", fontsize=9)
    axes.set_yticks(places, classes, fontsize=9)
    axes.grid(visible=False)
    if len(classes) <= 12:
        for row, line in enumerate(matrix):
            for place, count in enumerate(line):
                shade = "white" if shares[row, place] > 0.6 else INK
                axes.text(place, row, f"{count:,}", ha="center", va="center", color=shade, fontsize=9)
    axes.figure.subplots_adjust(left=0.22, bottom=0.24)
    axes.set(title="Confusion matrix (rows; shade: share of the actual class)")
    axes.set(xlabel="Predicted", ylabel="Actual")


def _by_class(axes: Any, matrix: npt.NDArray[np.int64], classes: Sequence[str]) -> None:  # noqa: ANN401
    hits = np.diag(matrix)
    places = np.arange(len(classes))
    for values, total, name, colour, shift in (
        (hits, matrix.sum(axis=0), "precision", BLUE, -0.2),
        (hits, matrix.sum(axis=1), "recall", GREEN, 0.2),
    ):
        axes.barh(places + shift, values / np.maximum(total, 1), 0.38, color=colour, label=name)
    axes.set_yticks(places, [f"{c} ({n:,})" for c, n in zip(classes, matrix.sum(axis=1), strict=True)])
    axes.tick_params(axis="y", labelsize=9, length=0)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.figure.subplots_adjust(left=0.28, right=0.84)
    axes.set(title="Precision and recall of each class (rows)", xlim=(0, 1))
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
