"""Regression: a number."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError, DataError
from ml_platform.models.evaluation.drawing import BLUE, GREY, INK, ORANGE, draw
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

__all__ = ["VALUE", "Regression"]

VALUE = "value"
"""The number predicted (DOUBLE)."""


class Regression(Task):
    """Labels are numbers; a prediction is ``value``, in the label's unit."""

    name: ClassVar[str] = "regression"
    primary: ClassVar[str] = "mae"
    watched: ClassVar[tuple[str, ...]] = ("mae", "bias")
    uncounted: ClassVar[frozenset[str]] = frozenset({"median_absolute_error"})
    actual: ClassVar[pa.DataType] = pa.float64()

    def check_label(self, label: Label | None) -> None:
        """Refuse an event label, and classes."""
        found = required_label(label, self.name)
        if found.value is None or found.classes:
            raise ConfigurationError(
                "the task regression learns a number that is reported; name its column in Dataset.label.value, and "
                "declare no classes"
            )

    def labels_check(self, query: LabelQuery, dataset: Dataset, as_of: datetime) -> CheckOutcome:
        """Judge that labels are finite, within their range, and not all the same."""
        label = required_label(dataset.label, self.name)
        known, number = f'"{label.name}" IS NOT NULL', f'CAST("{label.name}" AS DOUBLE)'
        finite = f"{known} AND isfinite({number})"
        low, high = (bound if bound is None else float(bound) for bound in label.range)
        outside = [f"{number} < {low}"] if low is not None else []
        outside += [f"{number} > {high}"] if high is not None else []
        counted = {
            "labels": f"count(*) FILTER ({known})",
            "mature_labels": f"count(*) FILTER ({{mature}} AND {known})",
            "infinite": f"count(*) FILTER ({known} AND NOT isfinite({number}))",
            "outside": f"count(*) FILTER ({known} AND ({' OR '.join(outside) or 'false'}))",
            "mean": f"avg({number}) FILTER ({finite})",
            "spread": f"stddev_pop({number}) FILTER ({finite})",
            "lowest": f"min({number}) FILTER ({finite})",
            "highest": f"max({number}) FILTER ({finite})",
        }
        facts = label_facts(query, dataset, as_of, known=known, counted=counted)
        problems = []
        if not facts["labels"]:
            problems.append(f"no row has a label; bring what {label.relation} is made from")
        elif not facts["spread"]:
            problems.append(
                f"all {facts['labels']} labels are {facts['mean']}: there is nothing to learn; look at "
                f"{label.relation}"
            )
        if facts["infinite"]:
            problems.append(f"{facts['infinite']} labels are not finite; correct {label.relation}")
        if facts["outside"]:
            problems.append(
                f"{facts['outside']} labels are not within {low} and {high} ({facts['lowest']} to "
                f"{facts['highest']}); correct {label.relation}, or Label.range"
            )
        figures = {
            name: facts[name] for name in ("labels", "mature_labels", "lowest", "highest", "mean", "spread")
        }
        said = f"{facts['labels']} labels"
        if facts["spread"] is not None:
            said += f", {facts['mean']:.4g} in the mean, {facts['spread']:.4g} their standard deviation"
        return labels_outcome(label, facts, problems, said, **figures)

    def encode(self, values: pa.ChunkedArray, classes: tuple[str, ...]) -> Array:
        """Float64 of shape (rows,)."""
        try:
            found: npt.NDArray[np.float64] = pc.cast(values, pa.float64()).to_numpy()
        except pa.ArrowInvalid as error:
            raise DataError(f"a label is no number: {error}; correct the label's value") from error
        if not np.isfinite(found).all():
            raise DataError(
                f"{int((~np.isfinite(found)).sum())} labels are not finite; correct the label's value"
            )
        return found

    def summary(self, labels: Array, classes: tuple[str, ...]) -> Mapping[str, float]:
        """Mean and standard deviation."""
        return {"mean": float(labels.mean()), "std": float(labels.std())}

    def learnable(self, labels: Array, classes: tuple[str, ...]) -> str | None:
        """Labels must differ."""
        if len(labels) and labels.min() < labels.max():
            return None
        return "their labels do not differ; a model needs labels with a spread"

    def prediction_schema(self, label: Label | None) -> pa.Schema:
        """``value`` (double)."""
        return pa.schema([pa.field(VALUE, pa.float64())])

    def predictions(self, raw: Array, classes: tuple[str, ...]) -> pa.Table:
        """From numbers of shape (rows,)."""
        return pa.table({VALUE: pa.array(np.asarray(raw, dtype=np.float64))}, self.prediction_schema(None))

    def problems(self, predictions: pa.Table) -> list[str]:
        """Values that are not finite."""
        return [] if np.isfinite(column(predictions, VALUE)).all() else ["some are not finite"]

    def is_constant(self, predictions: pa.Table) -> bool:
        """Tell whether all values are equal."""
        values = column(predictions, VALUE)
        return not len(values) or bool(values.min() == values.max())

    def directions(self, classes: tuple[str, ...]) -> Mapping[str, Direction]:
        """Errors are better when lower, ``r2`` when higher, ``bias`` when nearer to 0."""
        return {
            "mae": Direction.LOWER,
            "rmse": Direction.LOWER,
            "median_absolute_error": Direction.LOWER,
            "r2": Direction.HIGHER,
            "bias": Direction.ZERO,
        }

    def metrics(self, predictions: pa.Table, labels: Array, classes: tuple[str, ...]) -> dict[str, float]:
        """All of :meth:`directions`; ``bias`` is the mean of predicted minus actual."""
        if not len(labels):
            return {}
        errors = column(predictions, VALUE) - labels
        return {
            "median_absolute_error": float(np.median(np.abs(errors))),
            **_of_sums(
                len(labels),
                float(np.abs(errors).sum()),
                float((errors**2).sum()),
                float(errors.sum()),
                float(labels.var()),
            ),
        }

    def baselines(self, data: "TrainingData") -> dict[str, Predictor]:
        """``mean``, and ``ridge`` regression on the numeric features."""
        from sklearn.linear_model import Ridge

        from ml_platform.models.evaluation.baselines import Constant, Linear

        found: dict[str, Predictor] = {"mean": Constant(self, np.array(data.labels.mean()))}
        if linear := Linear.fit(self, Ridge(), data):
            found["ridge"] = linear
        return found

    def plots(
        self, predictions: pa.Table, test: "TestData", baselines: Mapping[str, pa.Table]
    ) -> dict[str, bytes]:
        """Predicted against actual, and the errors of each tenth of the predictions."""
        del baselines
        values = column(predictions, VALUE)
        return {
            "predicted_actual": draw(lambda axes: _predicted_actual(axes, values, test.labels)),
            "residuals": draw(lambda axes: _residuals(axes, values, test.labels)),
        }

    def distribution(self, predictions: pa.Table) -> Distribution:
        """Values in ten bins of equal mass."""
        return equal_mass_bins(column(predictions, VALUE))

    def bins_sql(self, relation: str, reference: Distribution, sql: SqlDialect) -> Query:
        """Count values in the bins."""
        return count_in_bins(relation, sql.quoted(VALUE), reference, sql)

    def figures_sql(self, judged: str, label: Label, sql: SqlDialect) -> Query:
        """Sums of errors of each scope."""
        error = f"({sql.quoted(VALUE)} - actual)"
        text = (
            f"SELECT scope, COUNT(*) AS n, SUM(ABS({error})) AS absolute, SUM({error} * {error}) AS squares, "
            f"SUM({error}) AS errors, VAR_POP(actual) AS variance FROM {judged} GROUP BY 1"
        )
        return Query(text, {})

    def figures(self, counts: pa.Table, label: Label) -> dict[int | None, Figures]:
        """All of :meth:`directions` but the median."""
        return {
            row["scope"]: Figures(
                int(row["n"]),
                _of_sums(
                    int(row["n"]),
                    *(float(row[name] or 0) for name in ("absolute", "squares", "errors", "variance")),
                ),
            )
            for row in counts.to_pylist()
        }


def _of_sums(rows: int, absolute: float, squares: float, errors: float, variance: float) -> dict[str, float]:
    found = {
        "mae": absolute / rows,
        "rmse": float(np.sqrt(squares / rows)),
        "bias": errors / rows,
    }
    if variance > 0:
        found["r2"] = 1 - squares / rows / variance
    return found


def _predicted_actual(axes: Any, values: Array, labels: Array) -> None:  # noqa: ANN401
    low, high = np.quantile(np.concatenate([values, labels]), [0.001, 0.999])
    if len(values) > 2_000:
        axes.hexbin(
            labels, values, gridsize=45, extent=(low, high, low, high), bins="log", cmap="Blues", mincnt=1
        )
    else:
        axes.scatter(labels, values, s=8, color=BLUE, alpha=0.5)
    axes.plot([low, high], [low, high], "--", color=INK, lw=1.2, label="predicted = actual")
    axes.set(
        title="Predicted against actual",
        xlabel="Actual",
        ylabel="Predicted",
        xlim=(low, high),
        ylim=(low, high),
    )
    axes.legend(loc="upper left")


def _residuals(axes: Any, values: Array, labels: Array) -> None:  # noqa: ANN401
    order = np.argsort(values, kind="stable")
    parts = [part for part in np.array_split(order, 10) if len(part)]
    errors = [values[part] - labels[part] for part in parts]
    boxes = axes.boxplot(errors, showfliers=False, patch_artist=True, medianprops={"color": INK})
    for box in boxes["boxes"]:
        box.set(facecolor="#bfdbfe", edgecolor=GREY)
    axes.plot(
        range(1, len(parts) + 1), [e.mean() for e in errors], "o", color=ORANGE, ms=5, label="mean error"
    )
    axes.axhline(0, color=INK, lw=1)
    axes.set_xticks(range(1, len(parts) + 1), [f"{np.median(values[part]):.3g}" for part in parts])
    axes.set(
        title="Predicted minus actual, by tenths of the predictions",
        xlabel="Median prediction of each tenth",
        ylabel="Error",
    )
    axes.legend(loc="upper left")
