"""Comparing the stores with the records of what was written to them.

Dagster's records say what was materialised, and not whether it is still there. A store may be removed, damaged and
restored from a copy, or exchanged for another home's. Looking costs one ``stat`` a store as long as nothing was
written; then its mark is read (see :mod:`ml_platform.marks`); only when that is another one than was noted is its
content compared with the records. What is not there as recorded counts as never made, and so is made again.

A mark is ``<identity>:<random>``. The identity is given to a home's first store of that kind and passed on to whatever
takes its place, so that an older copy is told from another home's, which is refused: what that holds beside would pass
for one's own.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import dagster as dg

from ml_platform.errors import ConfigurationError, LockTimeoutError
from ml_platform.marks import Marked
from ml_platform.orchestration.planning.facts import Built, Partition
from ml_platform.orchestration.planning.ledger import Ledger

__all__ = ["Recorded", "Store", "Void", "compare", "everything", "note_written"]

Recorded = Mapping[dg.AssetKey, Mapping[Partition, Built]]
"""The newest materialisations of some assets."""
Void = Mapping[dg.AssetKey, Iterable[Partition]]
"""Assets to partitions that were materialised and are not there."""

_NOTED = "ml_platform/store"


@dataclass(frozen=True)
class Store:
    """A store in which assets were materialised.

    Attributes:
        name: of the port, e.g. ``warehouse``.
        noun: for messages, e.g. ``the warehouse <path>``.
        assets: keys of the assets whose content is in it.
        missing: says what of the recorded content is not there.
        path: its file, whose state tells whether anything was written; None: looking is cheap, so it is always done.
        open: opens it, to read its mark; None: it has none.
    """

    name: str
    noun: str
    assets: frozenset[dg.AssetKey]
    missing: Callable[[Recorded], Void]
    path: Path | None = None
    open: Callable[[], AbstractContextManager[Marked]] | None = None


def everything(recorded: Recorded) -> Void:
    """All that was recorded: for a store that can only be made again as a whole."""
    return {key: list(built) for key, built in recorded.items()}


def note_written(instance: dg.DagsterInstance, name: str, store: object) -> None:
    """Leave a new mark in a store after writing to it, and note it; a store that keeps none is left alone.

    A store with another mark than the noted one was exchanged while a run was at work: its new mark is not noted, so
    that its content is compared at the next look.

    Raises:
        ConfigurationError: it is another home's.
    """
    if isinstance(store, Marked):
        before = store.read_mark()
        noted = _noted(instance, name)
        _refuse_another_home(noted, before, f"the {name.replace('_', ' ')}")
        identity = _identity(before) or noted.get("identity") or uuid4().hex
        mark = f"{identity}:{uuid4().hex}"
        store.write_mark(mark)
        if not noted or noted.get("mark", "") == before:
            _note(instance, name, {"identity": identity, "mark": mark, "at": str(time.time())})


def compare(instance: dg.DagsterInstance, stores: Sequence[Store]) -> list[str]:
    """Compare stores with the records; what is not there counts as never made from now on.

    Args:
        instance: with the records. What is found missing is noted by the number of its materialisation, so that one
            that another process makes meanwhile counts.
        stores: to look at. One that another process is writing to is left for the next time.

    Returns:
        A line for each store in which something is missing.

    Raises:
        UnreadableFileError: a store is damaged; names it and the remedy.
        ConfigurationError: a store is another home's; likewise.
    """
    ledger, told = Ledger.of(instance), list[str]()
    for store in stores:
        recorded = {key: ledger.built(key) for key in sorted(store.assets) if ledger.count(key)}
        stamp = _stamp(store.path) if store.path is not None else ""
        noted = _noted(instance, store.name)
        if store.path is not None and noted.get("stamp") == stamp:
            continue
        try:
            mark = _mark(store)
            _refuse_another_home(noted, mark, store.noun)
            void = store.missing(recorded) if recorded and _is_another(store, noted, mark) else {}
        except LockTimeoutError:
            continue
        if any(void.values()):
            void = _with_doubtful(void, recorded, float(noted.get("at", "inf")))
            ledger.void(void)
            told.append(_told(store, void))
        if store.path is not None:
            identity = noted.get("identity") or _identity(mark)
            looked = {"identity": identity, "mark": mark, "stamp": stamp, "at": str(time.time())}
            _note(instance, store.name, looked)
    return told


def _with_doubtful(void: Void, recorded: Recorded, since: float) -> Void:
    """Add what was made since a store was last known to be whole, perhaps from what was missing already."""
    found = {}
    for key, built in recorded.items():
        gone = set(void.get(key, ()))
        found[key] = [
            partition for partition, one in built.items() if partition in gone or one.timestamp > since
        ]
    return found


def _refuse_another_home(noted: Mapping[str, str], mark: str, noun: str) -> None:
    ours, found = noted.get("identity"), _identity(mark)
    if ours and found and ours != found:
        raise ConfigurationError(
            f"{noun} is another home's; put this home's own in its place, or move it away: the next `ml-platform run` "
            "makes all of it again"
        )


def _identity(mark: str) -> str:
    """The part that the marks of a store share; empty for a mark of an earlier version, and for none."""
    identity, separator, _ = mark.partition(":")
    return identity if separator else ""


def _is_another(store: Store, noted: Mapping[str, str], mark: str) -> bool:
    """Tell whether a store may be another than the one that was last written to; one never noted is taken as it is."""
    if store.path is None or not store.path.exists():
        return True
    if store.open is None:
        return bool(noted)
    return bool(noted) and noted.get("mark") != mark


def _mark(store: Store) -> str:
    if store.open is None or store.path is None or not store.path.exists():
        return ""
    with store.open() as opened:
        return opened.read_mark()


def _stamp(path: Path) -> str:
    """The state of a file, and of the logs that SQLite and DuckDB write ahead beside it."""
    found = []
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}.wal")):
        try:
            status = file.stat()
        except FileNotFoundError:
            found.append("")
        else:
            found.append(f"{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
    return " ".join(found)


def _told(store: Store, void: Void) -> str:
    parts = [
        f"{key.to_user_string()}" + (f" ({len(keys)} partitions)" if len(keys) > 1 else "")
        for key, partitions in void.items()
        if (keys := list(partitions))
    ]
    some = ", ".join(parts[:5]) + (f" and {len(parts) - 5} more" if len(parts) > 5 else "")
    return f"{store.noun} is not as it was last written; to be made again: {some}"


def _noted(instance: dg.DagsterInstance, name: str) -> dict[str, str]:
    key = f"{_NOTED}/{name}"
    text = instance.daemon_cursor_storage.get_cursor_values({key}).get(key, "{}")
    noted: dict[str, str] = json.loads(text)
    return noted


def _note(instance: dg.DagsterInstance, name: str, noted: Mapping[str, str]) -> None:
    instance.daemon_cursor_storage.set_cursor_values({f"{_NOTED}/{name}": json.dumps(noted)})
