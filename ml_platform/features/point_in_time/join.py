"""Point-in-time joins: each event with the rows of feature views that were available at its time.

For an event at time *t*, and each view:

1. The rows of its entity with ``available_at <= t`` are what anybody could have known. A null key matches
   nothing, and a row without ``available_at`` never became available.
2. Of those the newest counts: the latest ``available_at``; then the latest ``event_timestamp`` (null last);
   then the greatest value of each of the view's features in the order of its declaration, with null below
   NaN below every number. All features of the view decide, chosen or not, so that what one model is given
   does not depend on what else it asks for. Of rows equal in all of that it cannot matter which is taken
   (0.0 equals -0.0).
3. Its values are used while ``t - ttl < event_timestamp``: like every window, *(t - ttl, t]* excludes its old
   end, so that a value exactly ``ttl`` old has expired, as it has in an online store that deletes it after
   ``ttl``. An expired row is not replaced by an older one: the event gets nulls. With a ``ttl``, a row
   without ``event_timestamp`` has expired.

Every event comes out exactly once, repeated events as often as they occur, with nulls where nothing was
available. So a late or corrected feature row is seen from when it arrived, and no earlier event changes.

The plan never moves a wide row before it is known to be needed: (1) for each distinct (entity, t) find the
newest ``available_at``, over those two columns alone; (2) fetch the rows at those (entity, ``available_at``)
and settle ties among them; (3) join them back to the events by equality. Only (1), and the order of values, differ
between engines: they are the dialect's.
Times are compared as microseconds since 1970 UTC, which depends on no session's time zone or calendar.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml_platform.declaration import COLUMN
from ml_platform.use_case import FeatureView, ViewFeatures
from ml_platform.warehouse.dialect import SqlDialect

__all__ = ["PointInTimeRequest", "join_sql"]


class PointInTimeRequest(BaseModel):
    """Events, and the views to join to each as they were available at its time.

    The entity columns of every view are columns of the events, by the same names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    events: str = Field(description="Relation, or a query, of the events.")
    occurred_at: str = Field(default="occurred_at", pattern=COLUMN, description="Column of the events' time.")
    views: tuple[ViewFeatures, ...]
    columns: tuple[str, ...] = Field(default=(), description="Columns of the events to carry; none: all.")
    where: str | None = Field(default=None, description="SQL condition on the events; values as parameters.")
    types: Mapping[str, Mapping[str, pa.DataType]] = Field(
        default_factory=dict,
        description="View to the types of its columns. Needed only to order ties of columns that are lists.",
    )

    @model_validator(mode="after")
    def _names_are_distinct(self) -> "PointInTimeRequest":
        names = [*self.columns, *self.output_features, *(f"view {v.view.name}" for v in self.views)]
        if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
            raise ValueError(f"{repeated} would appear more than once in the join; name each once")
        return self

    @property
    def output_features(self) -> tuple[str, ...]:
        """Columns that the join adds, in order: ``<view>__<feature>``."""
        return tuple(f"{v.view.name}__{feature}" for v in self.views for feature in v.features)


def join_sql(request: PointInTimeRequest, dialect: SqlDialect) -> str:
    """SQL that joins the request's views to its events; the module says what that means.

    Args:
        request: the events and views.
        dialect: whose SQL.

    Returns:
        A query of the events' columns, then ``<view>__<feature>`` of each view; a row an event, in no order.

    Raises:
        ConfigurationError: a name is not a plain SQL identifier.
    """
    sql = dialect
    ctes = [f"events AS ({_events(request, sql)})"]
    columns = [f"events.{sql.quoted(column)}" for column in request.columns] or ["events.*"]
    joins = []
    for joined in request.views:
        view = joined.view
        at, rows = sql.quoted(f"{view.name}__at"), sql.quoted(f"{view.name}__rows")
        newest = sql.newest_available(view.entity, request.occurred_at, view.relation, view.available_at)
        ctes.append(f"{at} AS ({newest})")
        ctes.append(f"{rows} AS ({_rows(joined, at, request.types.get(view.name), sql)})")
        columns += [f"{rows}.{sql.quoted(f)} AS {sql.quoted(f'{view.name}__{f}')}" for f in joined.features]
        time = sql.micros(f"events.{sql.quoted(request.occurred_at)}")
        joins.append(f"LEFT JOIN {at} ON {sql.equal('events', at, view.entity)} AND {time} = {at}.__t")
        joins.append(f"LEFT JOIN {rows} ON {sql.equal(at, rows, view.entity)} AND {at}.__a = {rows}.__a")
        if view.ttl is not None:
            ttl = view.ttl // timedelta(microseconds=1)
            joins[-1] += f" AND {rows}.__e > {at}.__t - {ttl}"
    return _lines("WITH", ",\n".join(ctes), "SELECT", ",\n  ".join(columns), "FROM events", *joins)


def _newest_first(
    view: FeatureView, dialect: SqlDialect, types: Mapping[str, pa.DataType] | None = None
) -> list[str]:
    """ORDER BY terms of one entity's rows: newest first, in the total order that every engine shares."""
    times = [dialect.micros(dialect.quoted(time)) for time in (view.available_at, view.event_timestamp)]
    features = [(dialect.quoted(feature), (types or {}).get(feature)) for feature in view.features]
    return [f"{time} DESC NULLS LAST" for time in times] + [
        term for column, kind in features for term in dialect.descending(column, kind)
    ]


def _events(request: PointInTimeRequest, sql: SqlDialect) -> str:
    is_relation = " " not in request.events.strip()
    source = sql.quoted(request.events) if is_relation else f"({request.events}) AS source"
    return f"SELECT * FROM {source}" + (f" WHERE {request.where}" if request.where else "")


def _rows(joined: ViewFeatures, at: str, types: Mapping[str, pa.DataType] | None, sql: SqlDialect) -> str:
    """The view's rows at the (entity, availability) of ``at``, one each, with ``__a`` and ``__e``."""
    view = joined.view
    available, happened = (sql.micros(sql.quoted(time)) for time in (view.available_at, view.event_timestamp))
    keys = ", ".join(f"v.{sql.quoted(key)}" for key in view.entity)
    needed = f"(SELECT DISTINCT {sql.listed(view.entity)}, __a FROM {at})"
    read = dict.fromkeys((*view.entity, *view.features, view.available_at, view.event_timestamp))
    source = f"(SELECT {sql.listed(read)}, {available} AS __a FROM {sql.quoted(view.relation)})"
    return _lines(
        f"SELECT v.*, {happened} AS __e",
        f"FROM {source} AS v",
        f"JOIN {needed} AS needed ON {sql.equal('v', 'needed', view.entity)} AND v.__a = needed.__a",
        "WHERE TRUE",
        f"QUALIFY row_number() OVER (PARTITION BY {keys}, v.__a",
        f"  ORDER BY {', '.join(_newest_first(view, sql, types)[1:])}) = 1",
    )


def _lines(*parts: str) -> str:
    return "\n".join(parts)
