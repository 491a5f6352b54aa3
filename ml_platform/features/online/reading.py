"""Reading features in a service: several views at once, missing and expired explicit, with ages and metrics.

Imports neither Dagster, Arrow, pandas nor DuckDB.
"""

import asyncio
import datetime as dt
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.features.online.base import Key, OnlineStore, Row, Status
from ml_platform.use_case import FeatureView

__all__ = ["EntityFeatures", "OnlineFeatures", "ViewMetrics"]

LATENCY_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds in seconds, as Prometheus histograms have them; what is slower counts in a last bucket."""


@dataclass(frozen=True)
class EntityFeatures:
    """The features of one request.

    ``values`` are named ``<view>__<feature>``, as datasets name them, and None where the view's entity is
    missing or expired; ``statuses`` say which, a view, and ``event_timestamps`` of when the values are.
    """

    values: dict[str, Any]
    statuses: dict[str, Status]
    event_timestamps: dict[str, dt.datetime | None]

    @property
    def complete(self) -> bool:
        """Whether every view had a value that may be used."""
        return all(status == "found" for status in self.statuses.values())

    def ages(self, now: dt.datetime) -> dict[str, dt.timedelta | None]:
        """How old each view's values are at ``now`` (with a zone)."""
        return {view: None if at is None else now - at for view, at in self.event_timestamps.items()}


@dataclass
class ViewMetrics:
    """What was read of one view since the process began, in rows but for ``reads`` and ``errors``.

    Times are seconds, summed up but for those of the last read that had any row, whose oldest and newest age are kept.
    Ages are of found and expired rows, so ``age_seconds / (found + expired)`` is the mean.
    """

    reads: int = 0
    errors: int = 0
    found: int = 0
    missing: int = 0
    expired: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_BUCKETS) + 1))
    age_seconds: float = 0.0
    oldest_age_seconds: float | None = None
    newest_age_seconds: float | None = None


CALLERS = 32
"""As many threads may ask at once and have all their views read at once; what comes on top waits its turn."""


class OnlineFeatures:
    """Features of several views for a service. Safe for threads; close it at the end."""

    def __init__(
        self,
        store: OnlineStore,
        views: Sequence[FeatureView],
        features: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Read from a store.

        Args:
            store: that the views are synced to.
            views: to read, in the order of the values.
            features: names by view; views that are not named give all of theirs.

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
        self._store = store
        self._views = [(view, tuple(chosen.get(view.name, view.features))) for view in views]
        for view, wanted in self._views:
            if unknown := set(wanted) - set(view.features):
                raise ConfigurationError(
                    f"view {view.name} has no features {sorted(unknown)}; it has {list(view.features)}"
                )
        self._columns = [tuple(f"{view.name}__{name}" for name in wanted) for view, wanted in self._views]
        self._metrics = {name: ViewMetrics() for name in names}
        self._guard = threading.Lock()
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
            read = [self._read(view, wanted, entities, moment) for view, wanted in self._views]
        else:
            first, *others = self._views
            futures = [self._pool.submit(self._read, *other, entities, moment) for other in others]
            read = [self._read(*first, entities, moment), *(future.result() for future in futures)]
        return self._joined(read, len(entities))

    async def get_async(
        self, entities: Sequence[Mapping[str, Any]], *, now: dt.datetime | None = None
    ) -> list[EntityFeatures]:
        """Like :meth:`get`, for an event loop."""
        moment = _moment(now)
        read = await asyncio.gather(
            *(self._read_async(view, wanted, entities, moment) for view, wanted in self._views)
        )
        return self._joined(read, len(entities))

    def metrics(self) -> dict[str, ViewMetrics]:
        """A copy of the metrics of each view."""
        with self._guard:
            return {
                name: ViewMetrics(**{**vars(m), "buckets": list(m.buckets)})
                for name, m in self._metrics.items()
            }

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

    def _read(
        self,
        view: FeatureView,
        wanted: Sequence[str],
        entities: Sequence[Mapping[str, Any]],
        now: dt.datetime,
    ) -> list[Row]:
        keys = _keys(view, entities)
        started = time.perf_counter()
        try:
            rows = self._store.read(view, [key for key in keys if key is not None], wanted, now=now)
        except BaseException:
            self._count_error(view)
            raise
        return self._counted(view, _placed(rows, keys, len(wanted)), time.perf_counter() - started, now)

    async def _read_async(
        self,
        view: FeatureView,
        wanted: Sequence[str],
        entities: Sequence[Mapping[str, Any]],
        now: dt.datetime,
    ) -> list[Row]:
        keys = _keys(view, entities)
        started = time.perf_counter()
        try:
            rows = await self._store.read_async(
                view, [key for key in keys if key is not None], wanted, now=now
            )
        except BaseException:
            self._count_error(view)
            raise
        return self._counted(view, _placed(rows, keys, len(wanted)), time.perf_counter() - started, now)

    def _count_error(self, view: FeatureView) -> None:
        with self._guard:
            self._metrics[view.name].errors += 1

    def _counted(self, view: FeatureView, rows: list[Row], seconds: float, now: dt.datetime) -> list[Row]:
        statuses = [row.status for row in rows]
        events = [row.event_us for row in rows if row.event_us is not None]
        now_seconds = now.timestamp()
        with self._guard:
            metrics = self._metrics[view.name]
            metrics.reads += 1
            metrics.seconds += seconds
            metrics.buckets[sum(seconds > bound for bound in LATENCY_BUCKETS)] += 1
            metrics.found += statuses.count("found")
            metrics.missing += statuses.count("missing")
            metrics.expired += statuses.count("expired")
            if events:
                metrics.age_seconds += now_seconds * len(events) - sum(events) / 1e6
                metrics.oldest_age_seconds = now_seconds - min(events) / 1e6
                metrics.newest_age_seconds = now_seconds - max(events) / 1e6
        return rows

    def _joined(self, read: Sequence[list[Row]], count: int) -> list[EntityFeatures]:
        joined = []
        for i in range(count):
            values: dict[str, Any] = {}
            statuses: dict[str, Status] = {}
            events: dict[str, dt.datetime | None] = {}
            for (view, _), columns, rows in zip(self._views, self._columns, read, strict=True):
                row = rows[i]
                values.update(zip(columns, row.values, strict=True))
                statuses[view.name] = row.status
                events[view.name] = row.event_timestamp
            joined.append(EntityFeatures(values, statuses, events))
        return joined


def _moment(now: dt.datetime | None) -> dt.datetime:
    if now is None:
        return dt.datetime.now(dt.UTC)
    if now.tzinfo is None:
        raise DataError(f"now is {now} without a time zone; give it one, e.g. UTC")
    return now


def _keys(view: FeatureView, entities: Sequence[Mapping[str, Any]]) -> list[Key | None]:
    """Each entity's key of a view; None when a part of it is None."""
    keys: list[Key | None] = []
    for entity in entities:
        try:
            key = tuple(entity[name] for name in view.entity)
        except KeyError as error:
            raise DataError(
                f"entity {dict(entity)} lacks {error}, which view {view.name} is keyed by"
            ) from None
        keys.append(None if None in key else key)
    return keys


def _placed(rows: list[Row], keys: list[Key | None], width: int) -> list[Row]:
    """Put rows beside their keys again, missing where there was none."""
    if len(rows) == len(keys):
        return rows
    missing = Row("missing", (None,) * width, None)
    found = iter(rows)
    return [missing if key is None else next(found) for key in keys]
