"""The declaration of a source: what a practitioner writes about the files that others drop."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ml_platform.declaration import COLUMN, NAME, Declaration

__all__ = ["Kind", "RawColumn", "RawSource"]

Kind = Literal["identifier", "timestamp", "number", "text", "boolean", "date"]

if TYPE_CHECKING:
    import pyarrow as pa


TAKEN = ("day", "file", "row_number", "reason")
"""Columns that loading adds."""


class RawColumn(Declaration):
    """One column of a source.

    ======================== ================================= =======================================
    kind                     accepted in files                 stored as
    ======================== ================================= =======================================
    identifier               text, kept as it is; integers,    text (12 becomes ``12``)
                         UUIDs
    timestamp                an instant: with a time zone      ``timestamp[us, tz=UTC]``
    number                   integers, floats, decimals        float64; NaN is a missing value
    text, boolean, date      the same                          the same
    ======================== ================================= =======================================
    """

    kind: Kind
    nullable: bool = Field(default=False, description="Whether a row may lack a value.")
    required: bool = Field(
        default=True, description="Whether a file must have the column; else it is all null."
    )
    description: str = ""

    @property
    def arrow_type(self) -> "pa.DataType":
        """What the column is stored as."""
        import pyarrow as pa  # declarations are read by services that have no need of it

        kinds: dict[Kind, pa.DataType] = {
            "identifier": pa.string(),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "number": pa.float64(),
            "text": pa.string(),
            "boolean": pa.bool_(),
            "date": pa.date32(),
        }
        return kinds[self.kind]

    @property
    def noun(self) -> str:
        """The kind with its article, for messages."""
        return f"{'an' if self.kind == 'identifier' else 'a'} {self.kind}"


class RawSource(Declaration):
    """A folder of daily files, and the table ``raw.<name>`` that they are loaded into.

    Rows that break a rule go to ``raw.quarantine`` with the reason; files that break the schema are refused.
    """

    name: str = Field(pattern=NAME, description="Name of the folder in the landing folder and of the table.")
    columns: Mapping[str, RawColumn]
    day_of: str | None = Field(
        default=None,
        description="Column whose UTC day must be the folder's; None: the folder's day is taken.",
    )
    unique: str | None = Field(
        default=None,
        description="Column that names a row. Of several rows with one value the earliest is kept.",
    )
    unique_within: Literal["table", "day"] = Field(
        default="table", description="Whether `unique` must be so over all days, or within each."
    )
    row_schema: Callable[[], Any] | None = Field(
        default=None,
        description="Makes the pandera DataFrameSchema that rows must satisfy; called when there are files.",
    )
    naive_is_utc: tuple[str, ...] = Field(
        default=(), description="Timestamp columns whose values are UTC where they name no time zone."
    )
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="Largest share of a day's rows that may break a rule."
    )
    max_duplicate_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest share of a day's rows that may repeat the id of another.",
    )
    required: bool = Field(default=False, description="Whether every day must have a file of this source.")
    description: str = ""
    owner: str = ""

    @property
    def relation(self) -> str:
        """The table that the rows are loaded into."""
        return f"raw.{self.name}"

    @property
    def schema(self) -> "pa.Schema":
        """Schema of the table: the declared columns, then ``day`` (the folder's)."""
        import pyarrow as pa

        fields = [pa.field(name, column.arrow_type) for name, column in self.columns.items()]
        return pa.schema([*fields, pa.field("day", pa.date32())])

    @model_validator(mode="after")
    def _names_are_columns(self) -> "RawSource":
        if odd := [n for n in self.columns if not re.fullmatch(COLUMN, n) or n.lower() in TAKEN]:
            raise ValueError(
                f"source {self.name}: {odd} cannot be columns; use letters, digits, _; not {TAKEN}"
            )
        named = [name for name in (self.day_of, self.unique, *self.naive_is_utc) if name]
        if unknown := sorted(set(named) - set(self.columns)):
            raise ValueError(f"source {self.name} has no columns {unknown}; it has {list(self.columns)}")
        if self.day_of and self.columns[self.day_of].kind not in {"timestamp", "date"}:
            raise ValueError(f"source {self.name}: day_of {self.day_of!r} must be a timestamp or a date")
        if naive := [name for name in self.naive_is_utc if self.columns[name].kind != "timestamp"]:
            raise ValueError(f"source {self.name}: naive_is_utc columns {naive} must be timestamps")
        return self
