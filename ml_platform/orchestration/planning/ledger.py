"""The ledger of what has been built: the newest materialisation of each asset and partition.

Dagster's event log is the only book. Each materialisation carries facts of ours in its metadata: ``version``, a hash of
the content that was written, ``inputs``, a hash of everything that it was made from, and ``read_until``. Dagster has
no look-up of such facts by partition (it indexes one tag an output, and an output may be a thousand partitions), so
what the log says up to an event is kept beside it, in Dagster's own key-value store: an outline of all assets, and
the facts of each one. Whoever reads takes the outline and the events since, and the facts of what has changed. It is
never more than a summary: lost, or of another log, it is made anew.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple
from functools import partial
from typing import Any, ClassVar

import dagster as dg

from ml_platform.orchestration.planning.facts import (
    INPUTS,
    READ_UNTIL,
    VERSION,
    Built,
    Facts,
    Partition,
    packed_as,
    unpack,
)
from ml_platform.orchestration.planning.storage import Place, Runs, Storage

__all__ = ["INPUTS", "READ_UNTIL", "VERSION", "Built", "Ledger", "Partition"]

_SUMMARY = "ml_platform/ledger/3"
_SUMMARISE_AFTER = 500
"""Events since the summary was written, after which it is written anew: reading them costs about 0.1 s."""

_VOID = "ml_platform/void"
"""Name of what is noted as not there: asset to partition (empty: it has none) to the number of the void event."""

_FEW = 5
"""Partitions up to which the facts of an asset are kept in the outline itself."""


class Ledger:
    """The facts of one Dagster storage; :meth:`refresh` reads only what is new since the last call."""

    _open: ClassVar[dict[str, "Ledger"]] = {}

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._storage = Storage(instance)
        self._facts: dict[str, Facts] = {}
        self._place, self._runs = Place(), Runs()
        self._wiped: dict[str, float] = {}
        self._clean: dict[str, str] = {}
        self._void: dict[str, dict[str, int]] = {}
        self._void_text = ""
        self._summarised: dict[str, str] = {}
        self._unsummarised = 0
        self._changed = False
        self._metadata: dict[dg.AssetKey, tuple[str, Mapping[str, Any]]] = {}
        self._lock = threading.RLock()

    @classmethod
    def of(cls, instance: dg.DagsterInstance) -> "Ledger":
        """The ledger of an instance's storage, refreshed; one in a process, however many instances are opened on it."""
        ledger = cls(instance)
        if instance.is_persistent:
            ledger = cls._open.setdefault(ledger._storage.name, ledger)
            ledger.reopen(instance)
        ledger.refresh()
        return ledger

    @classmethod
    def forget(cls) -> None:
        """Start anew, as another process would: what was read is read again from the storage."""
        cls._open.clear()

    @property
    def place(self) -> Place:
        """The place up to which the log was read."""
        return self._place

    def reopen(self, instance: dg.DagsterInstance) -> None:
        """Read from here on by another instance of the same storage: the one before may be closed."""
        self._instance, self._storage = instance, Storage(instance)

    def refresh(self) -> None:
        """Read what was materialised, or wiped, since the last call."""
        with self._lock:
            if not self._place.event:
                self._recall()
            remaining, runs = self._storage.runs_since(self._runs)
            place, end, made = self._storage.made_since(self._place)
            existing: set[str] | None = None
            if (remaining, place) != (self._runs, self._place):
                self._facts, self._clean, self._summarised = {}, {}, {}
                _, end, made = self._storage.made_since(Place())
                # A run goes before its events do: those count no more.
                runs, existing = self._storage.run_ids()
            for asset, at in self._storage.wipes():
                if self._wiped.get(asset, 0.0) < at:
                    self._wiped[asset] = at
                    self._facts[asset] = self._of(asset).after(at)
            new: dict[str, dict[Partition, Built]] = defaultdict(dict)
            for one in made:
                there = existing is None or not one.run_id or one.run_id in existing
                if there and one.facts.timestamp > self._wiped.get(one.asset, 0.0):
                    new[one.asset][one.partition] = one.facts
            for asset, facts in new.items():
                self._facts[asset] = self._of(asset).joined(facts)
            self._take_void(set(new) if existing is not None else set())
            self._changed = self._changed or end != self._place or existing is not None
            self._place, self._runs = end, runs
            self._unsummarised += sum(map(len, new.values()))
            if self._unsummarised >= _SUMMARISE_AFTER:
                self.summarise()

    def void(self, void: Mapping[dg.AssetKey, Iterable[Partition]]) -> None:
        """Count some partitions as never made: what they were made into is not there any more."""
        with self._lock:
            self.refresh()
            noted = {asset: dict(numbers) for asset, numbers in self._void.items()}
            for key, partitions in void.items():
                built = self.built(key)
                numbers = {p or "": built[p].number for p in partitions if p in built}
                noted[key.to_string()] = {**noted.get(key.to_string(), {}), **numbers}
            self._instance.daemon_cursor_storage.set_cursor_values({_VOID: json.dumps(noted)})
            self._take_void(set())

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
        """Write what is known: who writes last may know less, and loses nothing by it."""
        with self._lock:
            if not self._changed:
                return
            store = self._instance.daemon_cursor_storage
            for asset, facts in self._facts.items():
                if facts.count > _FEW and self._summarised.get(asset) != facts.packed_as:
                    store.set_cursor_values({f"{_SUMMARY}/{asset}": facts.pack()})
                    self._summarised[asset] = facts.packed_as
            outline = {
                "place": astuple(self._place),
                "runs": astuple(self._runs),
                "wiped": self._wiped,
                "clean": self._clean,
                "assets": {
                    asset: (facts.outline, facts.pack() if facts.count <= _FEW else "")
                    for asset, facts in self._facts.items()
                },
            }
            store.set_cursor_values({_SUMMARY: json.dumps(outline)})
            self._unsummarised, self._changed = 0, False

    def _take_void(self, read_again: set[str]) -> None:
        """Leave out what is noted as not there, of all assets when more was noted, else of those read again."""
        text = self._instance.daemon_cursor_storage.get_cursor_values({_VOID}).get(_VOID, "")
        if text != self._void_text:
            self._void, self._void_text = json.loads(text), text
            read_again = set(self._void)
            self._changed = True
        for asset in read_again & set(self._void):
            self._facts[asset] = self._of(asset).without(self._void[asset])

    def _of(self, asset: str) -> Facts:
        return self._facts.get(asset) or Facts({})

    def _recall(self) -> None:
        """Take the outline, if there is one."""
        text = self._instance.daemon_cursor_storage.get_cursor_values({_SUMMARY}).get(_SUMMARY)
        if text is None:
            return
        content = json.loads(text)
        self._place, self._runs = Place(*content["place"]), Runs(*content["runs"])
        self._wiped, self._clean = content["wiped"], content["clean"]
        for asset, ((count, newest, digest), packed) in content["assets"].items():
            outline = count, newest, digest
            self._facts[asset] = Facts.outlined(
                outline, partial(self._facts_of, asset, packed_as(outline), packed)
            )
            self._summarised[asset] = packed_as(outline)

    def _facts_of(self, asset: str, begins: str, packed: str) -> Mapping[Partition, Built]:
        """The facts of one asset up to the place of the outline, from the log where others were written since."""
        key = f"{_SUMMARY}/{asset}"
        text = packed or self._instance.daemon_cursor_storage.get_cursor_values({key}).get(key, "")
        found = unpack(text, begins)
        if found is None:
            wiped, made = self._wiped.get(asset, 0.0), self._storage.made_of(asset, self._place.event)
            every = Facts({one.partition: one.facts for one in made if one.facts.timestamp > wiped})
            found = dict(every.without(self._void.get(asset, {})).built)
        return found
