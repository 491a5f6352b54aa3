"""The declaration of a source: what a practitioner writes about the files that others drop."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ml_platform.cadence import Cadence
from ml_platform.declaration import COLUMN, NAME, Declaration

__all__ = ["Kind", "RawColumn", "RawSource"]

Kind = Literal["identifier", "timestamp", "number", "text", "boolean", "date"]

if TYPE_CHECKING:
    import pyarrow as pa


TAKEN = ("partition", "file", "row_number")
"""Columns that loading adds while the rows wait, beside the table's partition column."""


class RawColumn(Declaration):
    """One column of a source.

    ======================== ================================= =======================================
    kind                     accepted in files                 stored as
    ======================== ================================= =======================================
    identifier               text without control characters,  text (12 becomes ``12``)
                         kept as it is; integers, UUIDs
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
        """The type that the column is stored as."""
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
    """A folder of files, one folder within it a partition, and the table ``raw.<name>`` that they are loaded into.

    Rows that break a rule go to ``raw.quarantine`` with the reason; files that break the schema are refused.

    >>> RawSource(
    ...     name="messages",
    ...     cadence=Cadence.HOURLY,  # <landing>/messages/2024-03-01T13/
    ...     columns={"message_id": RawColumn(kind="identifier"), "sent_at": RawColumn(kind="timestamp")},
    ...     partition_of="sent_at",
    ...     unique="message_id",
    ... ).schema.names
    ['message_id', 'sent_at', 'hour']
    """

    name: str = Field(pattern=NAME, description="Name of the folder in the landing folder and of the table.")
    columns: Mapping[str, RawColumn] = Field(description="Name to kind of each column that is loaded.")
    cadence: Cadence = Field(
        default=Cadence.DAILY,
        description="How often files come: the landing folder has one folder an hour, a day, or a week (its Monday).",
    )
    partition_of: str | None = Field(
        default=None,
        description="Time column whose hour, day or week (UTC) must be the folder's; None: the folder's is taken.",
    )
    unique: str | None = Field(
        default=None,
        description="Column that names a row. Of several rows with one value the earliest is kept.",
    )
    unique_within: Literal["table", "partition"] = Field(
        default="table",
        description="Where a value of `unique` may be once: in the table, or in each partition.",
    )
    row_schema: Callable[[], Any] | None = Field(
        default=None,
        description="Makes the pandera DataFrameSchema that rows must satisfy; called when there are files.",
    )
    naive_is_utc: tuple[str, ...] = Field(
        default=(), description="Timestamp columns whose values are UTC where they name no time zone."
    )
    max_quarantined_share: float = Field(
        default=0.01, ge=0, le=1, description="Largest share of a partition's rows that may break a rule."
    )
    max_duplicate_share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Largest share of a partition's rows that may repeat the id of another.",
    )
    required: bool = Field(
        default=False,
        description="A warning tells of partitions without files before its last one, from the first that it, or "
        "another source of this cadence, has.",
    )
    retention: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="How long folders stay in the landing folder, counted back from the newest; older ones may be "
        "removed, and their rows stay. None: a folder that is removed withdraws its rows.",
    )
    description: str = Field(default="", description="For a person: the rows, and where they come from.")
    owner: str = Field(default="", description="`team:<name>` or an e-mail address.")

    @property
    def relation(self) -> str:
        """The table that the rows are loaded into."""
        return f"raw.{self.name}"

    @property
    def schema(self) -> "pa.Schema":
        """Schema of the table: the declared columns, then the partition column (``hour``, ``day`` or ``week``)."""
        import pyarrow as pa

        fields = [pa.field(name, column.arrow_type) for name, column in self.columns.items()]
        return pa.schema([*fields, pa.field(self.cadence.column, self.cadence.arrow_type)])

    @model_validator(mode="after")
    def _names_are_columns(self) -> "RawSource":
        lowered = [name.lower() for name in self.columns]
        if self.cadence.column in lowered:
            noun, column = self.cadence.noun, self.cadence.column
            raise ValueError(
                f"source {self.name}: a column cannot be named {column!r}; that is the partition column of a "
                f"{self.cadence} source, which holds the folder's {noun}; name it otherwise in the files"
            )
        if odd := [n for n in self.columns if not re.fullmatch(COLUMN, n) or n.lower() in TAKEN]:
            raise ValueError(
                f"source {self.name}: {odd} cannot be columns; use letters, digits, _; not {TAKEN}"
            )
        if twice := sorted({name for name in lowered if lowered.count(name) > 1}):
            raise ValueError(
                f"source {self.name}: {twice} are declared twice, in other case; keep one of each"
            )
        named = [name for name in (self.partition_of, self.unique, *self.naive_is_utc) if name]
        if unknown := sorted(set(named) - set(self.columns)):
            raise ValueError(f"source {self.name} has no columns {unknown}; it has {list(self.columns)}")
        times = {"timestamp"} if self.cadence is Cadence.HOURLY else {"timestamp", "date"}
        if self.partition_of and (kind := self.columns[self.partition_of].kind) not in times:
            raise ValueError(
                f"source {self.name}: partition_of {self.partition_of!r} is a {kind}; of a {self.cadence} source it "
                f"must be a {' or a '.join(sorted(times, reverse=True))}"
            )
        if naive := [name for name in self.naive_is_utc if self.columns[name].kind != "timestamp"]:
            raise ValueError(f"source {self.name}: naive_is_utc columns {naive} must be timestamps")
        return self
