"""One update at a time: two at once would do everything twice."""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_platform.errors import LockTimeoutError

__all__ = ["run_lock"]

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.2


@contextmanager
def run_lock(
    path: Path, timeout_seconds: float, waiting: Callable[[str], None] = _log.info
) -> Iterator[None]:
    """Hold the lock of updates; the kernel gives it back when the process ends, however it ends.

    Args:
        path: the lock file; it names the process that holds it.
        timeout_seconds: how long to wait for another update.
        waiting: told, once, for whom.

    Raises:
        LockTimeoutError: another update went on for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        deadline = time.monotonic() + timeout_seconds
        told = False
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "another process"
                if time.monotonic() > deadline:
                    raise LockTimeoutError(
                        f"{path} is held by {holder} for more than {timeout_seconds:.0f} s; "
                        "wait for that update to end, or end that process"
                    ) from None
                if not told:
                    waiting(f"waiting for the update that {holder} is doing ({path})")
                    told = True
                time.sleep(_POLL_SECONDS)
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}")
        file.flush()
        yield
