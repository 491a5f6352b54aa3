"""Decisions on when a new candidate is due."""

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


def watched_metric(use_case: UseCase, model: Model | None = None) -> str:
    """Name of the metric that retraining watches; ``primary`` is that of the model's task (of the first model)."""
    chosen = model or (use_case.models[0] if use_case.models else None)
    metric = use_case.retraining.metric
    return metric_name(metric, task(chosen.task)) if chosen else metric


def worse(use_case: UseCase, value: float, model: Model | None = None) -> bool:
    """Tell whether the watched metric is worse than the limit of retraining, which must be declared."""
    rule, chosen = use_case.retraining, model or use_case.models[0]
    direction = metric_directions(chosen, classes_of(use_case.data))[watched_metric(use_case, chosen)]
    return rule.limit is not None and not direction.reaches(value, rule.limit)


def due(
    use_case: UseCase,
    new_labels: int,
    metric_value: float | None,
    last_trained_at: datetime | None,
    now: datetime,
) -> Decision:
    """Decide by the use case's :class:`~ml_platform.use_case.Retraining`.

    Due when enough labels are new, or performance on newly reported labels is worse than its limit; never within
    the cool-down of the last training, so that a week of late data starts one training and not seven.

    Args:
        use_case: whose declaration.
        new_labels: labels reported since the last snapshot; see :func:`count_new_labels`.
        metric_value: :func:`watched_metric` on newly reported labels; None when it is not known.
        last_trained_at: when the last training started, failed or not; None when there was none.
        now: the time, by the same clock as ``last_trained_at``.
    """
    rule = use_case.retraining
    if last_trained_at is not None and now - last_trained_at < rule.cool_down:
        reason = f"trained at {last_trained_at:%Y-%m-%d %H:%M}, within the cool-down of {rule.cool_down}"
        return Decision(False, reason)
    if metric_value is not None and rule.limit is not None and worse(use_case, metric_value):
        return Decision(
            True,
            f"{watched_metric(use_case)} on new labels is {metric_value:.4f}, worse than {rule.limit:.4f}",
        )
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
