"""One update at a time: two at once would do everything twice."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_platform.locks import locked

__all__ = ["run_lock"]

_log = logging.getLogger(__name__)


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
    with locked(
        path,
        timeout_seconds,
        busy=lambda holder: f"waiting for the update that {holder} is doing ({path})",
        held=lambda holder: (
            f"{path} is held by {holder} for more than {timeout_seconds:.0f} s; "
            "wait for that update to end, or end that process"
        ),
        waiting=waiting,
    ):
        yield
