"""The contract of a dialect: what differs between the SQL of one engine and another.

Everything else that the platform asks of a warehouse is SQL that all of them understand, so that an engine is one
dialect and one backend, and no query is written twice.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

import pyarrow as pa

from ml_platform.errors import ConfigurationError

__all__ = ["SqlDialect", "identifier"]

_IDENTIFIER = re.compile(r"^[A-Za-z_][A-Za-z0-9_]{0,126}(\.[A-Za-z_][A-Za-z0-9_]{0,126}){0,2}$")


def identifier(name: str) -> str:
    """Return ``name`` if it is a plain, optionally qualified SQL identifier.

    Raises:
        ConfigurationError: if it is anything else; identifiers cannot be bound, so they are checked.
    """
    if not _IDENTIFIER.match(name):
        raise ConfigurationError(
            f"{name!r} is not a SQL identifier; use letters, digits and _ (parts joined by '.')"
        )
    return name


class SqlDialect(ABC):
    """The SQL of one engine. Arguments are SQL expressions unless they are said to be names.

    >>> from ml_platform.warehouse.duckdb_dialect import DuckDBDialect
    >>> sql = DuckDBDialect()
    >>> f"SELECT {sql.quoted('order')} FROM {sql.quoted('raw.things')} WHERE n = {sql.parameter('n')}"
    'SELECT "order" FROM "raw"."things" WHERE n = $n'
    """

    name: ClassVar[str]
    """Of the engine, e.g. ``duckdb``."""

    quote: ClassVar[str]
    """The mark around a name."""

    mark_scheme: ClassVar[str] = "''"
    """Expression of a text that changes when :meth:`mark` gives another hash for the same values."""

    def quoted(self, name: str) -> str:
        """A column, CTE or (dotted) relation name, validated and quoted: ``order`` is a name like any other.

        Raises:
            ConfigurationError: it is no identifier.
        """
        return ".".join(f"{self.quote}{part}{self.quote}" for part in identifier(name).split("."))

    def listed(self, names: Iterable[str]) -> str:
        """Column names, quoted, with commas."""
        return ", ".join(self.quoted(name) for name in names)

    def equal(self, left: str, right: str, columns: Iterable[str]) -> str:
        """Condition that two relations agree in the columns of these names, none of them null."""
        return " AND ".join(f"{left}.{self.quoted(c)} = {right}.{self.quoted(c)}" for c in columns)

    @abstractmethod
    def parameter(self, name: str) -> str:
        """A named parameter; its value is given as ``{name: value}``."""

    @abstractmethod
    def is_in(self, column: str, parameter: str, kind: pa.DataType | None = None) -> str:
        """Condition that a value is one of a list.

        Args:
            column: the value.
            parameter: name of the parameter that holds the list.
            kind: type of the list's values; needed where the list may be empty.
        """

    @abstractmethod
    def are_in(self, columns: Sequence[str], parameters: Sequence[str]) -> str:
        """Condition that several values, together, are those at one place of as many lists, none of them null.

        Args:
            columns: the values.
            parameters: names of the parameters that hold the lists, which are equally long and not empty.
        """

    @abstractmethod
    def type_of(self, kind: pa.DataType) -> str:
        """The engine's name of a plain type: text, boolean, integer, float, date, timestamp or binary.

        Raises:
            ConfigurationError: it is another type.
        """

    def cast(self, expression: str, kind: pa.DataType) -> str:
        """The expression as another (plain) type."""
        return f"CAST({expression} AS {self.type_of(kind)})"

    @abstractmethod
    def micros(self, time: str) -> str:
        """A timestamp as microseconds since 1970-01-01 00:00 UTC (64-bit integer)."""

    @abstractmethod
    def characters(self, text: str) -> str:
        """Number of characters (code points) of a text."""

    @abstractmethod
    def hexadecimal(self, binary: str) -> str:
        """Bytes as upper-case hexadecimal digits."""

    @abstractmethod
    def decimal_text(self, number: str, scale: int) -> str:
        """A decimal of that scale as digits, without trailing zeros after the point."""

    @abstractmethod
    def float_text(self, number: str) -> str:
        """A float as :mod:`ml_platform.warehouse.content_hash` writes it."""

    @abstractmethod
    def digest(self, cells: Sequence[str]) -> str:
        """The MD5 digest of texts joined by ``|``, null as nothing; what the two halves are taken from."""

    @abstractmethod
    def halves(self, digest: str) -> tuple[str, str]:
        """Lower and upper 64 bits of a digest read as a little-endian number, as a number whose sum stays exact."""

    @abstractmethod
    def hashed(self, values: Sequence[str]) -> str:
        """A hash of values, none of them nested, as an integer of 0 to 2^63 - 1, evenly spread."""

    def mark(self, columns: Mapping[str, pa.DataType]) -> str | None:
        """A 64-bit hash of a row, not negative, which differs where any bit of the row does (but for NaN's kind).

        Args:
            columns: names of the row's columns, and their types.

        Returns:
            None: the engine has none, and whole rows have to be compared.
        """
        del columns
        return None

    @abstractmethod
    def newest_available(
        self, keys: Sequence[str], occurred_at: str, relation: str, available_at: str
    ) -> str:
        """Query of the distinct ``(key…, __t, __a)``: the newest availability ``__a <= __t`` of an entity.

        It reads the CTE ``events``. Entities and times with none have no row. All arguments are names.

        Args:
            keys: columns that name the entity, of the events and of the relation.
            occurred_at: column of the events' time.
            relation: whose rows become available.
            available_at: column of when.
        """

    @abstractmethod
    def descending(self, column: str, kind: pa.DataType | None) -> list[str]:
        """ORDER BY terms that put greater values first, NaN after every number, null last.

        Args:
            column: the value.
            kind: its type; needed only where it may be a list.
        """
