"""The point-in-time check: what a snapshot took from feature views, derived again the slow and obvious way.

For a seeded sample of events, every row that a view has of the event's entity is fetched, and the one that the rules
of :mod:`ml_platform.features.point_in_time.base` choose is found by a loop. It shares no code with the join, so it
sees a join that is wrong, a snapshot whose values became available only after their event, and rows that claim to
have been available before they were loaded.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from ml_platform.checks import CheckOutcome
from ml_platform.datasets.snapshot import Snapshot
from ml_platform.use_case import Dataset, FeatureView, ViewFeatures
from ml_platform.warehouse.base import Warehouse

__all__ = ["point_in_time_check"]

Row = Mapping[str, Any]
SAMPLE = 200
SHOWN = 5
NAME = "point_in_time"


def point_in_time_check(
    snapshot: Snapshot, dataset: Dataset, warehouse: Warehouse, *, seed: int = 0
) -> CheckOutcome:
    """Compare the views' features of sampled events with what had been available at their time."""
    if not dataset.views:
        return CheckOutcome(NAME, True, "no feature view is joined", blocking=True)
    columns = [
        dataset.id,
        dataset.occurred_at,
        *dict.fromkeys(k for v in dataset.views for k in v.view.entity),
    ]
    events = _sampled(snapshot, [*columns, *dataset.view_features], seed)
    differences, compared = [], 0
    for joined in dataset.views:
        rows = _rows(joined.view, events, warehouse)
        for event in events:
            known = _newest_known(joined.view, rows, event, event[dataset.occurred_at])
            for feature in joined.features:
                compared += 1
                stored, derived = event[f"{joined.view.name}__{feature}"], known and known[feature]
                if not _same(stored, derived):
                    differences.append(_described(event, dataset, joined, feature, derived))
    return CheckOutcome(
        NAME,
        not differences,
        f"{len(differences)} of {compared} view values of {len(events)} sampled events are not what was available "
        "at the time of their event"
        + ("; look at how the view's available_at is made, then export again" if differences else ""),
        {"compared": compared, "differences": len(differences), "examples": differences[:SHOWN]},
        blocking=True,
    )


def _sampled(snapshot: Snapshot, columns: Sequence[str], seed: int) -> list[Row]:
    rows = snapshot.manifest.rows
    wanted = np.sort(np.random.default_rng(seed).choice(rows, min(SAMPLE, rows), replace=False))
    found: list[Row] = []
    start = 0
    for batch in snapshot.batches(list(dict.fromkeys(columns))):
        inside = wanted[(wanted >= start) & (wanted < start + batch.num_rows)] - start
        found += batch.take(inside).to_pylist()
        start += batch.num_rows
    return found


def _rows(view: FeatureView, events: Sequence[Row], warehouse: Warehouse) -> dict[tuple[Any, ...], list[Row]]:
    """All rows of the events' entities, by entity."""
    sql = warehouse.dialect
    key = view.entity[0]
    values = sorted({event[key] for event in events if event[key] is not None})
    if not values:
        return {}
    columns = dict.fromkeys((*view.entity, *view.features, view.available_at, view.event_timestamp))
    query = (
        f"SELECT {sql.listed(columns)} FROM {sql.quoted(view.relation)} "
        f"WHERE {sql.is_in(sql.quoted(key), 'keys')}"
    )
    rows: dict[tuple[Any, ...], list[Row]] = {}
    with warehouse.read(query, {"keys": values}) as reader:
        for batch in reader:
            for row in batch.to_pylist():
                rows.setdefault(tuple(row[name] for name in view.entity), []).append(row)
    return rows


def _newest_known(
    view: FeatureView, rows: Mapping[tuple[Any, ...], list[Row]], event: Row, time: datetime
) -> Row | None:
    entity = tuple(event[name] for name in view.entity)
    known = [
        row
        for row in rows.get(entity, [])
        if None not in entity and row[view.available_at] is not None and row[view.available_at] <= time
    ]
    order = (view.available_at, view.event_timestamp, *view.features)
    newest = max(known, key=lambda row: [_ordered(row[name]) for name in order], default=None)
    if newest is None or view.ttl is None:
        return newest
    happened = newest[view.event_timestamp]
    return newest if happened is not None and time - happened < view.ttl else None


def _ordered(value: Any) -> tuple[int, Any]:  # noqa: ANN401 (whatever a column holds)
    if value is None:
        return 0, 0
    return (1, 0) if isinstance(value, float) and math.isnan(value) else (2, value)


def _same(left: Any, right: Any) -> bool:  # noqa: ANN401
    return bool(left == right) or _ordered(left) == _ordered(right)


def _described(
    event: Row, dataset: Dataset, joined: ViewFeatures, feature: str, derived: object
) -> dict[str, str]:
    name = f"{joined.view.name}__{feature}"
    return {
        dataset.id: str(event[dataset.id]),
        "time": event[dataset.occurred_at].isoformat(),
        "feature": name,
        "in_snapshot": str(event[name]),
        "available_then": str(derived),
    }
