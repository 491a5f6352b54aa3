"""Performance of the released predictions, once the labels were reported: counted in the warehouse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ml_platform.checks import CheckOutcome
from ml_platform.datasets.query import reports_sql
from ml_platform.models.evaluation.drawing import BLUE, GREEN, GREY, ORANGE, draw
from ml_platform.models.tasks.base import Figures
from ml_platform.monitoring.labels_known import share_of_labels_known
from ml_platform.monitoring.retraining import watched_metric, worse
from ml_platform.monitoring.served import Served
from ml_platform.use_case import Label, UseCase
from ml_platform.warehouse.base import Query, Warehouse

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DayPerformance", "Performance", "performance", "performance_check", "performance_plot"]

_DAY_US = 86_400_000_000
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class DayPerformance:
    """One UTC day: the predictions whose labels are known, and the metrics that are defined on them."""

    day: date
    rows: int
    metrics: Mapping[str, float]
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Performance:
    """Performance of predictions on mature days.

    Attributes:
        as_of: labels reported by then were used.
        days: each mature day that has predictions, in order.
        rows: predictions judged, and ``metrics`` over all of them.
        counts: further counts of all of them: positives, a confusion matrix.
        in_sample: predictions that were left out, for their release was trained on them.
        releases: those that made the predictions.
        share_known: see :func:`~ml_platform.monitoring.labels_known.share_of_labels_known`.
    """

    as_of: datetime
    days: tuple[DayPerformance, ...] = ()
    rows: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    in_sample: int = 0
    releases: tuple[str, ...] = ()
    share_known: float | None = None


def performance(
    served: Served,
    warehouse: Warehouse,
    *,
    as_of: datetime,
    events_end: datetime | None = None,
    trained_until: Mapping[str, datetime],
    last_days: int = 28,
) -> Performance:
    """Judge the predictions of the newest mature days by the labels reported by ``as_of``.

    A day is mature when it ended at least the label's delay before ``as_of``; none is later than the events.
    The warehouse counts; no row leaves it.

    Args:
        served: the predictions, and what they are of.
        warehouse: where predictions and labels are.
        as_of: the end of the labels' data, not the wall clock's time.
        events_end: the end of the events' data; ``as_of`` when it is not given.
        trained_until: release to the end of its training window; its earlier predictions are in-sample and left out.
        last_days: how many mature days at most.

    Raises:
        NotFoundError: there is no table of predictions yet.
    """
    served.require(warehouse)
    label = served.dataset.label
    if label is None:
        return Performance(as_of)
    mature = min(as_of - label.delay, events_end or as_of).astimezone(UTC)
    end = datetime.combine(mature.date(), time(), UTC)
    window = served.between(warehouse, end - timedelta(days=last_days), end)
    fair = _fair(served, warehouse, trained_until, window)
    releases = _releases(warehouse, fair)
    figures = _figures(served, warehouse, label, fair, as_of)
    judged = Query(f"SELECT w.* FROM ({fair.sql}) AS w WHERE w.__fair = 1", fair.parameters)
    whole = figures.pop(None, Figures(0, {}))
    days = [
        DayPerformance(_EPOCH + timedelta(days=scope), found.rows, found.metrics, found.counts)
        for scope, found in figures.items()
        if scope is not None
    ]
    return Performance(
        as_of,
        tuple(sorted(days, key=lambda day: day.day)),
        whole.rows,
        whole.metrics,
        whole.counts,
        sum(row["rows"] - row["fair"] for row in releases),
        tuple(sorted(row["release"] for row in releases if row["fair"])),
        share_of_labels_known(
            served, warehouse, label, judged, as_of, window.parameters["first"] - label.delay
        ),
    )


def performance_check(use_case: UseCase, served: Served, found: Performance) -> CheckOutcome:
    """Tell whether the metric that retraining watches keeps its limit: a warning, passed when nothing can be judged."""
    limit, name = use_case.retraining.limit, watched_metric(use_case, served.model)
    value = found.metrics.get(name)
    metadata = {"rows": found.rows, "in_sample": found.in_sample, **found.counts, **found.metrics}
    rests = ""
    if found.share_known is not None:
        metadata["labels known"] = found.share_known
        rests = f", by about {found.share_known:.1%} of the labels that are to come"
    if value is None or limit is None:
        said = "no limit is declared" if limit is None else "there is nothing to judge by yet"
        return CheckOutcome("performance", True, said, metadata, severity="WARN")
    return CheckOutcome(
        "performance",
        not worse(use_case, value, served.model),
        f"{name} on newly reported labels is {value:.4f}{rests}; the limit is {limit:.4f}",
        metadata,
        severity="WARN",
    )


def performance_plot(found: Performance, metrics: Sequence[str]) -> bytes:
    """A PNG of metrics day by day; equal performance gives equal bytes."""
    return draw(lambda axes: _by_day(axes, found, metrics))


def _by_day(axes: "Axes", found: Performance, metrics: Sequence[str]) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    days, shares = np.array([day.day for day in found.days]), True
    for name, colour in zip(metrics, cycle((BLUE, ORANGE, GREEN, GREY)), strict=False):
        values = np.array([day.metrics.get(name, np.nan) for day in found.days])
        if np.isfinite(values).any():
            axes.plot(days, values, marker="o", markersize=4, color=colour, label=name.replace("_", " "))
            shares = shares and bool(np.nanmin(values) >= 0 and np.nanmax(values) <= 1)
    if shares:
        axes.set(ylim=(0, 1.02))
    known = "" if found.share_known is None else f", about {found.share_known:.0%} of all"
    axes.set(title=f"Performance by labels until {found.as_of:%Y-%m-%d}{known}")
    if axes.lines:
        locator = AutoDateLocator(minticks=3, maxticks=8)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        axes.legend(loc="best")


def _fair(
    served: Served, warehouse: Warehouse, trained_until: Mapping[str, datetime], window: Query
) -> Query:
    """The window's predictions with ``__fair``: 1 where the release was not trained on the event, else 0."""
    sql = warehouse.dialect
    late = {release: end for release, end in trained_until.items() if end > window.parameters["first"]}
    parameters = dict(window.parameters)
    cases = ""
    for number, (release, end) in enumerate(late.items()):
        parameters |= {f"release_{number}": release, f"trained_{number}": end}
        cases += f" WHEN {sql.parameter(f'release_{number}')} THEN {sql.parameter(f'trained_{number}')}"
    if not cases:
        return Query(f"SELECT w.*, 1 AS __fair FROM ({window.sql}) AS w", parameters)
    learnt = f"w.{sql.quoted(served.dataset.occurred_at)} < CASE w.{sql.quoted('release')}{cases} END"
    return Query(
        f"SELECT w.*, CASE WHEN {learnt} THEN 0 ELSE 1 END AS __fair FROM ({window.sql}) AS w", parameters
    )


def _releases(warehouse: Warehouse, fair: Query) -> list[dict[str, Any]]:
    release = warehouse.dialect.quoted("release")
    text = f"SELECT {release} AS name, COUNT(*) AS n, SUM(__fair) AS fair FROM ({fair.sql}) AS w GROUP BY 1"
    return [
        {"release": row["name"], "rows": int(row["n"]), "fair": int(row["fair"])}
        for row in warehouse.table(text, fair.parameters).to_pylist()
    ]


def _figures(
    served: Served, warehouse: Warehouse, label: Label, fair: Query, as_of: datetime
) -> dict[int | None, Figures]:
    sql, kind = warehouse.dialect, served.task
    id_, occurred = (f"w.{sql.quoted(name)}" for name in (served.dataset.id, served.dataset.occurred_at))
    day = sql.cast(f"FLOOR({sql.micros(occurred)} / {_DAY_US})", pa.int64())
    columns = ", ".join(f"w.{sql.quoted(name)}" for name in kind.prediction_schema(label).names)
    if label.value is None:
        actual, join = "CASE WHEN l.__at IS NULL THEN 0 ELSE 1 END", "LEFT JOIN"
    else:
        actual, join = sql.cast("l.__value", kind.actual), "JOIN"
    rows = (
        f"SELECT {day} AS __day, {columns}, {actual} AS actual FROM ({fair.sql}) AS w\n"
        f"{join} ({reports_sql(label, sql)}) AS l ON l.__id = {id_} WHERE w.__fair = 1"
    )
    counted = kind.figures_sql("judged", label, sql)
    nothing = sql.cast("NULL", pa.int64())
    text = (
        f"WITH known AS (\n{rows}\n), judged AS (\n"
        f"SELECT __day AS scope, known.* FROM known UNION ALL SELECT {nothing} AS scope, known.* FROM known\n)\n"
        f"SELECT * FROM (\n{counted.sql}\n) AS figures"
    )
    parameters = {**fair.parameters, "as_of": as_of, **counted.parameters}
    return kind.figures(warehouse.table(text, parameters), label)
