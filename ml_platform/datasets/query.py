"""The query of a dataset: one assembly for training and for scoring, so that they cannot differ."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyarrow as pa

from ml_platform.errors import ConfigurationError, NotFoundError, SchemaMismatchError
from ml_platform.features.point_in_time.join import PointInTimeRequest, join_sql
from ml_platform.use_case import Dataset
from ml_platform.warehouse.base import Query, Warehouse
from ml_platform.warehouse.dialect import SqlDialect

__all__ = [
    "Query",
    "dataset_sql",
    "event_columns",
    "reported_at",
    "require_columns",
    "row_order",
    "scoring_sql",
]

DAY = timedelta(days=1)


def reported_at(dataset: Dataset) -> str:
    """Name of the dataset's column that says when the label was reported; null for negatives."""
    return f"{dataset.label.name}_available_at"


def event_columns(dataset: Dataset) -> tuple[str, ...]:
    """Columns that a dataset takes from its events: id, time, keys, features; each once, in this order."""
    return tuple(dict.fromkeys((dataset.id, dataset.occurred_at, *dataset.keys, *dataset.features)))


def row_order(dataset: Dataset, dialect: SqlDialect) -> str:
    """ORDER BY time, then id: the order of a dataset's rows."""
    return f"ORDER BY {dialect.listed((dataset.occurred_at, dataset.id))}"


def dataset_sql(
    dataset: Dataset,
    dialect: SqlDialect,
    *,
    as_of: datetime,
    start: datetime | None = None,
    ordered: bool = True,
) -> Query:
    """Labelled events, with what was known at the time of each.

    Columns: id, time, keys, features of the events, features of the views (``<view>__<feature>``), the label
    (0 or 1, 64-bit), and ``<label>_available_at``. Rows are ordered by time, then id.

    Args:
        dataset: the declaration.
        dialect: whose SQL.
        as_of: with a time zone. Events before it count, so that a day's end gives whole days; labels
            reported by it (inclusive) count. The label of an event is 1 if it was reported by then, and else
            0, however young the event is: who trains on it must leave ``Label.delay`` before ``as_of`` for
            reports to come.
        start: with a time zone. Earlier events are left out, as are those older than ``Dataset.history``.
        ordered: False: the rows come in no order.

    Raises:
        ConfigurationError: a time has no zone, or a name is not a SQL identifier.
    """
    sql = dialect
    label, parameters = dataset.label, {"as_of": _aware(as_of, "as_of")}
    occurred = sql.quoted(dataset.occurred_at)
    conditions = [f"{occurred} < {sql.parameter('as_of')}"]
    oldest = [as_of - dataset.history] if dataset.history else []
    oldest += [_aware(start, "start")] if start else []
    if oldest:
        parameters["start"] = max(oldest)
        conditions.append(f"{occurred} >= {sql.parameter('start')}")
    reported = sql.quoted(label.available_at)
    labels = (
        f"SELECT {sql.quoted(label.id)} AS __id, MIN({reported}) AS __at\nFROM {sql.quoted(label.relation)} "
        f"WHERE {reported} <= {sql.parameter('as_of')} GROUP BY {sql.quoted(label.id)}"
    )
    text = (
        f"SELECT events.*,\n  {sql.cast('CASE WHEN labels.__at IS NULL THEN 0 ELSE 1 END', pa.int64())}"
        f" AS {sql.quoted(label.name)},\n  labels.__at AS {sql.quoted(reported_at(dataset))}\n"
        f"FROM (\n{_joined(dataset, dialect, ' AND '.join(conditions))}\n) AS events\n"
        f"LEFT JOIN ({labels}) AS labels ON events.{sql.quoted(dataset.id)} = labels.__id"
        + (f"\n{row_order(dataset, sql)}" if ordered else "")
    )
    return Query(text, parameters)


def scoring_sql(dataset: Dataset, dialect: SqlDialect, days: Sequence[date]) -> Query:
    """The events of some UTC days, with the same columns as :func:`dataset_sql` gives but for the label's.

    Raises:
        ConfigurationError: there are no days, or a name is not a SQL identifier.
    """
    if not days:
        raise ConfigurationError("no days to score; name at least one")
    sql = dialect
    occurred, conditions = sql.quoted(dataset.occurred_at), []
    parameters: dict[str, Any] = {}
    for number, (first, end) in enumerate(_ranges(days)):
        parameters |= {f"from_{number}": first, f"to_{number}": end}
        since, until = sql.parameter(f"from_{number}"), sql.parameter(f"to_{number}")
        conditions.append(f"({occurred} >= {since} AND {occurred} < {until})")
    joined = _joined(dataset, dialect, " OR ".join(conditions))
    return Query(f"SELECT * FROM (\n{joined}\n) AS events\n{row_order(dataset, sql)}", parameters)


def require_columns(dataset: Dataset, warehouse: Warehouse) -> None:
    """Refuse a dataset whose relations are not there, or lack a column that it names.

    Raises:
        NotFoundError: there is no such relation.
        SchemaMismatchError: a relation lacks a column.
    """
    label = dataset.label
    needed = {dataset.events: [*event_columns(dataset)], label.relation: [label.id, label.available_at]}
    for joined in dataset.views:
        view = joined.view
        needed[dataset.events] += view.entity
        needed.setdefault(view.relation, []).extend(
            (*view.entity, *view.features, view.event_timestamp, view.available_at)
        )
    for relation, columns in needed.items():
        present = warehouse.columns(relation)
        if not present:
            raise NotFoundError(f"there is no relation {relation}; materialise what makes it")
        if missing := sorted(set(columns) - set(present)):
            raise SchemaMismatchError(
                f"{relation} has no columns {missing}; it has {sorted(present)}. Add them to what makes it, "
                "or take them out of the declaration"
            )


def _joined(dataset: Dataset, dialect: SqlDialect, where: str) -> str:
    request = PointInTimeRequest(
        events=dataset.events,
        occurred_at=dataset.occurred_at,
        views=dataset.views,
        columns=event_columns(dataset),
        where=where,
    )
    return join_sql(request, dialect)


def _ranges(days: Sequence[date]) -> list[tuple[datetime, datetime]]:
    """Runs of consecutive days, as the start of the first and the end of the last."""
    ranges: list[tuple[datetime, datetime]] = []
    for day in sorted(set(days)):
        start = datetime.combine(day, time(), UTC)
        if ranges and ranges[-1][1] == start:
            ranges[-1] = (ranges[-1][0], start + DAY)
        else:
            ranges.append((start, start + DAY))
    return ranges


def _aware(moment: datetime, name: str) -> datetime:
    if moment.tzinfo is None:
        raise ConfigurationError(f"{name} is {moment} without a time zone; give it one, e.g. UTC")
    return moment.astimezone(UTC)
