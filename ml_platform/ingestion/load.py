"""Loading days of the landing folder into ``raw.<source>`` and ``raw.quarantine``."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.ingestion.landing import LandingFile, landing_files
from ml_platform.ingestion.readers import Rejected, as_json, check_columns, read_rows
from ml_platform.ingestion.rules import violations
from ml_platform.ingestion.source import RawSource
from ml_platform.ingestion.staging import QUARANTINE, REJECTED, Staging, open_staging
from ml_platform.warehouse.base import Warehouse

__all__ = ["QUARANTINE_TABLE", "DayLoad", "load_days"]

_LOG = logging.getLogger(__name__)

QUARANTINE_TABLE = "raw.quarantine"
ROWS_AT_ONCE = 131_072
"""Rows validated together: pandera costs about 50 ms a call, whatever the number of rows."""
BYTES_AT_ONCE = 256 << 20
"""Days are written in one transaction up to this many bytes of files; a larger day is written by itself."""


@dataclass(frozen=True)
class DayLoad:
    """What loading a day did.

    Attributes:
        day: the folder's day.
        rows: rows now in the table.
        quarantined: rows put into quarantine, duplicates among them.
        duplicates: rows put there because another row has their id.
        files: files read.
        bytes: their size.
        version: content version of the day's rows.
        seconds: an equal share of the time that the days loaded with it took.
        reasons: rule that was broken to number of rows.
    """

    day: date
    rows: int
    quarantined: int
    duplicates: int
    files: int
    bytes: int
    version: str
    seconds: float
    reasons: dict[str, int] = field(default_factory=dict)


def load_days(
    source: RawSource,
    days: Sequence[date],
    landing: Path,
    warehouse: Warehouse,
    progress: Callable[[str], None] = _LOG.info,
) -> list[DayLoad]:
    """Load days of a source, replacing what the tables have of them. A day without files has no rows.

    The headers of all files are looked at first, and a day is written only when every row of it was read, so
    that a file that is refused leaves the tables as they were. Killed at any instant and run again, the
    result is the same.

    A row whose id was loaded on another day before is a duplicate, even if it is the earlier one.

    Returns:
        One for each day, in order.

    Raises:
        UnreadableFileError: a file is empty, damaged, or ends in the middle.
        SchemaMismatchError: a file lacks a column, or has one of another type.
    """
    days = sorted(set(days))
    files = landing_files(landing, source, days)
    for file in files:
        check_columns(file, source)
    loads: list[DayLoad] = []
    while len(loads) < len(days):
        coming = days[len(loads) :]
        loads += _load_together(source, coming, _first_days(coming, files), files, warehouse, progress)
    return loads


def _first_days(days: Sequence[date], files: Sequence[LandingFile]) -> Sequence[date]:
    """As many of the days as are loaded in one transaction."""
    size = 0
    for position, day in enumerate(days):
        size += sum(file.size for file in files if file.day == day)
        if position and size > BYTES_AT_ONCE:
            return days[:position]
    return days


def _load_together(
    source: RawSource,
    coming: Sequence[date],
    days: Sequence[date],
    files: Sequence[LandingFile],
    warehouse: Warehouse,
    progress: Callable[[str], None],
) -> list[DayLoad]:
    started = time.monotonic()
    files = [file for file in files if days[0] <= file.day <= days[-1]]
    with open_staging(source) as staging:
        _stage(staging, source, files, progress)

        def accepted() -> Iterator[pa.RecordBatch]:
            # Within the transaction, so that nobody writes between looking for duplicates and writing.
            staging.reject_duplicates(warehouse, coming)
            yield from staging.accepted()

        with warehouse.session():
            warehouse.create(source.relation, source.schema)
            warehouse.create(QUARANTINE_TABLE, QUARANTINE)
            warehouse.replace_partitions(source.relation, "day", days, accepted(), source.schema)
            quarantine = chain(_quarantine_of_others(source, days, warehouse), staging.rejected())
            warehouse.replace_partitions(QUARANTINE_TABLE, "day", days, quarantine, QUARANTINE)
            versions = warehouse.partition_versions(source.relation, "day", days)
        rejections = staging.rejections()
    seconds = (time.monotonic() - started) / len(days)
    return [
        DayLoad(
            day=day,
            rows=versions[day][1],
            quarantined=sum(rejections.get(day, {}).values()),
            duplicates=rejections.get(day, {}).get(f"duplicate {source.unique}", 0),
            files=sum(file.day == day for file in files),
            bytes=sum(file.size for file in files if file.day == day),
            version=versions[day][0],
            seconds=seconds,
            reasons=rejections.get(day, {}),
        )
        for day in days
    ]


def _quarantine_of_others(
    source: RawSource, days: Sequence[date], warehouse: Warehouse
) -> Iterator[pa.RecordBatch]:
    sql = warehouse.dialect
    others = (
        f"SELECT {sql.listed(QUARANTINE.names)} FROM {sql.quoted(QUARANTINE_TABLE)} "
        f"WHERE {sql.is_in(sql.quoted('day'), 'days', pa.date32())} AND source <> {sql.parameter('source')}"
    )
    with warehouse.read(others, {"days": list(days), "source": source.name}) as reader:
        yield from reader


def _stage(
    staging: Staging, source: RawSource, files: Sequence[LandingFile], progress: Callable[[str], None]
) -> None:
    schema = source.row_schema() if source.row_schema and files else None
    waiting: list[pa.Table] = []
    rows = 0
    for number, file in enumerate(files, start=1):
        for part in read_rows(file, source):
            staging.reject(_rejected_table(source, file, part.rejected))
            table = _of_its_day(staging, source, file, part.values)
            rows += table.num_rows
            waiting.append(table)
            if sum(t.num_rows for t in waiting) >= ROWS_AT_ONCE:
                _validate(staging, source, schema, waiting)
                waiting = []
        if number == len(files) or number % 30 == 0:
            progress(f"{source.name}: read {number} of {len(files)} files, {rows:,} rows")
    _validate(staging, source, schema, waiting)


def _of_its_day(staging: Staging, source: RawSource, file: LandingFile, values: pa.RecordBatch) -> pa.Table:
    """The rows with their day and file, without those that belong to another day."""
    count = values.num_rows
    columns = [values.column(name) for name in source.columns]
    place = [pa.repeat(pa.scalar(file.day), count), pa.repeat(file.name, count), values.column("row_number")]
    table = pa.Table.from_arrays([*columns, *place], schema=staging.schema)
    if not source.day_of:
        return table
    elsewhere = pc.fill_null(pc.not_equal(table[source.day_of].cast(pa.date32()), file.day), fill_value=False)
    if not pc.any(elsewhere).as_py():
        return table
    rule = f"{source.day_of} is not on the folder's day"
    rejected = [
        Rejected(row["row_number"], rule, f"{rule} {file.day}: {row[source.day_of]}", _record(source, row))
        for row in table.filter(elsewhere).to_pylist()
    ]
    staging.reject(_rejected_table(source, file, rejected))
    return table.filter(pc.invert(elsewhere))


def _validate(
    staging: Staging,
    source: RawSource,
    schema: Any,  # noqa: ANN401 (pandera is imported late)
    waiting: Sequence[pa.Table],
) -> None:
    rows = pa.concat_tables(waiting).combine_chunks() if waiting else staging.schema.empty_table()
    found = violations(schema, rows) if schema is not None and rows.num_rows else []
    if found:
        broken = rows.take([violation.row for violation in found])
        rejected = [
            [
                source.name,
                row["day"],
                row["file"],
                row["row_number"],
                violation.reason,
                _record(source, row),
                violation.rule,
            ]
            for violation, row in zip(found, broken.to_pylist(), strict=True)
        ]
        staging.reject(_table(rejected))
        keep = pc.invert(pc.is_in(pa.array(range(rows.num_rows)), pa.array([v.row for v in found])))
        rows = rows.filter(keep)
    staging.add(rows)


def _record(source: RawSource, row: dict[str, Any]) -> str:
    return as_json({name: row[name] for name in source.columns})


def _rejected_table(source: RawSource, file: LandingFile, rejected: Sequence[Rejected]) -> pa.Table:
    return _table(
        [[source.name, file.day, file.name, r.row_number, r.reason, r.record, r.kind] for r in rejected]
    )


def _table(rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(REJECTED)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, REJECTED, strict=True)]
    return pa.Table.from_arrays(arrays, schema=REJECTED)
