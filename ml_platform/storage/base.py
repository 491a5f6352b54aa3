"""The contract of an object store."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["ObjectInfo", "ObjectStore"]


@dataclass(frozen=True)
class ObjectInfo:
    """One object: its key, size in bytes, and the generation that compare-and-swap compares."""

    key: str
    size: int
    generation: str


class ObjectStore(ABC):
    """Objects under ``/``-separated keys. A write is seen whole or not at all, and is durable when it returns."""

    @property
    @abstractmethod
    def uri(self) -> str:
        """URI of the root, e.g. ``file:///…`` or ``gs://bucket/prefix``."""

    @abstractmethod
    def stat(self, key: str) -> ObjectInfo | None:
        """The object's size and generation; None when there is none."""

    @abstractmethod
    def open(self, key: str) -> BinaryIO:
        """Open an object for reading. Raises NotFoundError."""

    @abstractmethod
    def read(self, key: str) -> tuple[bytes, str]:
        """Content and generation of a small object. Raises NotFoundError."""

    @abstractmethod
    def write(
        self,
        key: str,
        content: bytes | Path | BinaryIO,
        *,
        if_generation: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Write an object and return its generation.

        Args:
            key: where to.
            content: what; or the local file that holds it, by its path, or open at the place to begin.
            if_generation: write only if the object's generation is still this one.
            if_absent: write only if there is no such object.

        Raises:
            ConflictError: the condition did not hold; nothing was written.
        """

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with ``prefix``, ordered by key."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete an object; deleting one that is not there does nothing."""

    @abstractmethod
    def local_path(self, key: str, cache: Path) -> Path:
        """A local file of the object's content: the object itself, or a copy under ``cache``. Raises NotFoundError."""
