"""A lock in Cassandra: a row that only one holder can insert, and that expires unless it is renewed.

It spares work, and is not what keeps rows right: what a sync that lost its lock still writes has lower
versions than what the next one writes, and the store's record no longer names it, so that it cannot report
that it is complete.
"""

import contextlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ml_platform.errors import LockTimeoutError, MLPlatformError

__all__ = ["Lease"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.2


class Lease:
    """The lock of one view.

    A holder on this machine that died is noticed at once, one elsewhere after the lease's time.
    """

    def __init__(
        self, execute: Callable[[str, tuple[Any, ...]], Any], table: str, view: str, seconds: int
    ) -> None:
        """Use a table of ``name`` and ``holder``.

        Args:
            execute: runs a statement with parameters (``%s``) as a lightweight transaction and returns its
                first row.
            table: qualified name of the table.
            view: whose lock it is.
            seconds: how long the lease lasts without being renewed.
        """
        self._execute = execute
        self._table = table
        self._view = view
        self._seconds = seconds
        self._me = json.dumps(_identity() | {"nonce": secrets.token_hex(8)}, sort_keys=True)

    @contextlib.contextmanager
    def held(self, timeout_seconds: float) -> Iterator[None]:
        """Hold the lock. Raises LockTimeoutError."""
        self._acquire(timeout_seconds)
        ended = threading.Event()
        renewing = threading.Thread(
            target=self._renew, args=(ended,), name=f"lease-{self._view}", daemon=True
        )
        renewing.start()
        try:
            yield
        finally:
            ended.set()
            renewing.join()
            with contextlib.suppress(MLPlatformError):  # it expires by itself
                self._execute(
                    f"DELETE FROM {self._table} WHERE name = %s IF holder = %s", (self._view, self._me)
                )

    def _acquire(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        told = ""
        while True:
            answer = self._execute(
                f"INSERT INTO {self._table} (name, holder) VALUES (%s, %s) IF NOT EXISTS USING TTL"
                f" {self._seconds}",
                (self._view, self._me),
            )
            holder = None if answer[0] else _holder(answer)
            if holder is None or holder == self._me or (_is_dead(holder) and self._take_over(holder)):
                return
            who = _name(holder)
            if time.monotonic() >= deadline:
                raise LockTimeoutError(
                    f"view {self._view} is being synced by {who}, for longer than {timeout_seconds:g} s;"
                    " let it end, or end it"
                )
            if told != who:
                logger.info("view %s: waiting for the sync of %s to end", self._view, who)
                told = who
            time.sleep(POLL_SECONDS)

    def _take_over(self, holder: str) -> bool:
        sql = f"UPDATE {self._table} USING TTL {self._seconds} SET holder = %s WHERE name = %s IF holder = %s"
        return bool(self._execute(sql, (self._me, self._view, holder))[0])

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(self._seconds / 3):
            with contextlib.suppress(MLPlatformError):  # tried again at the next turn
                self._take_over(self._me)


def _holder(answer: tuple[Any, ...]) -> str | None:
    """The holder in the answer to a conditional insert that did not apply: applied, name, holder."""
    found: str | None = answer[2] if len(answer) > 2 else None
    return found


def _identity() -> dict[str, Any]:
    """This process.

    Where process numbers mean the same (machine, boot, process namespace), its number and start.
    """
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = str(Path("/proc/self/ns/pid").readlink())
        return {
            "host": socket.gethostname(),
            "boot": boot,
            "space": space,
            "pid": os.getpid(),
            "start": _start(os.getpid()),
        }
    return {"host": socket.gethostname(), "boot": "", "space": "", "pid": os.getpid(), "start": ""}


def _start(pid: int) -> str:
    """When a process started, in the kernel's clock ticks; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_dead(holder: str) -> bool:
    """Tell whether the holder was a process of this machine that is no more."""
    it, me = json.loads(holder), _identity()
    same_place = bool(me["boot"]) and all(it.get(part) == me[part] for part in ("host", "boot", "space"))
    return same_place and _start(int(it["pid"])) != it["start"]


def _name(holder: str) -> str:
    it = json.loads(holder)
    return f"process {it['pid']} on {it['host']}"
