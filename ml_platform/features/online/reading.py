"""Reading features in a service: several views at once, missing and expired explicit, with ages and metrics.

Imports neither Dagster, Arrow, pandas nor DuckDB.
"""

import asyncio
import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from operator import itemgetter
from types import TracebackType
from typing import Any, NamedTuple, Self

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.features.online.base import Key, OnlineStore, Row, Status, missing_row
from ml_platform.features.online.metrics import ReadMetrics, ViewMetrics
from ml_platform.use_case import FeatureView

__all__ = ["EntityFeatures", "OnlineFeatures"]


class EntityFeatures(NamedTuple):
    """The features of one entity.

    ``values`` are named ``<view>__<feature>``, as datasets name them, and None where the view's entity is
    missing or expired; ``rows`` are what was read, one a view of ``views``.
    """

    values: dict[str, Any]
    views: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def statuses(self) -> dict[str, Status]:
        """Tell whether each view's entity was found, is missing or has expired."""
        return {view: row.status for view, row in zip(self.views, self.rows, strict=True)}

    @property
    def event_timestamps(self) -> dict[str, dt.datetime | None]:
        """When each view's values were true, UTC; None when the entity is missing."""
        return {view: row.event_timestamp for view, row in zip(self.views, self.rows, strict=True)}

    @property
    def complete(self) -> bool:
        """Tell whether every view had a value that may be used."""
        return all(row.status == "found" for row in self.rows)

    def ages(self, now: dt.datetime) -> dict[str, dt.timedelta | None]:
        """Age of each view's values at ``now`` (with a zone)."""
        return {view: row.age(now) for view, row in zip(self.views, self.rows, strict=True)}


@dataclass(frozen=True)
class _Part:
    """The part of a read that is of one view; ``key`` is of an entity."""

    view: FeatureView
    features: tuple[str, ...]
    key: Callable[[Mapping[str, Any]], Key]
    metrics: ViewMetrics


CALLERS = 32
"""As many threads may ask at once and have all their views read at once; what comes on top waits its turn."""


class OnlineFeatures:
    """Features of several views for a service. Safe for threads; close it at the end.

    Attributes:
        metrics: of the reads; ``prometheus_client.generate_latest(features.metrics.registry)`` shows them.
    """

    def __init__(
        self,
        store: OnlineStore,
        views: Sequence[FeatureView],
        features: Mapping[str, Sequence[str]] | None = None,
        metrics: ReadMetrics | None = None,
    ) -> None:
        """Read from a store.

        Args:
            store: that the views are synced to.
            views: to read, in the order of the values.
            features: names by view; views that are not named give all of theirs.
            metrics: where reads are counted; in a registry of their own by default.

        Raises:
            ConfigurationError: there is no view, or one is given twice, or ``features`` names an unknown view or
                feature.
        """
        chosen = dict(features or {})
        names = [view.name for view in views]
        if not names or len(set(names)) != len(names) or set(chosen) - set(names):
            raise ConfigurationError(
                f"views {names} must be some that differ, and features {sorted(chosen)} be of those views"
            )
        self._store, self.metrics = store, metrics or ReadMetrics()
        self._parts = [
            _Part(
                view, tuple(chosen.get(view.name, view.features)), _key_of(view), self.metrics.of(view.name)
            )
            for view in views
        ]
        for part in self._parts:
            if unknown := set(part.features) - set(part.view.features):
                raise ConfigurationError(
                    f"view {part.view.name} has no features {sorted(unknown)}; it has"
                    f" {list(part.view.features)}"
                )
        self._names = tuple(names)
        self._columns = [f"{part.view.name}__{name}" for part in self._parts for name in part.features]
        others = len(views) - 1  # the caller's own thread reads the first view
        self._pool = ThreadPoolExecutor(CALLERS * others, "features") if store.remote and others else None

    def get(
        self, entities: Sequence[Mapping[str, Any]], *, now: dt.datetime | None = None
    ) -> list[EntityFeatures]:
        """Read the features of entities, in the order given; one round trip a view, all views at once.

        Args:
            entities: the key columns of every view and their values; None for an entity that is not known.
            now: the moment (with a zone) against which values expire; None: the clock's.

        Raises:
            DataError: an entity lacks a key column, or has a value of the wrong type, or ``now`` has no zone.
            NotFoundError: a view was never synced.
            StoreUnavailableError: the store cannot be reached.
        """
        moment = _moment(now)
        if self._pool is None:
            read = [self._read(part, entities, moment) for part in self._parts]
        else:
            first, *others = self._parts
            futures = [self._pool.submit(self._read, other, entities, moment) for other in others]
            read = [self._read(first, entities, moment), *(future.result() for future in futures)]
        return self._joined(read)

    async def get_async(
        self, entities: Sequence[Mapping[str, Any]], *, now: dt.datetime | None = None
    ) -> list[EntityFeatures]:
        """Like :meth:`get`, for an event loop."""
        moment = _moment(now)
        read = await asyncio.gather(*(self._read_async(part, entities, moment) for part in self._parts))
        return self._joined(read)

    def close(self) -> None:
        """End the threads; the store stays open."""
        if self._pool is not None:
            self._pool.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, part: _Part, entities: Sequence[Mapping[str, Any]], now: dt.datetime) -> list[Row]:
        keys = _keys(part, entities)
        known = [key for key in keys if None not in key]
        started = time.perf_counter()
        try:
            rows = self._store.read(part.view, known, part.features, now=now)
        except BaseException:
            part.metrics.failed()
            raise
        return self._counted(part, _placed(rows, keys, part), time.perf_counter() - started, now)

    async def _read_async(
        self, part: _Part, entities: Sequence[Mapping[str, Any]], now: dt.datetime
    ) -> list[Row]:
        keys = _keys(part, entities)
        known = [key for key in keys if None not in key]
        started = time.perf_counter()
        try:
            rows = await self._store.read_async(part.view, known, part.features, now=now)
        except BaseException:
            part.metrics.failed()
            raise
        return self._counted(part, _placed(rows, keys, part), time.perf_counter() - started, now)

    def _counted(self, part: _Part, rows: list[Row], seconds: float, now: dt.datetime) -> list[Row]:
        part.metrics.count(rows, seconds, now.timestamp())
        return rows

    def _joined(self, read: Sequence[list[Row]]) -> list[EntityFeatures]:
        """Entity by entity what was read view by view."""
        joined = []
        for rows in zip(*read, strict=True):
            values = rows[0].values
            for row in rows[1:]:
                values += row.values
            named = dict(zip(self._columns, values))  # noqa: B905 (being strict takes a third longer)
            joined.append(EntityFeatures(named, self._names, rows))
        return joined


def _moment(now: dt.datetime | None) -> dt.datetime:
    if now is None:
        return dt.datetime.now(dt.UTC)
    if now.tzinfo is None:
        raise DataError(f"now is {now} without a time zone; give it one, e.g. UTC")
    return now


def _key_of(view: FeatureView) -> Callable[[Mapping[str, Any]], Key]:
    if len(view.entity) > 1:
        return itemgetter(*view.entity)
    (name,) = view.entity
    return lambda entity: (entity[name],)


def _keys(part: _Part, entities: Sequence[Mapping[str, Any]]) -> list[Key]:
    try:
        return [part.key(entity) for entity in entities]
    except KeyError as error:
        lacking = next(entity for entity in entities if error.args[0] not in entity)
        raise DataError(
            f"entity {dict(lacking)} lacks {error}, which view {part.view.name} is keyed by"
        ) from None


def _placed(rows: list[Row], keys: list[Key], part: _Part) -> list[Row]:
    """Put rows beside their keys again, missing where a part of the key is None."""
    if len(rows) == len(keys):
        return rows
    missing, found = missing_row(len(part.features)), iter(rows)
    return [missing if None in key else next(found) for key in keys]
