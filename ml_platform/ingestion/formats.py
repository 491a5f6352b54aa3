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

from ml_platform.errors import SchemaMismatchError, UnreadableFileError
from ml_platform.ingestion.convert import Converted, accepts, from_json, from_text, from_typed
from ml_platform.ingestion.landing import LandingFile, suffix_of
from ml_platform.ingestion.source import RawSource

__all__ = ["Part", "check_header", "no_zone", "parts"]

BATCH_ROWS = 65_536
CSV_BLOCK_BYTES = 8 << 20


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
    malformed: list[tuple[int, str, str]] = field(default_factory=list)


def check_header(file: LandingFile, source: RawSource) -> None:
    """Refuse a file whose header shows that it cannot be loaded; its rows are not read."""
    match _format(file):
        case "parquet":
            _parquet_columns(file, source)
        case "csv":
            _csv_columns(file, source)
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
    with pq.ParquetFile(file.path) as parquet:
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


def _csv_columns(file: LandingFile, source: RawSource) -> list[str]:
    with _open(file) as stream, io.TextIOWrapper(stream, "utf-8-sig", newline="") as text:
        return _present(file, source, next(csv.reader(text), []))


def _csv(file: LandingFile, source: RawSource) -> Iterator[Part]:
    from pyarrow import csv as arrow_csv

    present = _csv_columns(file, source)
    skipped: dict[int, tuple[int, str, str]] = {}

    def skip(row: Any) -> str:  # noqa: ANN401 (pyarrow.csv.InvalidRow)
        number = row.number - 1  # the header is its row 1
        skipped[number] = (
            number,
            f"the header has {row.expected_columns} columns, the row another number",
            row.text,
        )
        return "skip"

    last, reported = 0, 0
    with _open(file) as stream:
        reader = arrow_csv.open_csv(
            stream,
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
            numbers = _numbers(last, batch.num_rows, skipped)
            last = int(numbers[-1]) if len(numbers) else last
            columns = {
                name: from_text(
                    source.columns[name], batch.column(name), naive_is_utc=name in source.naive_is_utc
                )
                for name in present
            }
            yield Part(columns, numbers, _original(batch), list(skipped.values())[reported:])
            reported = len(skipped)
    if skipped and max(skipped) > last and not _ends_with_newline(file):
        raise UnreadableFileError(
            f"{file.name} ends in the middle of row {max(skipped)}: {skipped[max(skipped)][2]!r}; replace it "
            f"by a whole file"
        )
    if len(skipped) > reported:
        yield Part({}, np.arange(0), lambda _: {}, list(skipped.values())[reported:])


def _numbers(last: int, count: int, skipped: dict[int, Any]) -> npt.NDArray[np.int64]:
    """The next ``count`` row numbers after ``last`` that were not skipped."""
    holes = sum(number > last for number in skipped)
    numbers = np.arange(last + 1, last + 1 + count + holes)
    return numbers[~np.isin(numbers, list(skipped))][:count] if holes else numbers


def _ends_with_newline(file: LandingFile) -> bool:
    if suffix_of(file.path.name).endswith(".gz"):
        return True  # gzip itself notices a missing end
    with file.path.open("rb") as stream:
        stream.seek(-1, io.SEEK_END)
        return stream.read(1) in b"\r\n"


def _json(file: LandingFile, source: RawSource) -> Iterator[Part]:
    absent = {name for name, column in source.columns.items() if column.required}
    found: set[str] = set()
    with _open(file) as stream:
        lines = enumerate(stream, start=1)
        while chunk := list(islice(lines, BATCH_ROWS)):
            objects: list[dict[str, Any]] = []
            numbers: list[int] = []
            malformed: list[tuple[int, str, str]] = []
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
