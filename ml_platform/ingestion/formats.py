"""Parquet, CSV and JSON lines as streams of columns in their declared kinds."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.errors import SchemaMismatchError, UnreadableFileError
from ml_platform.ingestion.convert import Converted, accepts, from_json, from_text, from_typed
from ml_platform.ingestion.csv_records import Malformed, MarkedEnd, Records
from ml_platform.ingestion.landing import LandingFile, suffix_of
from ml_platform.ingestion.source import RawSource

__all__ = ["Part", "check_header", "no_zone", "parts"]

BATCH_ROWS = 65_536
CSV_BLOCK_BYTES = 8 << 20
_TOO_LONG = "straddling object"


@dataclass(frozen=True)
class Part:
    """Some rows of a file.

    Attributes:
        columns: those of the declared columns that the file has.
        numbers: number of each row in the file (line, for JSON lines), from 1; CSV's header does not count.
        original: the row at a position as the file has it.
        malformed: number, reason and text of rows that could not be split into columns.
    """

    columns: dict[str, Converted]
    numbers: npt.NDArray[np.int64]
    original: Callable[[int], dict[str, Any]]
    malformed: list[Malformed] = field(default_factory=list)


def check_header(file: LandingFile, source: RawSource) -> None:
    """Refuse a file whose header shows that it cannot be loaded; its rows are not read."""
    match _format(file):
        case "parquet":
            _parquet_columns(file, source)
        case "csv":
            _present(file, source, _csv_header(file))
        case _:
            with _open(file) as stream:
                stream.readline()


def parts(file: LandingFile, source: RawSource) -> Iterator[Part]:
    """Stream a file."""
    match _format(file):
        case "parquet":
            return _parquet(file, source)
        case "csv":
            return _csv(file, source)
        case _:
            return _json(file, source)


def no_zone(file: LandingFile, column: str, found: str) -> SchemaMismatchError:
    """The error of a file whose times name no zone."""
    return SchemaMismatchError(
        f"{file.name}: column {column} should hold times with a time zone, found {found} without one; add "
        f"the zone ('Z' for UTC), or declare the column in naive_is_utc if its times are UTC"
    )


def _format(file: LandingFile) -> str:
    return suffix_of(file.path.name).removesuffix(".gz").lstrip(".")


@contextmanager
def _open(file: LandingFile) -> Iterator[IO[bytes]]:
    opener: Any = gzip.open if suffix_of(file.path.name).endswith(".gz") else io.open
    with opener(file.path, "rb") as stream:
        yield stream


def _present(file: LandingFile, source: RawSource, found: Sequence[str]) -> list[str]:
    """Declared columns that the file has."""
    missing = [name for name, column in source.columns.items() if column.required and name not in found]
    if missing:
        raise SchemaMismatchError(
            f"{file.name}: column {', '.join(missing)} is missing; expected {', '.join(source.columns)}; "
            f"found {', '.join(found) or 'none'}; add it or correct the header"
        )
    if twice := [name for name in source.columns if list(found).count(name) > 1]:
        raise SchemaMismatchError(
            f"{file.name}: column {twice[0]} should be there once, found it twice; remove or rename one"
        )
    return [name for name in source.columns if name in found]


def _parquet_columns(file: LandingFile, source: RawSource) -> list[str]:
    import pyarrow.parquet as pq

    schema = pq.read_schema(file.path)
    present = _present(file, source, schema.names)
    for name in present:
        column, kind = source.columns[name], schema.field(name).type
        if accepts(column, kind, naive_is_utc=name in source.naive_is_utc):
            continue
        if column.kind == "timestamp" and pa.types.is_timestamp(kind):
            raise no_zone(file, name, str(kind))
        raise SchemaMismatchError(
            f"{file.name}: column {name} should hold {column.noun}, found type {kind}; write it as "
            f"{column.arrow_type}"
        )
    return present


def _parquet(file: LandingFile, source: RawSource) -> Iterator[Part]:
    import pyarrow.parquet as pq

    present = _parquet_columns(file, source)
    before = 0
    with pq.ParquetFile(file.path, page_checksum_verification=True) as parquet:
        for batch in parquet.iter_batches(BATCH_ROWS, columns=present):
            columns = {name: from_typed(source.columns[name], batch.column(name)) for name in present}
            yield Part(columns, np.arange(before + 1, before + 1 + batch.num_rows), _original(batch))
            before += batch.num_rows


def _original(batch: pa.RecordBatch) -> Callable[[int], dict[str, Any]]:
    def original(row: int) -> dict[str, Any]:
        one = batch.slice(row, 1)
        return {name: _value(one.column(name)) for name in batch.schema.names}

    return original


def _value(one: pa.Array) -> Any:  # noqa: ANN401
    kind = one.type.value_type if pa.types.is_dictionary(one.type) else one.type
    if pa.types.is_timestamp(kind):  # Python knows fewer years and zones than files can name
        naive = one.cast(kind).cast(pa.timestamp(kind.unit, kind.tz and "UTC"))
        return naive.cast(pa.string())[0].as_py()
    return one[0].as_py()


def _csv_header(file: LandingFile) -> list[str]:
    with _open(file) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        return next(csv.reader(text), [])


def _csv(file: LandingFile, source: RawSource) -> Iterator[Part]:
    from pyarrow import csv as arrow_csv

    header = _csv_header(file)
    present = _present(file, source, header)
    single = [name for name in present if source.columns[name].kind != "text"]
    records = Records()

    def skip(row: Any) -> str:  # noqa: ANN401 (pyarrow.csv.InvalidRow)
        reason = f"the header has {row.expected_columns} columns, the row another number"
        records.skipped[row.number - 1] = (reason, row.text)  # the header is its row 1
        return "skip"

    whole = False
    with _open(file) as stream, _naming_long_records(file):
        marked = MarkedEnd(stream, len(header))
        reader = arrow_csv.open_csv(
            marked,
            # Threads would make it forget the numbers of malformed rows.
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=present,
                column_types=dict.fromkeys(present, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        for batch in reader:
            rows = batch
            if batch.num_rows and all(column[-1].as_py() == marked.mark for column in batch.columns):
                rows, whole = batch.slice(0, batch.num_rows - 1), True
            broken = _broken(rows, single)
            numbers, malformed = records.next(rows.num_rows, broken)
            if broken:
                keep = np.ones(rows.num_rows, np.bool_)
                keep[list(broken)] = False
                rows, numbers = rows.filter(pa.array(keep)), numbers[keep]
            columns = {
                name: from_text(
                    source.columns[name], rows.column(name), naive_is_utc=name in source.naive_is_utc
                )
                for name in present
            }
            yield Part(columns, numbers, _original(rows), malformed)
    if not whole:
        records.rest()
        raise UnreadableFileError(
            f"{file.name} ends within a quoted value of row {records.newest}; close the quote that is open, or replace"
            " the file by a whole one"
        )
    if records.ends_malformed and not marked.ends_with_newline:
        text = records.skipped[max(records.skipped)][1]
        raise UnreadableFileError(
            f"{file.name} ends in the middle of row {max(records.skipped)}: {text!r}; replace it by a whole file"
        )
    if rest := records.rest():
        yield Part({}, np.arange(0), lambda _: {}, rest)


@contextmanager
def _naming_long_records(file: LandingFile) -> Iterator[None]:
    try:
        yield
    except pa.ArrowInvalid as error:
        if _TOO_LONG not in str(error):
            raise
        raise UnreadableFileError(
            f"{file.name} has a record of more than {CSV_BLOCK_BYTES >> 20} MiB, as when a quote is not closed;"
            " close it, or replace the file"
        ) from error


def _broken(rows: pa.RecordBatch, single: Sequence[str]) -> dict[int, tuple[str, str]]:
    """Position to reason and text of records with a line break in a column that can have none."""
    found: dict[int, tuple[str, str]] = {}
    for name in single:
        column = rows.column(name)
        breaks = pc.or_(pc.match_substring(column, "\n"), pc.match_substring(column, "\r"))
        for row in np.flatnonzero(np.asarray(pc.fill_null(breaks, fill_value=False))):
            text = ",".join(_quoted(value) for value in rows.slice(row, 1).to_pylist()[0].values())
            found.setdefault(int(row), (f"{name} has a line break, as when a quote is not closed", text))
    return found


def _quoted(value: str | None) -> str:
    """A value as a CSV file has it."""
    text = value or ""
    return '"' + text.replace('"', '""') + '"' if "\n" in text or "\r" in text else text


def _json(file: LandingFile, source: RawSource) -> Iterator[Part]:
    absent = {name for name, column in source.columns.items() if column.required}
    found: set[str] = set()
    with _open(file) as stream:
        lines = enumerate(stream, start=1)
        while chunk := list(islice(lines, BATCH_ROWS)):
            objects: list[dict[str, Any]] = []
            numbers: list[int] = []
            malformed: list[Malformed] = []
            for number, line in chunk:
                if not line.strip():
                    continue
                content = _object(line)
                if isinstance(content, str):
                    if not line.endswith(b"\n"):
                        raise UnreadableFileError(
                            f"{file.name} ends in the middle of line {number}: {_readable(line)!r}; "
                            f"replace it by a whole file"
                        )
                    malformed.append((number, content, _readable(line)))
                    continue
                objects.append(content)
                numbers.append(number)
                if absent:
                    found.update(content)
                    absent -= found
            columns = {
                name: from_json(
                    column, [o.get(name) for o in objects], naive_is_utc=name in source.naive_is_utc
                )
                for name, column in source.columns.items()
            }
            original = _declared(objects, source)
            yield Part(columns, np.array(numbers, np.int64), original, malformed)
    if found:
        _present(file, source, list(dict.fromkeys([*(set(source.columns) - absent), *found])))


def _object(line: bytes) -> dict[str, Any] | str:
    """A line's JSON object, or why it is none."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return "the line is not JSON"
    return content if isinstance(content, dict) else "the line is not a JSON object"


def _readable(line: bytes) -> str:
    return line.decode(errors="replace").strip()[:2000]


def _declared(objects: list[dict[str, Any]], source: RawSource) -> Callable[[int], dict[str, Any]]:
    return lambda row: {name: objects[row].get(name) for name in source.columns}
