"""Waits for what other processes do, without guessing how long they take."""

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["until"]

T = TypeVar("T")


def until(ask: Callable[[], T | None], what: str, timeout: float = 300.0, every: float = 0.5) -> T:
    """Ask until there is an answer; None and False are none."""
    deadline = time.monotonic() + timeout
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(every)
