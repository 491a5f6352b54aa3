"""Dagster's storage, asked by SQL for what its own interface has no question for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster import DagsterEventType
from dagster._core.storage.event_log.schema import (
    AssetKeyTable,
    DynamicPartitionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.planning.facts import Built, Partition, read_fact

__all__ = ["Made", "Place", "Runs", "Storage"]

_LOG = SqlEventLogStorageTable.c
_RUNS = RunsTable.c
_IS_MATERIALISATION = _LOG.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value
_TAIL = 500
"""Event numbers before the last one that are looked at again: a server may commit a lower number after a higher one."""

_BETWEEN = "\n"


@dataclass(frozen=True)
class Place:
    """The place up to which the log was read.

    Attributes:
        event: number of the last materialisation; 0: none.
        count: number of materialisations among the last event numbers up to it.
        total: sum of their numbers.
    """

    event: int = 0
    count: int = 0
    total: int = 0


@dataclass(frozen=True)
class Runs:
    """The runs that there were: their number, the number of the newest one, and its id."""

    count: int = 0
    newest: int = 0
    run_id: str = ""


@dataclass(frozen=True)
class Made:
    """A materialisation in the log; ``run_id`` is empty when no run made it."""

    asset: str
    partition: Partition
    run_id: str
    facts: Built


class Storage:
    """The tables of one Dagster instance.

    Raises:
        ConfigurationError: the storage is not one of SQL tables.
    """

    def __init__(self, instance: dg.DagsterInstance) -> None:
        events, runs = instance.event_log_storage, instance.run_storage
        if not isinstance(events, SqlEventLogStorage):
            raise _not_sql("events and partitions", events)
        if not isinstance(runs, SqlRunStorage):
            raise _not_sql("runs", runs)
        self._events = events
        self._runs = runs

    @property
    def name(self) -> str:
        """The id that Dagster gave the storage when it made it."""
        return self._runs.get_run_storage_id()

    def runs_since(self, before: Runs) -> tuple[Runs, Runs]:
        """The runs seen before that are there now (another value than then: one was deleted), and all of them."""
        known = _RUNS.id <= before.newest
        newest = db.select(_RUNS.run_id).order_by(_RUNS.id.desc()).limit(1).scalar_subquery()
        query = db.select(
            db.func.count(),
            db.func.max(_RUNS.id),
            newest,
            db.func.count(db.case((known, 1))),
            db.func.max(db.case((known, _RUNS.id))),
            db.func.max(db.case((_RUNS.id == before.newest, _RUNS.run_id))),
        )
        with self._runs.connect() as connection:
            row = connection.execute(query).one()
        return Runs(row[3], row[4] or 0, row[5] or ""), Runs(row[0], row[1] or 0, row[2] or "")

    def run_ids(self) -> tuple[Runs, set[str]]:
        """All runs, and the id of each."""
        query = db.select(_RUNS.id, _RUNS.run_id).order_by(_RUNS.id)
        with self._runs.connect() as connection:
            rows: Sequence[Any] = connection.execute(query).fetchall()
        return Runs(len(rows), *rows[-1]) if rows else Runs(), {run_id for _, run_id in rows}

    def made_since(self, place: Place) -> tuple[Place, Place, list[Made]]:
        """Read what was materialised since a place, oldest first, at one moment.

        Returns:
            The place as it is now, which differs when something before it came in late or is gone; the place after
            the last materialisation; those between.
        """
        query = (
            db.select(
                _LOG.id,
                _LOG.asset_key,
                _LOG.partition,
                _LOG.run_id,
                db.case((_LOG.id > place.event, _LOG.event)),
            )
            .where(_IS_MATERIALISATION, _LOG.id > place.event - _TAIL)
            .order_by(_LOG.id)
        )
        rows = self._rows(query)
        numbers = [row[0] for row in rows]
        before = [number for number in numbers if number <= place.event]
        made = [_made(row) for row in rows[len(before) :]]
        return Place(place.event, len(before), sum(before)), _place(numbers) if made else place, made

    def made_of(self, asset: str, until: int) -> list[Made]:
        """Read what was materialised of an asset up to an event, oldest first."""
        query = (
            db.select(_LOG.id, _LOG.asset_key, _LOG.partition, _LOG.run_id, _LOG.event)
            .where(_IS_MATERIALISATION, _LOG.asset_key == asset, _LOG.id <= until)
            .order_by(_LOG.id)
        )
        return [_made(row) for row in self._rows(query)]

    def wipes(self) -> Iterator[tuple[str, float]]:
        """Assets that were wiped, with the moment of the last time (Unix seconds)."""
        table = AssetKeyTable.c
        query = db.select(table.asset_key, table.wipe_timestamp).where(table.wipe_timestamp.is_not(None))
        for asset, at in self._rows(query):
            yield asset, at.timestamp() if at.tzinfo else at.replace(tzinfo=UTC).timestamp()

    def partitions(self) -> dict[str, list[str]]:
        """The keys of all dynamic partitions by name, in no order: one row a name, however many keys it has."""
        table = DynamicPartitionsTable.c
        query = db.select(
            table.partitions_def_name, db.func.aggregate_strings(table.partition, _BETWEEN)
        ).group_by(table.partitions_def_name)
        return {name: keys.split(_BETWEEN) for name, keys in self._rows(query)}

    def _rows(self, query: db.Select[Any]) -> Sequence[Sequence[Any]]:
        with self._events.index_connection() as connection:
            rows: Sequence[Sequence[Any]] = connection.execute(query).fetchall()
        return rows


def _made(row: Sequence[Any]) -> Made:
    number, asset, partition, run_id, event = row
    return Made(asset, partition, run_id or "", read_fact(number, event))


def _place(numbers: Sequence[int]) -> Place:
    last = numbers[-1]
    tail = [number for number in numbers if number > last - _TAIL]
    return Place(last, len(tail), sum(tail))


def _not_sql(what: str, storage: object) -> ConfigurationError:
    return ConfigurationError(
        f"Dagster keeps its {what} in {type(storage).__name__}, which cannot be asked by SQL; use the SQLite or "
        "PostgreSQL storage"
    )
