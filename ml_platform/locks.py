"""Locks between processes of one machine: files that the kernel unlocks when their holder ends, however it ends."""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from ml_platform.errors import LockTimeoutError

__all__ = ["lock_if_free", "locked"]

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.1


@contextmanager
def locked(
    path: Path,
    timeout_seconds: float,
    *,
    busy: Callable[[str], str],
    held: Callable[[str], str],
    waiting: Callable[[str], None] = _LOG.info,
) -> Iterator[None]:
    """Hold the lock of a file, which names the process that holds it; it and its folder are made if needed.

    >>> with locked(Path("x.lock"), 60, busy=lambda who: f"waiting for {who}", held=lambda who: f"{who} has x.lock"):
    ...     pass

    Args:
        path: the lock file; it stays when the lock is given back.
        timeout_seconds: how long to wait for another holder.
        busy: what is told, once, when somebody else holds it; called with that process.
        held: the error's message, called with that process.
        waiting: takes what ``busy`` says.

    Raises:
        LockTimeoutError: another process held it for longer.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:

        def holder() -> str:
            file.seek(0)
            return file.read().strip() or "another process"

        def tell(state: RetryCallState) -> None:
            if state.attempt_number == 1:
                waiting(busy(holder()))

        def give_up(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            raise LockTimeoutError(held(holder())) from error

        Retrying(
            retry=retry_if_exception_type(BlockingIOError),
            wait=wait_exponential(_FIRST_PAUSE_SECONDS, max=_LONGEST_PAUSE_SECONDS),
            stop=stop_after_delay(timeout_seconds),
            before_sleep=tell,
            retry_error_callback=give_up,
        )(fcntl.flock, file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        yield


def lock_if_free(file: IO[Any]) -> bool:
    """Lock an open file until it is closed; False when somebody else has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
