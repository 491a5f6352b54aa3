"""The newest row of each entity of a feature view, as a query for any warehouse.

A relation may hold years of rows, of which a sync needs one an entity. So no row is moved, sorted or marked before it
is known to be an entity's newest: the newest event time of each entity is found over the keys and that column alone,
and only the rows at those times are fetched, which an engine finds in the newest partitions, since it knows the least
and the greatest time of each.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ml_platform.errors import NotFoundError, SchemaMismatchError
from ml_platform.features.online.columns import column_from_arrow
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.base import Query, Warehouse
from ml_platform.warehouse.dialect import SqlDialect

__all__ = ["Source", "ViewColumns", "source_of"]

HASHES = 2**63
"""Number of values of :meth:`~ml_platform.warehouse.dialect.SqlDialect.hashed`."""


class ViewColumns:
    """A view, and the columns that an online table of it has.

    Args:
        view: the view.
        types: Arrow types of (at least) its keys and features.
    """

    def __init__(self, view: FeatureView, types: Mapping[str, pa.DataType]) -> None:
        self.view = view
        self.types = types
        self.keys = tuple(column_from_arrow(name, types[name], key=True) for name in view.entity)
        self.features = tuple(column_from_arrow(name, types[name]) for name in view.features)


class Source(ViewColumns):
    """A view's relation in a warehouse: its columns, and the queries that a sync asks of it."""

    def __init__(self, view: FeatureView, columns: Mapping[str, pa.DataType], dialect: SqlDialect) -> None:
        """Use :func:`source_of`."""
        super().__init__(view, columns)
        self.dialect = dialect
        self._available = view.available_at if view.available_at in columns else None
        self._relation = dialect.quoted(view.relation)
        self._event = dialect.quoted(view.event_timestamp)

    def newest(
        self,
        as_of: dt.datetime | None,
        *,
        single: bool = False,
        mark: str = "",
        features: Sequence[str] | None = None,
        chosen: Sequence[tuple[Any, ...]] | None = None,
        ordered: bool = True,
    ) -> Query:
        """Each entity's newest row, in key order.

        Its columns are the keys, the features and ``event_timestamp``. Newest is by event time, then by when
        it became available. Rows that tie in both all come, next to each other. Only rows that had happened
        and were available at ``as_of`` count, when it is given.

        Args:
            as_of: see above.
            single: no entity has two rows (:meth:`several`), so the newest need not be looked for.
            mark: expression that becomes the column ``_mark``.
            features: take these only; None: all.
            chosen: only entities with these keys; None: all.
            ordered: False: in no order.
        """
        sql, view = self.dialect, self.view
        known, parameters = self._known(as_of)
        if chosen is not None:
            condition, keys = self._chosen(chosen)
            known, parameters = [*known, condition], parameters | keys
        columns = [
            *(
                sql.quoted(name)
                for name in (*view.entity, *(view.features if features is None else features))
            ),
            f"{self._event} AS {sql.quoted('event_timestamp')}",
            *([f"{mark} AS _mark"] if mark else []),
        ]
        selected = ", ".join(columns)
        order = f" ORDER BY {sql.listed(view.entity)}" if ordered else ""
        if single:
            return Query(f"SELECT {selected} FROM {self._relation}{_where(known)}{order}", parameters)
        ranked = f"({self._newest_rows(known)}) AS ranked WHERE newest_rank = 1"
        text = f"{self._newest_times(known)} SELECT {selected} FROM {ranked}{order}"
        return Query(text, parameters)

    def several(self, as_of: dt.datetime | None) -> tuple[Query, Query]:
        """Queries of which each gives a row only if an entity has two rows or more; the second looks at all.

        The first looks at one entity alone, for that is enough where all have a history.
        """
        sql = self.dialect
        known, parameters = self._known(as_of)
        keys, source = sql.listed(self.view.entity), f"{self._relation}{_where(known)}"
        of_one = (
            f"(SELECT {keys} FROM {source}) AS v JOIN (SELECT {keys} FROM {source} LIMIT 1) AS one"
            f" ON {sql.equal('v', 'one', self.view.entity)}"
        )
        return (
            Query(f"SELECT COUNT(*) FROM {of_one} HAVING COUNT(*) > 1", parameters),
            Query(f"SELECT 1 FROM {source} GROUP BY {keys} HAVING COUNT(*) > 1 LIMIT 1", parameters),
        )

    def sample(self, as_of: dt.datetime | None, size: int, seed: int, share: float) -> Query:
        """The keys of some entities: those with the smallest hashes among about a ``share`` of all, in key order.

        The same seed takes the same entities of the same data, whatever the share, if they are as many as wanted.
        """
        sql = self.dialect
        known, parameters = self._known(as_of)
        keys = [sql.quoted(name) for name in self.view.entity]
        hashed = sql.hashed([sql.parameter("seed"), *keys])
        below = f"{hashed} < {sql.parameter('below')}"
        conditions = [*known, *(f"{key} IS NOT NULL" for key in keys), *([below] if share < 1 else [])]
        parameters["seed"] = seed
        if share < 1:
            parameters["below"] = int(share * HASHES)
        names = ", ".join(keys)
        chosen = (
            f"SELECT {names}, {hashed} AS __hash FROM (SELECT DISTINCT {names} FROM {self._relation}"
            f"{_where(conditions)}) AS entities ORDER BY __hash, {names} LIMIT {int(size)}"
        )
        return Query(f"SELECT {names} FROM ({chosen}) AS chosen ORDER BY {names}", parameters)

    def _newest_times(self, known: list[str]) -> str:
        """CTE ``newest``: the newest event time ``__newest`` of each entity, over narrow columns alone."""
        keys = [self.dialect.quoted(name) for name in self.view.entity]
        complete = [*known, *(f"{key} IS NOT NULL" for key in keys), f"{self._event} IS NOT NULL"]
        names = ", ".join(keys)
        return (
            f"WITH newest AS (SELECT {names}, MAX({self._event}) AS __newest FROM {self._relation}"
            f"{_where(complete)} GROUP BY {names})"
        )

    def _newest_rows(self, known: list[str]) -> str:
        """The rows at those times, or of those that tie the ones that became available last.

        Rows without a key or an event time come too, unless their entity has a row with a time.
        """
        sql, entity = self.dialect, self.view.entity
        keys = [sql.quoted(name) for name in entity]
        incomplete = " OR ".join(f"{name} IS NULL" for name in (*keys, self._event))
        source = f"(SELECT * FROM {self._relation}{_where(known)}) AS v"
        same = sql.equal("v", "newest", entity)
        at_newest = f"SELECT v.* FROM {source} JOIN newest ON {same} AND v.{self._event} = newest.__newest"
        lacking = (
            f"SELECT v.* FROM (SELECT * FROM {self._relation}{_where([*known, f'({incomplete})'])}) AS v"
            f" LEFT JOIN newest ON {same} WHERE newest.__newest IS NULL"
        )
        newest_first = f"{self._event} DESC NULLS LAST"
        if self._available:
            newest_first += f", {sql.quoted(self._available)} DESC NULLS LAST"
        return (
            f"SELECT *, RANK() OVER (PARTITION BY {', '.join(keys)} ORDER BY {newest_first}) AS newest_rank"
            f" FROM ({at_newest} UNION ALL {lacking}) AS candidates"
        )

    def _chosen(self, keys: Sequence[tuple[Any, ...]]) -> tuple[str, dict[str, Any]]:
        """A condition that is true of the rows of these keys, and its parameters."""
        if not keys:
            return "FALSE", {}
        lists = {f"key_{n}": list(values) for n, values in enumerate(zip(*keys, strict=True))}
        return self.dialect.are_in(
            [self.dialect.quoted(name) for name in self.view.entity], list(lists)
        ), lists

    def _known(self, as_of: dt.datetime | None) -> tuple[list[str], dict[str, Any]]:
        if as_of is None:
            return [], {}
        names = [self.view.event_timestamp] + ([self._available] if self._available else [])
        moment = self.dialect.parameter("as_of")
        return [f"{self.dialect.quoted(name)} <= {moment}" for name in names], {"as_of": as_of}


def source_of(view: FeatureView, warehouse: Warehouse) -> Source:
    """The relation of a view.

    Raises:
        NotFoundError: there is no such relation.
        SchemaMismatchError: it lacks a column that the view names, or has one of a type that cannot be kept
            online.
    """
    columns = warehouse.columns(view.relation)
    if not columns:
        raise NotFoundError(
            f"view {view.name}: there is no relation {view.relation}; build its dbt model first"
        )
    needed = (*view.entity, *view.features, view.event_timestamp)
    if lacking := [name for name in needed if name not in columns]:
        raise SchemaMismatchError(
            f"view {view.name}: {view.relation} has no column {', '.join(lacking)}; it has"
            f" {', '.join(columns)}."
            " Add it to the model, or take it out of the view"
        )
    if not pa.types.is_timestamp(columns[view.event_timestamp]):
        raise SchemaMismatchError(
            f"view {view.name}: {view.event_timestamp} is {columns[view.event_timestamp]}; it must be a"
            " timestamp"
        )
    return Source(view, columns, warehouse.dialect)


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
