"""Facts about the labels of a snapshot that the checks of several tasks share."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError
from ml_platform.models.tasks.base import LabelQuery
from ml_platform.models.tasks.delays import Delays, label_delays
from ml_platform.use_case import Dataset, Label

__all__ = ["label_facts", "labels_outcome", "required_label"]

_DAY_US = 86_400_000_000
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p100": 1.0}


def required_label(label: Label | None, task: str) -> Label:
    """The label of a task that cannot do without.

    Raises:
        ConfigurationError: there is none.
    """
    if label is None:
        raise ConfigurationError(f"the task {task} learns from labels; declare Dataset.label")
    return label


def label_facts(
    query: LabelQuery, dataset: Dataset, as_of: datetime, *, known: str, counted: Mapping[str, str]
) -> dict[str, Any]:
    """Count the labels of mature rows, and how long they took to arrive.

    A row is mature when ``Label.delay`` lies between it and ``as_of``: the labels of younger ones are not complete.

    Args:
        query: the snapshot.
        dataset: its declaration, with a label.
        as_of: that of the snapshot.
        known: SQL condition of a row whose label was reported.
        counted: name to the SQL aggregate of further facts; ``{mature}`` in it stands for the condition.

    Returns:
        ``rows``, ``mature``, ``early`` (labels before their event), ``late`` (after the delay), ``delays`` (quantiles,
        days), ``distribution`` (:class:`~ml_platform.models.tasks.delays.Delays`, or None), and those of ``counted``.
    """
    label = required_label(dataset.label, "")
    reported, occurred = f'epoch_us("{label.reported_at}")', f'epoch_us("{dataset.occurred_at}")'
    delay = f"({reported} - {occurred}) / {_DAY_US}.0"
    mature = f"{occurred} <= epoch_us(TIMESTAMPTZ '{(as_of - label.delay).isoformat()}')"
    facts = {
        "rows": "count(*)",
        "mature": f"count(*) FILTER ({mature})",
        "early": f"count(*) FILTER ({reported} < {occurred})",
        "late": f"count(*) FILTER ({mature} AND {delay} > {label.delay.total_seconds() / 86_400})",
        **{
            name: f"quantile_cont({delay}, {share}) FILTER ({known} AND {mature})"
            for name, share in _QUANTILES.items()
        },
        **{name: text.replace("{mature}", mature) for name, text in counted.items()},
    }
    selected = ", ".join(f'{text} AS "{name}"' for name, text in facts.items())
    columns = [dataset.occurred_at, label.name, label.reported_at]
    (found,) = query(columns, f"SELECT {selected} FROM snapshot")
    found["delays"] = {name: found.pop(name) for name in _QUANTILES if found[name] is not None}
    found["distribution"] = label_delays(query, dataset, label, as_of)
    return found


def labels_outcome(
    label: Label, facts: Mapping[str, Any], problems: list[str], said: str, **metadata: object
) -> CheckOutcome:
    """The outcome of a labels check; what is wrong of any kind of label is added to ``problems``."""
    general = []
    if facts["early"]:
        general.append(f"{facts['early']} labels were reported before their event; correct their times")
    if not facts["mature"]:
        general.append(
            f"no event is older than {label.delay / timedelta(days=1):g} days, so no label is complete; bring more days"
        )
    spread: Delays | None = facts["distribution"]
    if spread is not None and (late := 1 - spread.share_within(label.delay)) > label.max_late_share:
        day = timedelta(days=1)
        general.append(
            f"about {late:.0%} of the labels come later than Label.delay, {label.delay / day:g} days, so that models "
            f"would be judged by labels that are not final (declared are at most {label.max_late_share:.0%}); "
            f"{1 - label.max_late_share:.0%} come within {spread.needed(1 - label.max_late_share) / day:g} days: "
            "declare that delay, or Label.max_late_share"
        )
    wrong = general + ([] if not facts["mature"] else problems)
    delays = facts["delays"]
    usual = f", half of them reported within {delays['p50']:.1f} days" if delays else ""
    return CheckOutcome(
        "labels",
        not wrong,
        "; ".join(wrong) or said + usual,
        {
            "rows": facts["rows"],
            "mature_rows": facts["mature"],
            **metadata,
            "reported_before_event": facts["early"],
            "reported_later_than_delay": facts["late"],
            "report_delay_days": delays,
            **({} if spread is None else {"share_known_after_delay": spread.share_within(label.delay)}),
        },
        blocking=True,
    )
