"""The pace at which a sync may write."""

import time
from collections.abc import Callable

__all__ = ["Pace"]

SLOW = 4.0
"""A write this many times slower a row than the fastest one means that the store has trouble."""


class Pace:
    """A limit of rows a second, and a rest after a write that was much slower than the fastest.

    After a slow write the store is left alone for as long as the write took, which halves the load.
    """

    def __init__(
        self,
        rows_per_second: float | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit = rows_per_second
        self._clock = clock
        self._sleep = sleep
        self._fastest = float("inf")
        self._free_at = clock()
        self.rests = 0

    @property
    def batch_rows(self) -> int:
        """Number of rows to write at once: at most half a second's worth."""
        return 16_384 if self._limit is None else max(1, min(16_384, int(self._limit / 2)))

    def write(self, rows: int, write: Callable[[], None]) -> None:
        """Call ``write``, which writes ``rows`` rows, as soon as the pace allows."""
        if (ahead := self._free_at - self._clock()) > 0:
            self._sleep(ahead)
        started = self._clock()
        write()
        ended = self._clock()
        a_row = (ended - started) / rows
        slow = a_row > SLOW * self._fastest and ended - started > 0.1
        self._fastest = min(self._fastest, a_row)
        self.rests += slow
        self._free_at = ended + (ended - started) if slow else ended
        if self._limit is not None:
            self._free_at = max(self._free_at, started + rows / self._limit)
