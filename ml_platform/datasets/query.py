"""The query of a dataset: one assembly for training and for scoring, so that they cannot differ."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from ml_platform.errors import ConfigurationError, NotFoundError, SchemaMismatchError
from ml_platform.features.point_in_time.join import PointInTimeRequest, join_sql
from ml_platform.use_case import Dataset, Label
from ml_platform.warehouse.base import Query, Warehouse
from ml_platform.warehouse.dialect import SqlDialect

__all__ = [
    "Query",
    "dataset_sql",
    "event_columns",
    "reports_sql",
    "require_columns",
    "row_order",
    "scoring_sql",
]


def event_columns(dataset: Dataset) -> tuple[str, ...]:
    """Columns that a dataset takes from its events: id, time, keys, features; each once, in this order."""
    return tuple(dict.fromkeys((dataset.id, dataset.occurred_at, *dataset.keys, *dataset.event_features)))


def row_order(dataset: Dataset, dialect: SqlDialect) -> str:
    """ORDER BY time, then id: the order of a dataset's rows."""
    return f"ORDER BY {dialect.listed((dataset.occurred_at, dataset.id))}"


def dataset_sql(
    dataset: Dataset,
    dialect: SqlDialect,
    *,
    as_of: datetime,
    events_end: datetime | None = None,
    start: datetime | None = None,
    ordered: bool = True,
) -> Query:
    """Labelled events, with what was known at the time of each.

    Columns: id, time, keys, features of the events, features of the views (``<view>__<feature>``), and when there is
    a label, it and ``<label>_available_at``. The label of an event is 0 or 1 (64-bit); a value has its own type, and is
    null until it was reported. Rows are ordered by time, then id.

    Args:
        dataset: the declaration.
        dialect: whose SQL.
        as_of: with a time zone. Labels reported by it (inclusive) count. The label of an event is 1 if it was reported
            by then, and else 0, however young the event is: who trains on it must leave ``Label.delay`` before
            ``as_of`` for reports to come. Of several reports the earliest one of an event counts, and the newest one
            of a value.
        events_end: with a time zone. Events before it count, so that a day's end gives whole days; ``as_of`` when it
            is not given. Reports may speak of a later time than the events, or of an earlier one.
        start: with a time zone. Earlier events are left out, as are those older than ``Dataset.history``.
        ordered: False: the rows come in no order.

    Raises:
        ConfigurationError: a time has no zone, or a name is not a SQL identifier.
    """
    sql = dialect
    as_of = _aware(as_of, "as_of")
    until = _aware(events_end or as_of, "events_end")
    parameters = {"events_end": until}
    occurred = sql.quoted(dataset.occurred_at)
    conditions = [f"{occurred} < {sql.parameter('events_end')}"]
    oldest = [until - dataset.history] if dataset.history else []
    oldest += [_aware(start, "start")] if start else []
    if oldest:
        parameters["start"] = max(oldest)
        conditions.append(f"{occurred} >= {sql.parameter('start')}")
    selected, joined = "events.*", ""
    if label := dataset.label:
        parameters["as_of"] = as_of
        value = (
            sql.cast("CASE WHEN labels.__at IS NULL THEN 0 ELSE 1 END", pa.int64())
            if label.value is None
            else "labels.__value"
        )
        selected += (
            f",\n  {value} AS {sql.quoted(label.name)},\n  labels.__at AS {sql.quoted(label.reported_at)}"
        )
        joined = f"\nLEFT JOIN ({reports_sql(label, sql)}) AS labels ON events.{sql.quoted(dataset.id)} = labels.__id"
    text = (
        f"SELECT {selected}\nFROM (\n{_joined(dataset, dialect, ' AND '.join(conditions))}\n) AS events{joined}"
        + (f"\n{row_order(dataset, sql)}" if ordered else "")
    )
    return Query(text, parameters)


def reports_sql(label: Label, sql: SqlDialect) -> str:
    """Query of the labels reported by the parameter ``as_of``, one row an event.

    Columns: ``__id``, ``__at`` (when it was reported), and of a value ``__value``. It is that of the newest report; of
    several at one time, the greatest.
    """
    id_, at, relation = map(sql.quoted, (label.id, label.available_at, label.relation))
    by_then = f"{at} <= {sql.parameter('as_of')}"
    if label.value is None:
        return f"SELECT {id_} AS __id, MIN({at}) AS __at\nFROM {relation} WHERE {by_then} GROUP BY {id_}"
    value = sql.quoted(label.value)
    return (
        f"SELECT {id_} AS __id, {at} AS __at, {value} AS __value\nFROM {relation} "
        f"WHERE {by_then} AND {value} IS NOT NULL\n"
        f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {id_} ORDER BY {at} DESC, {value} DESC) = 1"
    )


def scoring_sql(dataset: Dataset, dialect: SqlDialect, windows: Sequence[tuple[datetime, datetime]]) -> Query:
    """The events of some windows of time, with the same columns as :func:`dataset_sql` gives but for the label's.

    Args:
        dataset: the declaration.
        dialect: whose SQL.
        windows: start and end (exclusive) of each, with a time zone.

    Raises:
        ConfigurationError: there are no windows, a time has no zone, or a name is not a SQL identifier.
    """
    if not windows:
        raise ConfigurationError("no windows of time to score; name at least one")
    sql = dialect
    occurred, conditions = sql.quoted(dataset.occurred_at), []
    parameters: dict[str, Any] = {}
    for number, (first, end) in enumerate(windows):
        parameters |= {f"from_{number}": _aware(first, "start"), f"to_{number}": _aware(end, "end")}
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
    needed = {dataset.events: [*event_columns(dataset)]}
    if label := dataset.label:
        needed.setdefault(label.relation, []).extend(
            [label.id, label.available_at, *([label.value] if label.value else [])]
        )
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


def _aware(moment: datetime, name: str) -> datetime:
    if moment.tzinfo is None:
        raise ConfigurationError(f"{name} is {moment} without a time zone; give it one, e.g. UTC")
    return moment.astimezone(UTC)
