"""Binary classification: the probability that an event is positive."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError, DataError
from ml_platform.models.evaluation.calibration import (
    CALIBRATION_BINS,
    calibration_curve,
    expected_calibration_error,
)
from ml_platform.models.evaluation.drawing import BLUE, GREY, ORANGE, draw
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
from ml_platform.models.tasks.bins import count_in_bins, equal_mass_bins
from ml_platform.models.tasks.labels import label_facts, labels_outcome, required_label
from ml_platform.use_case import Dataset, Label
from ml_platform.warehouse.dialect import SqlDialect

if TYPE_CHECKING:
    from ml_platform.models.training.data import TestData, TrainingData

__all__ = ["SCORE", "Binary"]

SCORE = "score"
"""Probability of the positive class (DOUBLE)."""
Scores = npt.NDArray[np.float64]
_SHOWN = 5


class Binary(Task):
    """Labels are 0 and 1; a prediction is ``score``, the probability of 1.

    The label is an event (1 when it was reported), or a value of 0/1 or true/false that arrives late.
    """

    name: ClassVar[str] = "binary"
    primary: ClassVar[str] = "average_precision"
    watched: ClassVar[tuple[str, ...]] = ("auc", "average_precision")
    actual: ClassVar[pa.DataType] = pa.int64()

    def check_label(self, label: Label | None) -> None:
        """Refuse labels of several classes, and none."""
        if required_label(label, self.name).classes:
            raise ConfigurationError(
                "the task binary learns an event, or a value of 0/1 or true/false; take Dataset.label.classes out, or "
                "declare the task multiclass"
            )

    def labels_check(self, query: LabelQuery, dataset: Dataset, as_of: datetime) -> CheckOutcome:
        """Judge the share of positives among mature events, and when they were reported."""
        label = required_label(dataset.label, self.name)
        positive = f'CAST("{label.name}" AS INT) = 1'
        known = positive if label.value is None else f'"{label.name}" IS NOT NULL'
        counted = {
            "known": "count(*) FILTER ({mature})"
            if label.value is None
            else f"count(*) FILTER ({{mature}} AND {known})",
            "positives": f"count(*) FILTER ({{mature}} AND {positive})",
            "all_positives": f"count(*) FILTER ({positive})",
        }
        facts = label_facts(query, dataset, as_of, known=known, counted=counted)
        share = facts["positives"] / facts["known"] if facts["known"] else None
        low, high = label.share
        problems = []
        if share is None:
            problems.append(
                f"no label of {facts['mature']} mature events was reported; bring what {label.relation} is made from"
            )
        elif not facts["positives"]:
            problems.append(
                f"none of {facts['known']} mature events is positive: there is nothing to learn; bring the reports "
                f"that {label.relation} is made from, with the ids of these events"
            )
        elif not low <= share <= high:
            problems.append(
                f"the share of positives is {share:.4%}, not within {low:.4%} and {high:.4%}; see whether reports are "
                "missing, or correct Label.share"
            )
        said = f"{share or 0:.4%} of {facts['known']} mature events are positive"
        return labels_outcome(
            label,
            facts,
            problems,
            said,
            mature_positives=facts["positives"],
            mature_share=share,
            all_positives=facts["all_positives"],
        )

    def encode(self, values: pa.ChunkedArray, classes: tuple[str, ...]) -> Array:
        """Int8 of shape (rows,): 0 or 1."""
        allowed = pc.is_in(pc.cast(values, pa.string()), value_set=pa.array(["0", "1", "true", "false"]))
        if pa.types.is_floating(values.type):
            allowed = pc.or_(pc.equal(values, 0), pc.equal(values, 1))
        if not pc.all(allowed, min_count=0).as_py():
            wrong = pc.unique(values.filter(pc.invert(pc.fill_null(allowed, False)))).to_pylist()[:_SHOWN]
            raise DataError(f"binary labels are 0 and 1; there are {wrong} too: correct the label's value")
        found: npt.NDArray[np.int8] = pc.cast(values, pa.int8()).to_numpy()
        return found

    def summary(self, labels: Array, classes: tuple[str, ...]) -> Mapping[str, float]:
        """``positives``."""
        return {"positives": int(labels.sum())}

    def learnable(self, labels: Array, classes: tuple[str, ...]) -> str | None:
        """Both classes are needed."""
        positives = int(labels.sum())
        if 0 < positives < len(labels):
            return None
        return f"{positives} of them are positive; a model needs both positives and negatives"

    def prediction_schema(self, label: Label | None) -> pa.Schema:
        """``score`` (double)."""
        return pa.schema([pa.field(SCORE, pa.float64())])

    def predictions(self, raw: Array, classes: tuple[str, ...]) -> pa.Table:
        """From probabilities of shape (rows,)."""
        return pa.table({SCORE: pa.array(np.asarray(raw, dtype=np.float64))}, self.prediction_schema(None))

    def problems(self, predictions: pa.Table) -> list[str]:
        """Scores that are not finite, or outside [0, 1]."""
        scores = column(predictions, SCORE)
        if not np.isfinite(scores).all():
            return ["some are not finite"]
        return [] if ((scores >= 0) & (scores <= 1)).all() else ["some are outside [0, 1]"]

    def is_constant(self, predictions: pa.Table) -> bool:
        """Tell whether all scores are equal."""
        scores = column(predictions, SCORE)
        return not len(scores) or bool(scores.min() == scores.max())

    def directions(self, classes: tuple[str, ...]) -> Mapping[str, Direction]:
        """``auc`` and ``average_precision`` are better when higher; losses and errors when lower."""
        higher, lower = Direction.HIGHER, Direction.LOWER
        return {
            "auc": higher,
            "average_precision": higher,
            "log_loss": lower,
            "brier": lower,
            "calibration_error": lower,
        }

    def metrics(self, predictions: pa.Table, labels: Array, classes: tuple[str, ...]) -> dict[str, float]:
        """All of :meth:`directions`, over all rows; the first two need both classes."""
        from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

        scores = column(predictions, SCORE)
        if not len(scores):
            return {}
        found = {}
        if 0 < labels.sum() < len(labels):
            found["auc"] = roc_auc_score(labels, scores)
            found["average_precision"] = average_precision_score(labels, scores)
        found["log_loss"] = log_loss(labels, scores, labels=[0, 1])
        found["brier"] = brier_score_loss(labels, scores)
        found["calibration_error"] = expected_calibration_error(scores, labels)
        return {name: float(value) for name, value in found.items()}

    def ripe(self, metrics: Mapping[str, float], labels: Array, share_known: float) -> dict[str, float]:
        """Estimate AUC and average precision, as if labels were unknown by chance.

        Of the rows that count as negative, some are positives without a report yet, scored like the others: they lower
        every precision by the share that is known, and half of their pairs with a positive are ordered wrongly. Source
        of the assumption: C. Elkan, K. Noto, *Learning classifiers from only positive and unlabeled data*, KDD 2008.
        """
        known = float(labels.sum())
        unknown = known * (1 - share_known) / share_known
        negatives = len(labels) - known
        found = {}
        if "auc" in metrics and unknown < negatives:
            found["auc"] = (metrics["auc"] * negatives - unknown / 2) / (negatives - unknown)
        if "average_precision" in metrics:
            found["average_precision"] = metrics["average_precision"] / share_known
        return {name: min(value, 1.0) for name, value in found.items()}

    def baselines(self, data: "TrainingData") -> dict[str, Predictor]:
        """``base_rate``, and ``logistic_regression`` on the numeric features."""
        from sklearn.linear_model import LogisticRegression

        from ml_platform.models.evaluation.baselines import Constant, Linear

        found: dict[str, Predictor] = {"base_rate": Constant(self, np.array(data.labels.mean()))}
        # Newton's method with a Cholesky factor is the fastest solver for many more rows than features.
        if linear := Linear.fit(self, LogisticRegression(solver="newton-cholesky"), data):
            found["logistic_regression"] = linear
        return found

    def plots(
        self, predictions: pa.Table, test: "TestData", baselines: Mapping[str, pa.Table]
    ) -> dict[str, bytes]:
        """Precision and recall beside the baselines', calibration, and the scores of either class."""
        scores, labels = column(predictions, SCORE), test.labels
        others = {name: column(table, SCORE) for name, table in baselines.items()}
        return {
            "precision_recall": draw(lambda axes: _precision_recall(axes, scores, labels, others)),
            "calibration": draw(lambda axes: _calibration(axes, scores, labels)),
            "score_distribution": draw(lambda axes: _distribution(axes, scores, labels)),
        }

    def distribution(self, predictions: pa.Table) -> Distribution:
        """Scores in ten bins of equal mass."""
        return equal_mass_bins(column(predictions, SCORE))

    def bins_sql(self, relation: str, reference: Distribution, sql: SqlDialect) -> Query:
        """Count scores in the bins."""
        return count_in_bins(relation, sql.quoted(SCORE), reference, sql)

    def figures_sql(self, judged: str, label: Label, sql: SqlDialect) -> Query:
        """Ranks of scores and sums of errors, reckoned in the warehouse; one row a scope.

        Scores whose log odds agree to four decimals rank as equal, so that no window is longer than some hundred
        thousand rows a scope. Of a few hundred rows that moves ``average_precision`` by a few thousandths, of many by
        less; ``auc`` hardly.
        """
        return Query(_FIGURES.format(judged=judged, score=sql.quoted(SCORE), bins=CALIBRATION_BINS), {})

    def figures(self, counts: pa.Table, label: Label) -> dict[int | None, Figures]:
        """All of :meth:`directions`, and ``positives``."""
        return {row["scope"]: _figures(row) for row in counts.to_pylist()}


# Of one scope: `upto` rows score at most this bin, `positives_upto` of them positive. A positive adds the precision at
# its score to average precision, and the negatives below it, half of those beside it, to AUC. Bins of calibration are
# of equally many rows, equal scores in one.
_FIGURES = """WITH binned AS (
  SELECT scope, CASE WHEN {score} < 1e-12 THEN -28 WHEN {score} > 1 - 1e-12 THEN 28
      ELSE ROUND(LN({score} / (1 - {score})), 4) END AS bin,
    COUNT(*) AS n, SUM(actual) AS positives, SUM({score}) AS predicted,
    SUM(({score} - actual) * ({score} - actual)) AS squares,
    SUM(-actual * LN(GREATEST({score}, 2.2e-16)) - (1 - actual) * LN(GREATEST(1 - {score}, 2.2e-16))) AS losses
  FROM {judged} GROUP BY 1, 2
), ranked AS (
  SELECT *, SUM(n) OVER (PARTITION BY scope ORDER BY bin) AS upto,
    SUM(positives) OVER (PARTITION BY scope ORDER BY bin) AS positives_upto,
    SUM(n) OVER (PARTITION BY scope) AS total, SUM(positives) OVER (PARTITION BY scope) AS all_positives
  FROM binned
), cells AS (
  SELECT scope, LEAST({bins} - 1, CEIL({bins} * upto / total) - 1) AS cell, SUM(n) AS n, SUM(positives) AS positives,
    SUM(predicted) AS predicted, SUM(squares) AS squares, SUM(losses) AS losses,
    SUM(positives * ((all_positives - positives_upto + positives) / (total - upto + n))) AS precisions,
    SUM(positives * ((upto - n) - (positives_upto - positives) + (n - positives) / 2)) AS pairs
  FROM ranked GROUP BY 1, 2
)
SELECT scope, SUM(n) AS n, SUM(positives) AS positives, SUM(squares) AS squares, SUM(losses) AS losses,
  SUM(precisions) AS precisions, SUM(pairs) AS pairs, SUM(ABS(predicted - positives)) AS distance
FROM cells GROUP BY scope"""


def _figures(row: Mapping[str, Any]) -> Figures:
    rows, positives = int(row["n"]), int(row["positives"])
    found = {}
    if 0 < positives < rows:
        found["auc"] = float(row["pairs"]) / (positives * (rows - positives))
        found["average_precision"] = float(row["precisions"]) / positives
    found["log_loss"] = float(row["losses"]) / rows
    found["brier"] = float(row["squares"]) / rows
    found["calibration_error"] = float(row["distance"]) / rows
    return Figures(rows, found, {"positives": positives})


def _precision_recall(axes: Any, scores: Scores, labels: Array, baselines: Mapping[str, Scores]) -> None:  # noqa: ANN401
    from sklearn.metrics import average_precision_score, precision_recall_curve

    curves = [("model", scores, BLUE, 2.2)]
    curves += [
        (name, values, colour, 1.6)
        for (name, values), colour in zip(baselines.items(), (ORANGE, GREY), strict=False)
    ]
    for name, values, colour, width in curves:
        precision, recall, _ = precision_recall_curve(labels, values)
        area = average_precision_score(labels, values)
        label = f"{name.replace('_', ' ')} (AP {area:.3f})"
        axes.step(recall, precision, where="post", color=colour, lw=width, label=label)
    axes.set(title="Precision and recall", xlabel="Recall", ylabel="Precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(loc="upper right")


def _calibration(axes: Any, scores: Scores, labels: Array) -> None:  # noqa: ANN401
    # Bins of equal mass would hold no positive at all where these are rare.
    bins = int(np.clip(labels.sum() // 8, 3, 15))
    predicted, observed, counts = calibration_curve(scores, labels, bins, expected=True)
    spread = np.sqrt(observed * (1 - observed) / counts)
    floor = max(min(predicted[predicted > 0].min(), 1.0), 1e-6) if (predicted > 0).any() else 1e-6
    low = 10 ** np.floor(np.log10(floor))
    axes.plot([low, 1], [low, 1], "--", color=GREY, lw=1.2, label="perfect")
    # A share of zero has no place on a logarithmic axis: it is drawn on the edge.
    axes.errorbar(
        np.maximum(predicted, low),
        np.maximum(observed, low),
        yerr=spread,
        fmt="o-",
        color=BLUE,
        lw=1.6,
        ms=6,
        capsize=3,
        label="model, ± its standard error",
    )
    axes.set(
        title=f"Calibration ({len(counts)} bins of equally many expected positives)",
        xlabel="Mean predicted probability",
        ylabel="Observed share of positives",
        xscale="log",
        yscale="log",
        xlim=(low, 1),
        ylim=(low, 1),
    )
    axes.legend(loc="upper left")


def _distribution(axes: Any, scores: Scores, labels: Array) -> None:  # noqa: ANN401
    bins = np.linspace(0, 1, 51)
    for value, name, colour in ((0, "negatives", GREY), (1, "positives", ORANGE)):
        chosen = scores[labels == value]
        axes.hist(chosen, bins=bins, color=colour, alpha=0.75, label=f"{name} ({len(chosen):,})")
    axes.set(
        title="Scores", xlabel="Predicted probability", ylabel="Rows (log scale)", yscale="log", xlim=(0, 1)
    )
    axes.legend(loc="upper right")
