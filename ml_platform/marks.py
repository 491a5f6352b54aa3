"""Marks: what tells a store that was lost, restored or exchanged from the one that was last written.

Whoever writes to a store leaves a new mark in it, beside the data, and notes the mark with the records of what was
written. A store with another mark than the noted one is not the one that the records speak of, or not as it was then.
"""

from typing import Protocol, runtime_checkable

__all__ = ["Marked"]


@runtime_checkable
class Marked(Protocol):
    """A store that keeps a mark."""

    def read_mark(self) -> str:
        """The mark; empty when there is none, or no store. Nothing is made."""
        ...

    def write_mark(self, mark: str) -> None:
        """Replace the mark; durable when it returns."""
        ...
