"""The preconditions of a sync: computed before anything is shipped."""

import datetime as dt
from collections.abc import Iterator

from ml_platform.checks import CheckOutcome
from ml_platform.features.online.columns import micros, timestamp
from ml_platform.features.online.records import Record
from ml_platform.features.sync.comparison import Comparison
from ml_platform.use_case import FeatureView

__all__ = ["guard_outcomes"]


def guard_outcomes(
    view: FeatureView, record: Record, comparison: Comparison, data_end: dt.datetime | None
) -> list[CheckOutcome]:
    """Judge a finished comparison by the view's guard.

    Args:
        view: whose ``guard`` holds the bounds.
        record: what the store knows of the view; its last completed sync is the measure of a drop in rows.
        comparison: that ran to its end.
        data_end: the end of the data (UTC) that freshness is measured against; None: freshness is not
            judged.
    """
    outcomes = [_keys(comparison), _rows(view, record, comparison), _blast_radius(view, record, comparison)]
    outcomes += _nulls(view, comparison)
    outcomes += _ranges(view, comparison)
    if view.guard.max_age is not None and data_end is not None:
        outcomes.append(_freshness(view, view.guard.max_age, comparison, data_end))
    return outcomes


def _outcome(name: str, passed: bool, description: str, **metadata: object) -> CheckOutcome:
    return CheckOutcome(name, passed, description, metadata, blocking=True)


def _keys(comparison: Comparison) -> CheckOutcome:
    seen = comparison.entities
    passed = not seen.incomplete and not seen.tied
    text = "every row has its key and event time, and no two rows of an entity tie for newest"
    if not passed:
        text = (
            f"{seen.incomplete} rows lack a key or event time (null or empty), and {seen.tied} entities"
            " have several rows with"
            " the same newest event time; make the model one row an entity and event_timestamp"
        )
    return _outcome("keys", passed, text, incomplete_rows=seen.incomplete, tied_entities=seen.tied)


def _rows(view: FeatureView, record: Record, comparison: Comparison) -> CheckOutcome:
    rows, before = comparison.counts.rows, record.last.rows if record.last else 0
    fewest = max(view.guard.min_rows, before * (1 - view.guard.max_row_drop))
    text = f"{rows} entities, {before} in the last sync; at least {fewest:.0f} are required"
    return _outcome("rows", rows >= fewest, text, rows=rows, last_rows=before)


def _blast_radius(view: FeatureView, record: Record, comparison: Comparison) -> CheckOutcome:
    counts, guard = comparison.counts, view.guard
    # After a sync that was cut off the comparison knows few of the entities, and has rows to take back as well.
    stored = max(counts.known, record.last.rows if record.last else 0)
    changed, deleted = (n / stored if stored else 0.0 for n in (counts.changed, counts.deleted))
    passed = changed <= guard.max_changed_share and deleted <= guard.max_deleted_share
    text = (
        f"of {stored} stored entities {changed:.1%} would change (at most"
        f" {guard.max_changed_share:.1%})"
        f" and {deleted:.1%} be deleted (at most {guard.max_deleted_share:.1%})"
    )
    if not passed:
        text += (
            "; if that is meant, override the check for one run"
            f" (ml-platform features sync {view.name} --override blast_radius)"
        )
    return _outcome("blast_radius", passed, text, changed_share=changed, deleted_share=deleted, stored=stored)


def _nulls(view: FeatureView, comparison: Comparison) -> Iterator[CheckOutcome]:
    for name, bound in view.guard.max_null_share.items():
        share = comparison.spreads[name].nulls / max(comparison.counts.rows, 1)
        text = f"{share:.2%} of {name} is null (at most {bound:.2%})"
        yield _outcome(f"nulls_{name}", share <= bound, text, null_share=share)


def _ranges(view: FeatureView, comparison: Comparison) -> Iterator[CheckOutcome]:
    for name, (low, high) in view.guard.ranges.items():
        spread = comparison.spreads[name]
        passed = spread.nans == 0
        if spread.low is not None:
            passed &= (low is None or spread.low >= low) and (high is None or spread.high <= high)
        legal = f"(legal: {low} … {high}, no NaN)"
        text = f"{name} lies in {spread.low} … {spread.high}, {spread.nans} are NaN {legal}"
        yield _outcome(
            f"range_{name}", passed, text, low=_plain(spread.low), high=_plain(spread.high), nans=spread.nans
        )


def _freshness(
    view: FeatureView, max_age: dt.timedelta, comparison: Comparison, data_end: dt.datetime
) -> CheckOutcome:
    if comparison.newest_us is None:
        return _outcome("freshness", False, "there is no row at all")
    age = dt.timedelta(microseconds=micros(data_end) - comparison.newest_us)
    newest = timestamp(comparison.newest_us).isoformat()
    text = (
        f"the newest row of {view.relation} is of {newest}, {age} before the end of the data"
        f" (at most {max_age})"
    )
    return _outcome("freshness", age <= max_age, text, newest=newest, age_seconds=age.total_seconds())


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | None) else str(value)
