"""Streaming landing files as record batches of the declared types.

What puts a row into quarantine: a value that is missing or cannot be read, a CSV row with more or fewer
values than the header, a JSON line that is no object. What refuses a whole file, by name: it cannot be opened
or decoded, ends in the middle, lacks a required column, has a column of another type, or none of a column's
values can be read.
"""

import csv
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ml_platform.errors import SchemaMismatchError, UnreadableFileError
from ml_platform.ingestion.formats import Part, check_header, no_zone, parts
from ml_platform.ingestion.landing import LandingFile
from ml_platform.ingestion.source import RawSource

__all__ = ["Rejected", "Rows", "as_json", "check_columns", "read_rows"]


@dataclass(frozen=True)
class Rejected:
    """A row that is not loaded.

    Attributes:
        row_number: its number in the file, from 1 (the line's number, for JSON lines).
        kind: the rule that it broke, as counted.
        reason: the same with what was found.
        record: its content as JSON.
    """

    row_number: int
    kind: str
    reason: str
    record: str


@dataclass(frozen=True)
class Rows:
    """Part of a file: the rows that were read (declared columns, ``row_number`` int64), and the others."""

    values: pa.RecordBatch
    rejected: list[Rejected]


@dataclass
class _Tally:
    """The tally of a column in a file, to tell bad values from a column of another type."""

    seen: int = 0
    unreadable: int = 0
    zoneless: int = 0
    example: object = None


def check_columns(file: LandingFile, source: RawSource) -> None:
    """Look at a file's header, without reading its rows.

    Raises:
        UnreadableFileError: the file is empty, damaged or not what its name says.
        SchemaMismatchError: a column is missing or has another type.
    """
    with _naming(file):
        _refuse_empty(file)
        check_header(file, source)


def read_rows(file: LandingFile, source: RawSource) -> Iterator[Rows]:
    """Stream a file's rows in bounded memory.

    Raises:
        UnreadableFileError: as :func:`check_columns`, or damage further on.
        SchemaMismatchError: as :func:`check_columns`, or none of a column's values could be read.
    """
    tallies = {name: _Tally() for name in source.columns}
    whole, malformed = 0, 0
    with _naming(file):
        _refuse_empty(file)
        for part in parts(file, source):
            whole, malformed = whole + len(part.numbers), malformed + len(part.malformed)
            yield _rows(part, source, tallies)
    if malformed and not whole:
        raise UnreadableFileError(
            f"{file.name}: none of its {malformed} rows can be read as its name says; replace or remove it"
        )
    for name, tally in tallies.items():
        _refuse_mistyped(file, name, source.columns[name].noun, tally)


@contextmanager
def _naming(file: LandingFile) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise UnreadableFileError(
            f"{file.name} cannot be read as its name says: {str(error).rstrip('. ')}; replace it by a whole file, or "
            "remove it"
        ) from error


def _refuse_empty(file: LandingFile) -> None:
    if file.size == 0:
        raise UnreadableFileError(
            f"{file.name} is empty; if it was still being written, write to a name that starts with '.' and "
            f"rename; else remove it"
        )


def _refuse_mistyped(file: LandingFile, name: str, noun: str, tally: _Tally) -> None:
    if not tally.seen or tally.unreadable + tally.zoneless < tally.seen:
        return
    if tally.zoneless == tally.seen:
        raise no_zone(file, name, f"values such as {tally.example!r}")
    raise SchemaMismatchError(
        f"{file.name}: column {name} should hold {noun}, but none of its {tally.seen} values can be read "
        f"as one; found values such as {tally.example!r}; correct the file"
    )


def _rows(part: Part, source: RawSource, tallies: dict[str, _Tally]) -> Rows:
    """Put a part's columns together, and take out the rows that lack a value."""
    count = len(part.numbers)
    rules: dict[int, str] = {}
    for name, converted in part.columns.items():
        column, tally = source.columns[name], tallies[name]
        bad = converted.unreadable | converted.zoneless
        missing = np.asarray(converted.values.is_null()) & ~bad
        tally.seen += count - int(missing.sum())
        tally.unreadable += int(converted.unreadable.sum())
        tally.zoneless += int(converted.zoneless.sum())
        if tally.example is None and bad.any():
            tally.example = part.original(int(np.argmax(bad)))[name]
        broken = {
            f"{name} has no time zone": converted.zoneless,
            f"{name} is not {column.noun}": converted.unreadable,
        }
        if not column.nullable:
            broken[f"{name} is missing"] = missing
        for rule, rows in broken.items():
            for position in np.flatnonzero(rows):
                rules.setdefault(int(position), rule)
    arrays = [
        part.columns[name].values if name in part.columns else pa.nulls(count, column.arrow_type)
        for name, column in source.columns.items()
    ]
    batch = pa.RecordBatch.from_arrays(
        [*arrays, pa.array(part.numbers, pa.int64())], names=[*source.columns, "row_number"]
    )
    rejected = [
        Rejected(number, "malformed row", reason, as_json(text)) for number, reason, text in part.malformed
    ]
    if rules:
        keep = np.ones(count, np.bool_)
        keep[list(rules)] = False
        batch = batch.filter(pa.array(keep))
        rejected += [
            Rejected(int(part.numbers[row]), rule, rule, as_json(part.original(row)))
            for row, rule in sorted(rules.items())
        ]
    return Rows(batch, rejected)


def as_json(record: object) -> str:
    """A row's content as JSON text; what JSON has no type for is written as text."""
    return json.dumps(record, default=str)
