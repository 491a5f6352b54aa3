"""What a point-in-time join means, and the part of its SQL that all engines share.

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
and settle ties among them; (3) join them back to the events by equality. Only (1) differs between engines.
Times are compared as microseconds since 1970 UTC, which depends on no session's time zone or calendar.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ml_platform.declaration import COLUMN
from ml_platform.use_case import FeatureView, ViewFeatures
from ml_platform.warehouse.base import identifier

__all__ = ["PointInTimeRequest", "SqlDialect", "quote_parts"]


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


class SqlDialect(ABC):
    """What differs between engines, and the join built from it."""

    @abstractmethod
    def quoted(self, name: str) -> str:
        """A column, CTE or (dotted) relation name, validated and quoted."""

    @abstractmethod
    def parameter(self, name: str) -> str:
        """A named parameter."""

    @abstractmethod
    def micros(self, time: str) -> str:
        """A timestamp as microseconds since 1970-01-01 00:00 UTC (64-bit integer)."""

    @abstractmethod
    def newest_available(self, view: FeatureView, occurred_at: str) -> str:
        """Query of the distinct ``(entity…, __t, __a)``: the newest availability ``__a <= __t`` of an entity.

        It reads the CTE ``events``. Entities and times with none have no row.
        """

    @abstractmethod
    def descending(self, column: str, kind: pa.DataType | None) -> list[str]:
        """ORDER BY terms that put greater values first, NaN after every number, null last."""

    def newest_first(self, view: FeatureView, types: Mapping[str, pa.DataType] | None = None) -> list[str]:
        """ORDER BY terms of one entity's rows: newest first, in the total order that every engine shares."""
        times = [self.micros(self.quoted(time)) for time in (view.available_at, view.event_timestamp)]
        features = [(self.quoted(feature), (types or {}).get(feature)) for feature in view.features]
        return [f"{time} DESC NULLS LAST" for time in times] + [
            term for column, kind in features for term in self.descending(column, kind)
        ]

    def join(self, request: PointInTimeRequest) -> str:
        """The whole query: the events' columns, then ``<view>__<feature>`` of each view; in no order."""
        ctes = [f"events AS ({self._events(request)})"]
        columns = [f"events.{self.quoted(column)}" for column in request.columns] or ["events.*"]
        joins = []
        for joined in request.views:
            view = joined.view
            at, rows = self.quoted(f"{view.name}__at"), self.quoted(f"{view.name}__rows")
            ctes.append(f"{at} AS ({self.newest_available(view, request.occurred_at)})")
            ctes.append(f"{rows} AS ({self._rows(joined, at, request.types.get(view.name))})")
            columns += [
                f"{rows}.{self.quoted(f)} AS {self.quoted(f'{view.name}__{f}')}" for f in joined.features
            ]
            time = self.micros(f"events.{self.quoted(request.occurred_at)}")
            joins.append(f"LEFT JOIN {at} ON {self.equal('events', at, view.entity)} AND {time} = {at}.__t")
            joins.append(f"LEFT JOIN {rows} ON {self.equal(at, rows, view.entity)} AND {at}.__a = {rows}.__a")
            if view.ttl is not None:
                ttl = view.ttl // timedelta(microseconds=1)
                joins[-1] += f" AND {rows}.__e > {at}.__t - {ttl}"
        return _lines("WITH", ",\n".join(ctes), "SELECT", ",\n  ".join(columns), "FROM events", *joins)

    def equal(self, left: str, right: str, columns: Iterable[str]) -> str:
        """Condition that two relations agree in ``columns``, none of them null."""
        return " AND ".join(f"{left}.{self.quoted(c)} = {right}.{self.quoted(c)}" for c in columns)

    def listed(self, columns: Iterable[str]) -> str:
        """Column names, quoted, with commas."""
        return ", ".join(self.quoted(column) for column in columns)

    def _events(self, request: PointInTimeRequest) -> str:
        is_relation = " " not in request.events.strip()
        source = self.quoted(request.events) if is_relation else f"({request.events}) AS source"
        return f"SELECT * FROM {source}" + (f" WHERE {request.where}" if request.where else "")

    def _rows(self, joined: ViewFeatures, at: str, types: Mapping[str, pa.DataType] | None) -> str:
        """The view's rows at the (entity, availability) of ``at``, one each, with ``__a`` and ``__e``."""
        view = joined.view
        available, happened = (
            self.micros(self.quoted(time)) for time in (view.available_at, view.event_timestamp)
        )
        keys = ", ".join(f"v.{self.quoted(key)}" for key in view.entity)
        needed = f"(SELECT DISTINCT {self.listed(view.entity)}, __a FROM {at})"
        read = dict.fromkeys((*view.entity, *view.features, view.available_at, view.event_timestamp))
        source = f"(SELECT {self.listed(read)}, {available} AS __a FROM {self.quoted(view.relation)})"
        return _lines(
            f"SELECT v.*, {happened} AS __e",
            f"FROM {source} AS v",
            f"JOIN {needed} AS needed ON {self.equal('v', 'needed', view.entity)} AND v.__a = needed.__a",
            "WHERE TRUE",
            f"QUALIFY row_number() OVER (PARTITION BY {keys}, v.__a",
            f"  ORDER BY {', '.join(self.newest_first(view, types)[1:])}) = 1",
        )


def quote_parts(name: str, quote: str) -> str:
    """A validated, possibly dotted name with each part quoted."""
    return ".".join(f"{quote}{part}{quote}" for part in identifier(name).split("."))


def _lines(*parts: str) -> str:
    return "\n".join(parts)
