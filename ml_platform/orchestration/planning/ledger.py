"""The ledger of what has been built: the newest materialisation of each asset and partition.

Dagster's event log is the only book. Each materialisation carries facts of ours in its metadata: ``version``, a hash of
the content that was written, ``inputs``, a hash of everything that it was made from, and ``read_until``. Dagster has
no look-up of such facts by partition (it indexes one tag an output, and an output may be a thousand partitions), so
what the log says up to an event is kept beside it, in Dagster's own key-value store, as one value: whoever reads
takes that and the events since. It is never more than a summary: lost, it is made anew from the log.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any, ClassVar

import dagster as dg
import sqlalchemy as db
from dagster import DagsterEventType
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.planning.facts import (
    INPUTS,
    READ_UNTIL,
    VERSION,
    Built,
    Facts,
    Partition,
    pack,
    read_fact,
    unpack,
)

__all__ = ["INPUTS", "READ_UNTIL", "VERSION", "Built", "Ledger", "Partition"]

_SUMMARY = "ml_platform/ledger/2"
_SUMMARISE_AFTER = 500
"""Events since the summary was written, after which it is written anew: reading them costs about 0.1 s."""


_LOG = SqlEventLogStorageTable.c
_IS_MATERIALISATION = _LOG.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value


class Ledger:
    """The facts of one Dagster storage; :meth:`refresh` reads only what is new since the last call."""

    _open: ClassVar[dict[str, "Ledger"]] = {}

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._facts: dict[str, Facts] = {}
        self._cursor = 0
        self._count = 0
        self._unsummarised = 0
        self._changed = False
        self._wiped: dict[str, float] = {}
        self._clean: dict[str, str] = {}
        self._metadata: dict[dg.AssetKey, tuple[str, Mapping[str, Any]]] = {}
        self._lock = threading.RLock()

    @classmethod
    def of(cls, instance: dg.DagsterInstance) -> "Ledger":
        """The ledger of an instance's storage, refreshed; one in a process, however many instances are opened on it."""
        ledger = cls(instance)
        if instance.is_persistent:
            storage = instance.run_storage
            if not isinstance(storage, SqlRunStorage):
                raise _not_sql("runs", storage)
            ledger = cls._open.setdefault(storage.get_run_storage_id(), ledger)
            ledger._instance = instance  # noqa: SLF001 (its own class)
        ledger.refresh()
        return ledger

    @classmethod
    def forget(cls) -> None:
        """Start anew, as another process would: what was read is read again from the storage."""
        cls._open.clear()

    def refresh(self) -> None:
        """Read what was materialised, or wiped, since the last call."""
        with self._lock:
            if not self._cursor:
                self._recall()
            if self._cursor and self._counted() != self._count:
                self._facts, self._cursor, self._count, self._clean = {}, 0, 0, {}
            for asset, at in self._wipes():
                if self._wiped.get(asset, 0.0) < at:
                    self._wiped[asset] = at
                    self._facts[asset] = self._of(asset).after(at)
            new: dict[str, dict[Partition, Built]] = defaultdict(dict)
            for asset, partition, built in self._events():
                if built.timestamp > self._wiped.get(asset, 0.0):
                    new[asset][partition] = built
                self._cursor, self._count = built.number, self._count + 1
            for asset, made in new.items():
                self._facts[asset] = self._of(asset).joined(made)
            self._unsummarised += sum(map(len, new.values()))
            self._changed = self._changed or bool(new)
            if self._unsummarised >= _SUMMARISE_AFTER:
                self.summarise()

    def frozen(self) -> "Ledger":
        """The ledger as it is now, whatever is materialised meanwhile."""
        with self._lock:
            copy = Ledger(self._instance)
            copy._facts, copy._clean = dict(self._facts), dict(self._clean)
            return copy

    def built(self, key: dg.AssetKey) -> Mapping[Partition, Built]:
        """The newest materialisation of each partition of an asset (of ``None`` when it has none)."""
        return self._of(key.to_string()).built

    def count(self, key: dg.AssetKey) -> int:
        """Number of partitions of an asset that were materialised; 1 of an asset that has none."""
        return self._of(key.to_string()).count

    def newest(self, key: dg.AssetKey) -> float | None:
        """When an asset was last materialised, any partition of it (Unix seconds); None: never."""
        return self._of(key.to_string()).newest or None

    def digest(self, key: dg.AssetKey) -> str:
        """All that is known of an asset as one text: it changes with any fact."""
        return self._of(key.to_string()).digest

    def metadata(self, key: dg.AssetKey) -> Mapping[str, Any]:
        """Metadata of the newest materialisation of an asset; empty when there is none."""
        known = self._metadata.get(key)
        if known is None or known[0] != self.digest(key):
            event = self._instance.get_latest_materialization_event(key) if self.count(key) else None
            made = event.asset_materialization if event else None
            found = {name: value.value for name, value in made.metadata.items()} if made else {}
            known = self._metadata[key] = (self.digest(key), found)
        return known[1]

    def was_clean(self, key: dg.AssetKey, circumstances: str) -> bool:
        """Tell whether it is known that nothing of an asset is stale under these circumstances."""
        return self._clean.get(key.to_string()) == circumstances

    def note_clean(self, key: dg.AssetKey, circumstances: str) -> None:
        """Remember that nothing of an asset is stale under these circumstances."""
        self._clean[key.to_string()] = circumstances
        self._changed = True

    def summarise(self) -> None:
        """Write what is known, as one value: who writes last may know less, and loses nothing by it."""
        with self._lock:
            if not self._changed:
                return
            text = pack((self._cursor, self._count), self._wiped, self._clean, self._facts)
            self._instance.daemon_cursor_storage.set_cursor_values({_SUMMARY: text})
            self._unsummarised, self._changed = 0, False

    def _of(self, asset: str) -> Facts:
        return self._facts.get(asset) or Facts()

    def _recall(self) -> None:
        """Take the summary, if there is one."""
        text = self._instance.daemon_cursor_storage.get_cursor_values({_SUMMARY}).get(_SUMMARY)
        if text is not None:
            (self._cursor, self._count), self._wiped, self._clean, self._facts = unpack(text)

    def _events(self) -> Iterator[tuple[str, Partition, Built]]:
        """Materialisations after the cursor, oldest first."""
        query = (
            db.select(_LOG.id, _LOG.asset_key, _LOG.partition, _LOG.event)
            .where(_IS_MATERIALISATION, _LOG.id > self._cursor)
            .order_by(_LOG.id)
        )
        with self._storage.index_connection() as connection:
            rows: Sequence[Any] = connection.execute(query).fetchall()
        for number, asset, partition, event in rows:
            yield asset, partition, read_fact(number, event)

    def _counted(self) -> int:
        """Materialisations up to the cursor, as the log has them now.

        Another number than was read tells that a run was deleted, or that a transaction was committed after one that
        began later, as a server may: what is known is then read anew.
        """
        query = db.select(db.func.count()).where(_IS_MATERIALISATION, _LOG.id <= self._cursor)
        with self._storage.index_connection() as connection:
            return int(connection.execute(query).scalar() or 0)

    def _wipes(self) -> Iterator[tuple[str, float]]:
        table = AssetKeyTable.c
        query = db.select(table.asset_key, table.wipe_timestamp).where(table.wipe_timestamp.is_not(None))
        with self._storage.index_connection() as connection:
            rows: Sequence[Any] = connection.execute(query).fetchall()
        for asset, at in rows:
            yield asset, at.timestamp() if at.tzinfo else at.replace(tzinfo=UTC).timestamp()

    @property
    def _storage(self) -> SqlEventLogStorage:
        storage = self._instance.event_log_storage
        if not isinstance(storage, SqlEventLogStorage):
            raise _not_sql("events", storage)
        return storage


def _not_sql(what: str, storage: object) -> ConfigurationError:
    return ConfigurationError(
        f"Dagster keeps its {what} in {type(storage).__name__}, which cannot be asked by SQL; use the SQLite or "
        "PostgreSQL storage"
    )
