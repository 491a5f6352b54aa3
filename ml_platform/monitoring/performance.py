"""How well the released predictions did, once the labels were reported."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.checks import CheckOutcome
from ml_platform.errors import NotFoundError
from ml_platform.models.evaluation.metrics import card_precision_at_k, evaluate
from ml_platform.models.training.data import TestData
from ml_platform.predictions.table import DAY, RELEASE, SCORE, batch_prediction
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["DayPerformance", "Performance", "performance", "performance_check", "performance_plot"]

_DAY_US = 86_400_000_000
_NEVER = np.iinfo(np.int64).max
_BEGINNING = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class DayPerformance:
    """One UTC day; ``auc`` and ``average_precision`` are None without positives or without negatives."""

    day: date
    rows: int
    positives: int
    auc: float | None
    average_precision: float | None
    card_precision: float | None


@dataclass(frozen=True)
class Performance:
    """Performance of predictions on mature days.

    Attributes:
        as_of: labels reported by then were used.
        days: each mature day that has predictions, in order.
        metrics: as :func:`ml_platform.models.evaluation.metrics.evaluate` gives them over all the rows; empty without
            both positives and negatives.
        in_sample: rows that were left out, for their release was trained on them.
        releases: those that made the predictions.
    """

    as_of: datetime
    days: tuple[DayPerformance, ...]
    metrics: Mapping[str, float]
    in_sample: int
    releases: tuple[str, ...]


def performance(
    use_case: UseCase,
    warehouse: Warehouse,
    *,
    as_of: datetime,
    trained_until: Mapping[str, datetime],
    last_days: int = 28,
) -> Performance:
    """Judge the predictions of the newest mature days by the labels reported by ``as_of``.

    A day is mature when it ended at least the label's delay before ``as_of``. A card (``model.card``) is
    known on a day if a label of one of its events was reported before it, no earlier than
    ``model.known_days`` before the first day.

    Args:
        use_case: whose predictions.
        warehouse: where predictions, events and labels are.
        as_of: the end of the data, not the wall clock's time.
        trained_until: release to the end of its training window; its earlier predictions are in-sample and
            left out.
        last_days: how many mature days at most.

    Raises:
        NotFoundError: there is no table of predictions yet.
    """
    last = (as_of.astimezone(UTC) - use_case.dataset.label.delay).date() - timedelta(days=1)
    first = last - timedelta(days=last_days - 1)
    rows = _labelled(use_case, warehouse, first, last, as_of)
    releases = rows.column(RELEASE).to_pylist()
    ends = pa.chunked_array(
        [[trained_until.get(release) for release in releases]], pa.timestamp("us", tz="UTC")
    )
    fair = _us(rows.column("occurred_at"), missing=_NEVER) >= _us(ends, missing=-_NEVER)
    judged = rows.filter(pa.array(fair))
    scores, data = judged.column(SCORE).to_numpy(), _test_data(judged)
    k = use_case.model.precision_k
    return Performance(
        as_of,
        _by_day(scores, data, k),
        evaluate(scores, data, k) if _both_classes(data.labels) else {},
        int(len(fair) - fair.sum()),
        tuple(sorted(set(judged.column(RELEASE).to_pylist()))),
    )


def performance_check(use_case: UseCase, found: Performance) -> CheckOutcome:
    """Whether ``retraining.metric`` keeps its bound: a warning, passed while there is nothing to judge."""
    rule = use_case.retraining
    value = found.metrics.get(rule.metric)
    metadata = {
        "rows": sum(day.rows for day in found.days),
        "positives": sum(day.positives for day in found.days),
        "in_sample": found.in_sample,
        **found.metrics,
    }
    if value is None or rule.min_metric is None:
        what = "no bound is declared" if rule.min_metric is None else "there is nothing to judge by yet"
        return CheckOutcome("performance", True, what, metadata, severity="WARN")
    passed = value >= rule.min_metric
    description = f"{rule.metric} on newly reported labels is {value:.4f}; the bound is {rule.min_metric:.4f}"
    return CheckOutcome("performance", passed, description, metadata, severity="WARN")


def performance_plot(found: Performance) -> bytes:
    """A PNG of the daily metrics; equal performance gives equal bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    days = [day.day for day in found.days]
    for name in ("auc", "average_precision", "card_precision"):
        values = [getattr(day, name) for day in found.days]
        if any(value is not None for value in values):
            numbers = np.array([np.nan if value is None else value for value in values])
            axes.plot(np.array(days), numbers, marker="o", markersize=3, label=name.replace("_", " "))
    axes.set(ylim=(0, 1.02), title=f"Performance on labels reported by {found.as_of:%Y-%m-%d}")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(loc="lower left")
    figure.autofmt_xdate()
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=100, metadata={"Software": None})
    return image.getvalue()


def _labelled(use_case: UseCase, warehouse: Warehouse, first: date, last: date, as_of: datetime) -> pa.Table:
    """Predictions by time, with ``label`` and, where there are cards, when each was first reported."""
    relation, dataset, label = batch_prediction(use_case).relation, use_case.dataset, use_case.dataset.label
    columns = warehouse.columns(relation)
    if not columns:
        raise NotFoundError(f"there is no {relation}; materialise the predictions of {use_case.name} first")
    quoted, parameter = warehouse.dialect.quoted, warehouse.dialect.parameter
    id_, occurred_at, card = quoted(dataset.id), quoted(dataset.occurred_at), use_case.model.card
    reports, reported_at, reported = map(quoted, (label.relation, label.available_at, label.id))
    by_then = f"{reported_at} <= {parameter('as_of')}"
    selected, joined = "", ""
    parameters: dict[str, object] = {"as_of": as_of, "first": first, "last": last}
    if card in columns:
        named = quoted(card)
        selected = f", p.{named} AS card, c.known_from"
        joined = f"""
            LEFT JOIN (
                SELECT e.{named} AS card, min(l.{reported_at}) AS known_from
                FROM {reports} l JOIN {quoted(dataset.events)} e ON e.{id_} = l.{reported}
                WHERE l.{reported_at} > {parameter("memory")} AND l.{by_then}
                GROUP BY 1
            ) c ON c.card = p.{named}"""
        parameters["memory"] = _memory_start(use_case, first)
    sql = f"""
        SELECT p.{id_} AS id, p.{occurred_at} AS occurred_at, p.{quoted(DAY)}, p.{quoted(SCORE)},
            p.{quoted(RELEASE)}, r.id IS NOT NULL AS label{selected}
        FROM {quoted(relation)} p
        LEFT JOIN (SELECT DISTINCT {reported} AS id FROM {reports} WHERE {by_then}) r
            ON r.id = p.{id_}{joined}
        WHERE p.{quoted(DAY)} BETWEEN {parameter("first")} AND {parameter("last")}
        ORDER BY 2, 1"""
    return warehouse.table(sql, parameters)


def _memory_start(use_case: UseCase, first: date) -> datetime:
    model = use_case.model
    days = model.split.train_days if model.known_days is None else model.known_days
    start = datetime.combine(first, time(), UTC)
    return _BEGINNING if days is None else start - timedelta(days=days)


def _test_data(rows: pa.Table) -> TestData:
    days = pc.cast(pc.cast(rows.column(DAY), pa.date32()), pa.int32()).to_numpy().astype(np.int64)
    labels = pc.cast(rows.column("label"), pa.int8()).to_numpy()
    cards, known = None, np.zeros(len(days), dtype=np.bool_)
    if "card" in rows.column_names:
        codes = rows.column("card").combine_chunks().dictionary_encode("encode")
        cards = codes.indices.to_numpy().astype(np.int64)
        known = _us(rows.column("known_from"), missing=_NEVER) <= days * _DAY_US
    return TestData(rows.select([]), labels, days, cards, known)


def _by_day(scores: npt.NDArray[np.float64], data: TestData, k: int) -> tuple[DayPerformance, ...]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    days = np.unique(data.days)
    precisions = [None] * len(days) if data.cards is None else card_precision_at_k(scores, data, k)
    found = []
    for day, precision in zip(days, precisions, strict=True):
        rows = data.days == day
        labels, auc, average_precision = data.labels[rows], None, None
        if _both_classes(labels):
            auc = float(roc_auc_score(labels, scores[rows]))
            average_precision = float(average_precision_score(labels, scores[rows]))
        when = date(1970, 1, 1) + timedelta(days=int(day))
        found.append(DayPerformance(when, len(labels), int(labels.sum()), auc, average_precision, precision))
    return tuple(found)


def _both_classes(labels: npt.NDArray[np.int8]) -> bool:
    return bool(0 < labels.sum() < len(labels))


def _us(times: pa.ChunkedArray, missing: int) -> npt.NDArray[np.int64]:
    """Times as microseconds since 1970 (UTC)."""
    numbers = pc.cast(pc.cast(times, pa.timestamp("us", tz="UTC")), pa.int64())
    filled: npt.NDArray[np.int64] = pc.fill_null(numbers, missing).to_numpy()
    return filled
