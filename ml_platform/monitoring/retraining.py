"""Decisions on when new candidates are due."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ml_platform.models.tasks.base import task
from ml_platform.models.tasks.checking import classes_of, metric_directions, metric_name
from ml_platform.use_case import Model, UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["Decision", "count_new_labels", "due", "watched_metric", "worse"]


@dataclass(frozen=True)
class Decision:
    """A decision to train or not, and why, for a person."""

    due: bool
    reason: str


def watched_metric(use_case: UseCase, model: Model) -> str:
    """Name of the metric that retraining watches; ``primary`` is that of the model's task."""
    return metric_name(use_case.retraining.metric, task(model.task))


def worse(use_case: UseCase, value: float, model: Model) -> bool:
    """Tell whether the watched metric is worse than the limit of retraining; never without a limit."""
    limit = use_case.retraining.limit
    if limit is None:
        return False
    direction = metric_directions(model, classes_of(use_case.data))[watched_metric(use_case, model)]
    return not direction.reaches(value, limit)


def due(
    use_case: UseCase,
    new_labels: int,
    performance: Mapping[str, float],
    last_trained_at: datetime | None,
    now: datetime,
) -> Decision:
    """Decide by the use case's :class:`~ml_platform.use_case.Retraining`.

    Due when enough labels are new, or the performance of any model on newly reported labels is worse than its limit;
    never within the cool-down of the last training, so that a week of late data starts one training and not seven.

    Args:
        use_case: whose declaration.
        new_labels: labels reported since the last snapshot; see :func:`count_new_labels`.
        performance: name of a model to its :func:`watched_metric` on newly reported labels, where that is known.
        last_trained_at: when the last training started, failed or not; None when there was none.
        now: the time, by the same clock as ``last_trained_at``.
    """
    rule = use_case.retraining
    if last_trained_at is not None and now - last_trained_at < rule.cool_down:
        reason = f"trained at {last_trained_at:%Y-%m-%d %H:%M}, within the cool-down of {rule.cool_down}"
        return Decision(False, reason)
    for model in use_case.models:
        value = performance.get(model.name)
        if value is not None and worse(use_case, value, model):
            watched = f"{watched_metric(use_case, model)} of {model.name} on new labels"
            return Decision(True, f"{watched} is {value:.4f}, worse than {rule.limit:.4f}")
    if new_labels >= rule.min_new_labels:
        return Decision(True, f"{new_labels} labels are new; {rule.min_new_labels} are enough")
    return Decision(False, f"{new_labels} labels are new; {rule.min_new_labels} would be enough")


def count_new_labels(use_case: UseCase, warehouse: Warehouse, as_of: datetime | None) -> int:
    """Labels reported after ``as_of``, that of the last snapshot; None: there is none, so all of them."""
    label, dialect = use_case.data.label, warehouse.dialect
    if label is None:
        return 0
    sql = f"SELECT COUNT(*) FROM {dialect.quoted(label.relation)}"
    if as_of is None:
        return int(warehouse.scalar(sql))
    new = f"{dialect.quoted(label.available_at)} > {dialect.parameter('as_of')}"
    return int(warehouse.scalar(f"{sql} WHERE {new}", {"as_of": as_of}))
