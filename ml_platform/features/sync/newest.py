"""The newest row of each entity of a feature view, as a query for any warehouse.

Names are checked and not quoted: DuckDB and BigQuery quote differently.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from ml_platform.errors import NotFoundError, SchemaMismatchError
from ml_platform.features.online.columns import column_from_arrow
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.base import Warehouse, identifier

__all__ = ["Source", "source_of"]


class Source:
    """A view's relation in a warehouse: its columns, and the queries that a sync asks of it."""

    def __init__(self, view: FeatureView, columns: dict[str, pa.DataType]) -> None:
        """Use :func:`source_of`."""
        self.view = view
        self.keys = tuple(column_from_arrow(name, columns[name], key=True) for name in view.entity)
        self.features = tuple(column_from_arrow(name, columns[name]) for name in view.features)
        self._available = view.available_at if view.available_at in columns else None

    def newest(
        self,
        as_of: dt.datetime | None,
        *,
        single: bool = False,
        mark: str = "",
        features: Sequence[str] | None = None,
        chosen: tuple[str, list[Any]] | None = None,
    ) -> tuple[str, list[Any]]:
        """Query and parameters for each entity's newest row, in key order.

        Its columns are the keys, the features and ``event_timestamp``. Newest is by event time, then by when
        it became available. Rows that tie in both all come, next to each other. Only rows that had happened
        and were available at ``as_of`` count, when it is given.

        Args:
            as_of: see above.
            single: no entity has two rows (:meth:`several`), so the newest need not be looked for.
            mark: expression that becomes the column ``_mark``.
            features: take these only; None: all.
            chosen: condition on the keys, and its parameters.
        """
        where, parameters = self._known(as_of)
        if chosen is not None:
            where, parameters = [*where, chosen[0]], [*parameters, *chosen[1]]
        order = ", ".join(identifier(name) for name in self.view.entity)
        marked = {"_mark": mark} if mark else {}
        return f"{self._ranked(where, features, marked, single=single)} ORDER BY {order}", parameters

    def several(self, as_of: dt.datetime | None) -> tuple[str, list[Any]]:
        """Query and parameters that give a row if an entity has two rows or more."""
        where, parameters = self._known(as_of)
        keys = ", ".join(identifier(name) for name in self.view.entity)
        relation = self.view.relation
        return (
            f"SELECT 1 FROM {relation}{_where(where)} GROUP BY {keys} HAVING COUNT(*) > 1 LIMIT 1",
            parameters,
        )

    def newest_of(self, keys: Sequence[tuple[Any, ...]], as_of: dt.datetime | None) -> tuple[str, list[Any]]:
        """Like :meth:`newest`, for some entities, in no order."""
        where, parameters = self._known(as_of)
        one = "(" + " AND ".join(f"{identifier(name)} = ?" for name in self.view.entity) + ")"
        chosen = "(" + " OR ".join([one] * len(keys)) + ")"
        return self._ranked([*where, chosen]), [*parameters, *(value for key in keys for value in key)]

    def entities(self, as_of: dt.datetime | None) -> tuple[str, list[Any]]:
        """Query and parameters for the distinct keys, in no order."""
        where, parameters = self._known(as_of)
        names = ", ".join(identifier(name) for name in self.view.entity)
        return f"SELECT DISTINCT {names} FROM {self.view.relation}{_where(where)}", parameters

    def _ranked(
        self,
        where: list[str],
        features: Sequence[str] | None = None,
        computed: Mapping[str, str] = MappingProxyType({}),
        *,
        single: bool = False,
    ) -> str:
        view = self.view
        names = [
            identifier(name) for name in (*view.entity, *(view.features if features is None else features))
        ]
        event = identifier(view.event_timestamp)
        selected = ", ".join(
            [*names, f"{event} AS event_timestamp", *(f"{sql} AS {name}" for name, sql in computed.items())]
        )
        source = f"FROM {view.relation}{_where(where)}"
        if single:
            return f"SELECT {selected} {source}"
        newest_first = f"{event} DESC" + (f", {identifier(self._available)} DESC" if self._available else "")
        keys = ", ".join(identifier(name) for name in view.entity)
        outer = ", ".join([*names, "event_timestamp", *computed])
        return (
            f"SELECT {outer} FROM (SELECT {selected}, RANK() OVER (PARTITION BY {keys} ORDER BY"
            f" {newest_first}) AS newest_rank {source}) AS ranked WHERE newest_rank = 1"
        )

    def _known(self, as_of: dt.datetime | None) -> tuple[list[str], list[Any]]:
        if as_of is None:
            return [], []
        names = [self.view.event_timestamp] + ([self._available] if self._available else [])
        return [f"{identifier(name)} <= ?" for name in names], [as_of] * len(names)


def source_of(view: FeatureView, warehouse: Warehouse) -> Source:
    """The relation of a view.

    Raises:
        NotFoundError: there is no such relation.
        SchemaMismatchError: it lacks a column that the view names, or has one of a type that cannot be kept
            online.
    """
    identifier(view.relation)
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
    return Source(view, columns)


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""
