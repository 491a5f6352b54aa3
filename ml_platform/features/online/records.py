"""Records of what a store knows of a view: its tables, how far syncs came, and when."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from ml_platform.features.online.columns import Column

__all__ = ["Completed", "Mark", "Record", "Table"]


@dataclass(frozen=True)
class Mark:
    """A moment in the life of a store's servers: its time there, in seconds, and when each server started.

    A server that crashes may lose writes that it acknowledged shortly before. A store without servers has no
    such loss, and marks without servers.
    """

    at: int = 0
    servers: tuple[tuple[str, int], ...] = ()

    def stood(self, now: "Mark") -> bool:
        """Tell whether every server of this mark has run all the time from it to ``now``."""
        running = dict(now.servers)
        return all(running.get(server) == start for server, start in self.servers)

    def may_be_lost(self, now: "Mark") -> bool:
        """Tell whether a server was restarted so soon after this mark that it may have lost writes made before it."""
        before = dict(self.servers)
        restarts = [start for server, start in now.servers if before.get(server, start) != start]
        return any(start <= self.at + DURABLE_SECONDS for start in restarts)

    def is_recent(self, now: "Mark") -> bool:
        """Tell whether writes made before this mark could still be lost by a crash after ``now``."""
        return bool(self.servers) and now.at - self.at <= DURABLE_SECONDS


DURABLE_SECONDS = 60
"""Servers have written their log to disk after this long: Cassandra does every 10 s by default."""


@dataclass(frozen=True)
class Table:
    """One physical table of a view, and how far the sync that last began on it came.

    ``state`` names what that sync meant to leave in the table; ``complete`` says that it did, at ``mark``.
    ``ttl_seconds`` is the shortest time to live with which rows were written that the store forgets; None:
    it keeps them for good.
    """

    name: str
    keys: tuple[Column, ...]
    features: tuple[Column, ...]
    state: str = ""
    complete: bool = False
    mark: Mark = Mark()
    ttl_seconds: float | None = None


@dataclass(frozen=True)
class Completed:
    """The last completed sync.

    Its id, when it ended (UTC, ISO 8601), its entities, its newest event (microseconds).
    """

    sync: str
    at: str
    rows: int
    newest_us: int | None


@dataclass(frozen=True)
class Record:
    """The record of what a store knows of a view; changed only by compare-and-swap on ``revision``.

    ``serving`` is the table that readers read; ``building`` one that is being filled to take its place;
    ``retired`` are tables that were replaced and are kept until :meth:`OnlineStore.drop_retired`.
    """

    view: str
    serving: Table | None = None
    building: Table | None = None
    retired: tuple[str, ...] = ()
    last: Completed | None = None
    paused: bool = False
    revision: int = 0

    @property
    def complete(self) -> bool:
        """Tell whether every row that is served is from one completed sync."""
        return self.serving is not None and self.serving.complete

    def to_json(self) -> str:
        """The record as text."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """The inverse of :meth:`to_json`."""
        fields = json.loads(text)
        for name in ("serving", "building"):
            if fields[name]:
                fields[name] = _table(fields[name])
        fields["last"] = Completed(**fields["last"]) if fields["last"] else None
        return cls(**{**fields, "retired": tuple(fields["retired"])})


def _table(fields: dict[str, Any]) -> Table:
    columns = {name: tuple(Column(**column) for column in fields[name]) for name in ("keys", "features")}
    mark = Mark(fields["mark"]["at"], tuple((server, start) for server, start in fields["mark"]["servers"]))
    return Table(**{**fields, **columns, "mark": mark})
