"""The ledger of what has been built: the newest materialisation of each asset and partition.

Dagster's event log is the only book. Each materialisation carries facts of ours in its metadata: ``version``, a hash of
the content that was written, ``inputs``, a hash of everything that it was made from, and ``read_until``. Dagster has
no look-up of such facts by partition (it indexes one tag an output, and an output may be a thousand partitions), so
what the log says up to an event is kept beside it, in Dagster's own key-value store, as one value: whoever reads
takes that and the events since. It is never more than a summary: lost, it is made anew from the log.
"""

import base64
import json
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import dagster as dg
import sqlalchemy as db
from dagster import DagsterEventType
from dagster._core.storage.event_log.schema import AssetKeyTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from ml_platform.errors import ConfigurationError

__all__ = ["INPUTS", "READ_UNTIL", "VERSION", "Built", "Ledger", "Partition"]

VERSION = "version"
INPUTS = "inputs"
READ_UNTIL = "read_until"

Partition = str | None
"""Key of a partition; None for an asset that has none."""

_SUMMARY = "ml_platform/ledger/1"
_SUMMARISE_AFTER = 500
"""Events since the summary was written, after which it is written anew: reading them costs about 0.1 s."""

_OVERLAP = 200
"""Events read again on a server, where a transaction may commit after one that began later."""

_LEDGERS: dict[str, "Ledger"] = {}


@dataclass(frozen=True, slots=True)
class Built:
    """One materialisation.

    Attributes:
        version: of the content that was written.
        inputs: digest of all that it was made from.
        until: when what it read ends (ISO 8601), for assets that read ``until_read``.
        timestamp: when it was made, in Unix seconds.
        number: of Dagster's event.
    """

    version: str
    inputs: str
    until: str = ""
    timestamp: float = 0.0
    number: int = 0


class Ledger:
    """The facts of one Dagster storage; :meth:`refresh` reads only what is new since the last call."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._built: dict[str, dict[Partition, Built]] = {}
        self._generation: dict[str, int] = {}
        self._cursor = 0
        self._unsummarised = 0
        self._wiped: dict[str, float] = {}
        self._metadata: dict[dg.AssetKey, tuple[int, Mapping[str, Any]]] = {}
        self._lock = threading.RLock()

    @classmethod
    def of(cls, instance: dg.DagsterInstance) -> "Ledger":
        """The ledger of an instance's storage, refreshed; one in a process, however many instances are opened on it."""
        if not instance.is_persistent:
            ledger = cls(instance)
        else:
            ledger = _LEDGERS.setdefault(instance.run_storage.get_run_storage_id(), cls(instance))
            ledger._instance = instance
        ledger.refresh()
        return ledger

    def refresh(self) -> None:
        """Read what was materialised, or wiped, since the last call."""
        with self._lock:
            self._refresh()

    def frozen(self) -> "Ledger":
        """The ledger as it is now, whatever is materialised meanwhile."""
        with self._lock:
            copy = Ledger(self._instance)
            copy._built, copy._generation = dict(self._built), dict(self._generation)
            return copy

    def _refresh(self) -> None:
        if not self._cursor:
            self._recall()
        for asset, at in self._wipes():
            if self._wiped.get(asset, 0.0) < at:
                self._wiped[asset] = at
                self._built[asset] = {p: b for p, b in self._built.get(asset, {}).items() if b.timestamp > at}
                self._touch(asset)
        new: dict[str, dict[Partition, Built]] = defaultdict(dict)
        for asset, partition, built in self._events():
            known = self._built.get(asset, {}).get(partition)
            if built.number > (known.number if known else 0) and built.timestamp > self._wiped.get(asset, 0.0):
                new[asset][partition] = built
            self._cursor = max(self._cursor, built.number)
        for asset, made in new.items():  # never changed in place, so that what was frozen stays as it is
            self._built[asset] = {**self._built.get(asset, {}), **made}
            self._touch(asset)
        self._unsummarised += sum(map(len, new.values()))
        if self._unsummarised >= _SUMMARISE_AFTER:
            self._summarise()

    def built(self, key: dg.AssetKey) -> Mapping[Partition, Built]:
        """The newest materialisation of each partition of an asset (of ``None`` when it has none)."""
        return self._built.get(key.to_string(), {})

    def newest(self, key: dg.AssetKey) -> float | None:
        """When an asset was last materialised, any partition of it (Unix seconds); None: never."""
        return max((built.timestamp for built in self.built(key).values()), default=None)

    def generation(self, key: dg.AssetKey) -> int:
        """A number that changes when what is known of an asset does."""
        return self._generation.get(key.to_string(), 0)

    def metadata(self, key: dg.AssetKey) -> Mapping[str, Any]:
        """Metadata of the newest materialisation of an asset; empty when there is none."""
        known = self._metadata.get(key)
        if known is None or known[0] != self.generation(key):
            event = self._instance.get_latest_materialization_event(key) if self.built(key) else None
            made = event.asset_materialization if event else None
            found = {name: value.value for name, value in made.metadata.items()} if made else {}
            known = self._metadata[key] = (self.generation(key), found)
        return known[1]

    def _touch(self, asset: str) -> None:
        self._generation[asset] = self._generation.get(asset, 0) + 1

    def _recall(self) -> None:
        """Take the summary, if there is one that can be read."""
        text = self._instance.daemon_cursor_storage.get_cursor_values({_SUMMARY}).get(_SUMMARY)
        if text is None:
            return
        content = json.loads(zlib.decompress(base64.b85decode(text)))
        self._cursor, self._wiped = content["cursor"], content["wiped"]
        for asset, rows in content["assets"].items():
            self._built[asset] = {row[0]: Built(*row[1:]) for row in rows}
            self._touch(asset)

    def _summarise(self) -> None:
        """Write what is known, as one value: who writes last may know less, and loses nothing by it."""
        assets = {
            asset: [(p, b.version, b.inputs, b.until, b.timestamp, b.number) for p, b in built.items()]
            for asset, built in self._built.items()
        }
        content = json.dumps({"cursor": self._cursor, "wiped": self._wiped, "assets": assets})
        text = base64.b85encode(zlib.compress(content.encode(), 1)).decode()
        self._instance.daemon_cursor_storage.set_cursor_values({_SUMMARY: text})
        self._unsummarised = 0

    def _events(self) -> Iterator[tuple[str, Partition, Built]]:
        """Materialisations after the cursor, oldest first."""
        table, storage = SqlEventLogStorageTable.c, self._storage
        with storage.index_connection() as connection:
            again = 0 if connection.dialect.name == "sqlite" else _OVERLAP
            query = (
                db.select(table.id, table.asset_key, table.partition, table.event)
                .where(table.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value)
                .where(table.id > self._cursor - again)
                .order_by(table.id)
            )
            rows = connection.execute(query).fetchall()
        for number, asset, partition, event in rows:
            yield str(asset), partition, _facts(int(number), event)

    def _wipes(self) -> Iterator[tuple[str, float]]:
        table = AssetKeyTable.c
        query = db.select(table.asset_key, table.wipe_timestamp).where(table.wipe_timestamp.is_not(None))
        with self._storage.index_connection() as connection:
            rows = connection.execute(query).fetchall()
        for asset, at in rows:
            yield str(asset), at.timestamp() if at.tzinfo else at.replace(tzinfo=UTC).timestamp()

    @property
    def _storage(self) -> SqlEventLogStorage:
        storage = self._instance.event_log_storage
        if not isinstance(storage, SqlEventLogStorage):
            raise ConfigurationError(
                f"Dagster keeps its events in {type(storage).__name__}, which cannot be asked by SQL; use the SQLite "
                "or PostgreSQL storage"
            )
        return storage


def _facts(number: int, event: str) -> Built:
    """What a stored materialisation says of itself, from the JSON that Dagster stores."""
    entry = json.loads(event)
    made = entry["dagster_event"]["event_specific_data"]["materialization"]
    said = {item["label"]: item["entry_data"] for item in made["metadata_entries"]}
    facts = [str(said.get(name, {}).get("text", "")) for name in (VERSION, INPUTS, READ_UNTIL)]
    return Built(facts[0][:32], *facts[1:], timestamp=float(entry["timestamp"]), number=number)
