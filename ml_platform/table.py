"""Tables of implementations by name, which other packages extend by entry points."""

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, NamedTuple, TypeVar

from ml_platform.errors import ConfigurationError

__all__ = ["Entry", "Table"]

T = TypeVar("T")


class Entry(NamedTuple):
    """Location of a class; its module is imported when it is looked up."""

    module: str
    name: str


class Table(Generic[T]):
    """Classes by name: ours, and those that installed packages register in an entry point group.

    Naming one costs nothing: its module is imported by :meth:`load`. One of ours cannot be replaced by a package's.
    """

    def __init__(self, noun: str, group: str, own: Mapping[str, Entry]) -> None:
        self._noun = noun
        self._group = group
        self._own = own

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted({*self._own, *self._others}))

    def check(self, name: str) -> None:
        """Refuse a name that is not in the table, importing nothing. Raises ConfigurationError."""
        if name not in self._own and name not in self._others:
            raise ConfigurationError(
                f"there is no {self._noun} {name!r}; choose one of {list(self.names())}, or install the package that "
                f"registers it in the entry point group {self._group}"
            )

    def load(self, name: str) -> type[T]:
        """The class of that name.

        Raises:
            ConfigurationError: there is none, or the package that registers it cannot be imported.
        """
        self.check(name)
        if name in self._own:
            module, attribute = self._own[name]
            found: type[T] = getattr(import_module(module), attribute)
            return found
        entry = self._others[name]
        try:
            loaded: type[T] = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"{self._noun} {name!r} is registered as {entry.value}, which cannot be imported: {error}; install "
                "its package again"
            ) from error
        return loaded

    @cached_property
    def _others(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=self._group)}
