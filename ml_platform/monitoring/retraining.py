"""Whether a new candidate is due."""

from dataclasses import dataclass
from datetime import datetime

from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["Decision", "count_new_labels", "due"]


@dataclass(frozen=True)
class Decision:
    """Whether to train, and why or why not, for a person."""

    due: bool
    reason: str


def due(
    use_case: UseCase,
    new_labels: int,
    metric_value: float | None,
    last_trained_at: datetime | None,
    now: datetime,
) -> Decision:
    """Decide by the use case's :class:`~ml_platform.use_case.Retraining`.

    Due when enough labels are new, or performance on newly reported labels is below its bound; never within
    the cool-down of the last training, so that a week of late data starts one training and not seven.

    Args:
        use_case: whose declaration.
        new_labels: labels reported since the last snapshot; see :func:`count_new_labels`.
        metric_value: ``retraining.metric`` on newly reported labels; None when it is not known.
        last_trained_at: when the last training started, failed or not; None when there was none.
        now: the time, by the same clock as ``last_trained_at``.
    """
    rule = use_case.retraining
    if last_trained_at is not None and now - last_trained_at < rule.cool_down:
        reason = f"trained at {last_trained_at:%Y-%m-%d %H:%M}, within the cool-down of {rule.cool_down}"
        return Decision(False, reason)
    if metric_value is not None and rule.min_metric is not None and metric_value < rule.min_metric:
        return Decision(
            True, f"{rule.metric} on new labels is {metric_value:.4f}, below {rule.min_metric:.4f}"
        )
    if new_labels >= rule.min_new_labels:
        return Decision(True, f"{new_labels} labels are new; {rule.min_new_labels} are enough")
    return Decision(False, f"{new_labels} labels are new; {rule.min_new_labels} would be enough")


def count_new_labels(use_case: UseCase, warehouse: Warehouse, as_of: datetime | None) -> int:
    """Labels reported after ``as_of``, that of the last snapshot; None: there is none, so all of them."""
    label, dialect = use_case.dataset.label, warehouse.dialect
    sql = f"SELECT COUNT(*) FROM {dialect.quoted(label.relation)}"
    if as_of is None:
        return int(warehouse.scalar(sql))
    new = f"{dialect.quoted(label.available_at)} > {dialect.parameter('as_of')}"
    return int(warehouse.scalar(f"{sql} WHERE {new}", {"as_of": as_of}))
