"""Loading partitions of the landing folder into ``raw.<source>`` and ``raw.quarantine``."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.cadence import Cadence
from ml_platform.ingestion.landing import LandingFile, LandingFolder
from ml_platform.ingestion.quarantine import prepare_quarantine, replace_quarantine
from ml_platform.ingestion.readers import Rejected, as_json, check_columns, read_rows
from ml_platform.ingestion.rules import violations
from ml_platform.ingestion.source import RawSource
from ml_platform.ingestion.staging import REJECTED, Staging, open_staging
from ml_platform.user_code import call_user_code
from ml_platform.warehouse.base import Warehouse

__all__ = ["PartitionLoad", "load_partitions"]

_LOG = logging.getLogger(__name__)

ROWS_AT_ONCE = 131_072
"""Rows validated together: pandera costs about 50 ms a call, whatever the number of rows."""
BYTES_AT_ONCE = 256 << 20
"""Partitions are written in one transaction up to this many bytes of files; a larger one is written by itself."""


@dataclass(frozen=True)
class PartitionLoad:
    """The outcome of loading one partition.

    Attributes:
        partition: its key.
        rows: rows now in the table.
        quarantined: rows put into quarantine, duplicates among them.
        duplicates: rows put there because another row has their id.
        files: files read.
        bytes: their size.
        version: content version of the partition's rows.
        seconds: an equal share of the time that the partitions loaded with it took.
        reasons: rule that was broken to number of rows.
    """

    partition: str
    rows: int
    quarantined: int
    duplicates: int
    files: int
    bytes: int
    version: str
    seconds: float
    reasons: dict[str, int] = field(default_factory=dict)


def load_partitions(
    source: RawSource,
    keys: Iterable[str],
    landing: LandingFolder,
    warehouse: Warehouse,
    progress: Callable[[str], None] = _LOG.info,
) -> list[PartitionLoad]:
    """Load partitions of a source, replacing what the tables have of them. One without files has no rows.

    The headers of all files are looked at first, and a partition is written only when every row of it was read, so
    that a file that is refused leaves the tables as they were. Killed at any instant and run again, the
    result is the same.

    A row whose id was loaded in another partition before is a duplicate, even if it is the earlier one.

    Args:
        source: what is loaded.
        keys: of the partitions, in any order, in the source's cadence.
        landing: where the files are.
        warehouse: where the tables are.
        progress: told how far it is.

    Returns:
        One for each partition, in order.

    Raises:
        ConfigurationError: a key is none of the source's cadence.
        UnreadableFileError: a file is empty, damaged, or ends in the middle.
        SchemaMismatchError: a file lacks a column, or has one of another type.
    """
    keys = sorted(set(keys))
    for key in keys:
        source.cadence.start(key)
    files = landing.files(source, keys)
    for file in files:
        check_columns(file, source)
    loads: list[PartitionLoad] = []
    while len(loads) < len(keys):
        coming = keys[len(loads) :]
        loads += _load_together(source, coming, _first(coming, files), files, warehouse, progress)
    return loads


def _first(keys: Sequence[str], files: Sequence[LandingFile]) -> Sequence[str]:
    """As many of the partitions as are loaded in one transaction."""
    sizes = Counter[str]()
    for file in files:
        sizes[file.partition] += file.size
    size = 0
    for position, key in enumerate(keys):
        size += sizes[key]
        if position and size > BYTES_AT_ONCE:
            return keys[:position]
    return keys


def _load_together(
    source: RawSource,
    coming: Sequence[str],
    keys: Sequence[str],
    files: Sequence[LandingFile],
    warehouse: Warehouse,
    progress: Callable[[str], None],
) -> list[PartitionLoad]:
    started = time.monotonic()
    files = [file for file in files if keys[0] <= file.partition <= keys[-1]]
    column, values = source.cadence.column, [source.cadence.column_value(key) for key in keys]
    with open_staging(source) as staging:
        _stage(staging, source, files, progress)

        def accepted() -> Iterator[pa.RecordBatch]:
            # Within the transaction, so that nobody writes between looking for duplicates and writing.
            staging.reject_duplicates(warehouse, coming)
            yield from staging.accepted()

        with warehouse.session():
            warehouse.create(source.relation, source.schema)
            prepare_quarantine(warehouse)
            warehouse.replace_partitions(source.relation, column, values, accepted(), source.schema)
            replace_quarantine(warehouse, source, keys, staging.rejected())
            found = warehouse.partition_versions(source.relation, column, values)
        rejections = staging.rejections()
    seconds = (time.monotonic() - started) / len(keys)
    versions = {source.cadence.key_of(value): version for value, version in found.items()}
    sizes: dict[str, list[int]] = {key: [] for key in keys}
    for file in files:
        sizes[file.partition].append(file.size)
    return [
        PartitionLoad(
            partition=key,
            rows=versions[key][1],
            quarantined=sum(rejections.get(key, {}).values()),
            duplicates=rejections.get(key, {}).get(f"duplicate {source.unique}", 0),
            files=len(sizes[key]),
            bytes=sum(sizes[key]),
            version=versions[key][0],
            seconds=seconds,
            reasons=rejections.get(key, {}),
        )
        for key in keys
    ]


def _stage(
    staging: Staging, source: RawSource, files: Sequence[LandingFile], progress: Callable[[str], None]
) -> None:
    schema = None
    if source.row_schema and files:
        schema = call_user_code(f"source {source.name}, row_schema", source.row_schema)
    waiting: list[pa.Table] = []
    rows = 0
    for number, file in enumerate(files, start=1):
        for part in read_rows(file, source):
            staging.reject(_rejected_table(source, file, part.rejected))
            table = _of_its_partition(staging, source, file, part.values)
            rows += table.num_rows
            waiting.append(table)
            if sum(t.num_rows for t in waiting) >= ROWS_AT_ONCE:
                _validate(staging, source, schema, waiting)
                waiting = []
        if number == len(files) or number % 30 == 0:
            progress(f"{source.name}: read {number} of {len(files)} files, {rows:,} rows")
    _validate(staging, source, schema, waiting)


def _of_its_partition(
    staging: Staging, source: RawSource, file: LandingFile, values: pa.RecordBatch
) -> pa.Table:
    """The rows with their partition and file, without those that belong to another partition."""
    count = values.num_rows
    columns = [values.column(name) for name in source.columns]
    value = pa.scalar(source.cadence.column_value(file.partition), source.cadence.arrow_type)
    place = [pa.repeat(value, count), pa.repeat(file.partition, count), pa.repeat(file.name, count)]
    table = pa.Table.from_arrays([*columns, *place, values.column("row_number")], schema=staging.schema)
    if not source.partition_of:
        return table
    elsewhere = _outside(table[source.partition_of], source.cadence, file.partition)
    if not pc.any(elsewhere).as_py():
        return table
    rule = f"{source.partition_of} is not in the folder's {source.cadence.noun}"
    rejected = [
        Rejected(
            row["row_number"],
            rule,
            f"{rule} {file.partition}: {row[source.partition_of]}",
            _record(source, row),
        )
        for row in table.filter(elsewhere).to_pylist()
    ]
    staging.reject(_rejected_table(source, file, rejected))
    return table.filter(pc.invert(elsewhere))


def _outside(times: pa.ChunkedArray, cadence: Cadence, key: str) -> pa.ChunkedArray:
    """True for times (timestamps or dates) that do not lie in a partition; a missing one does not count."""
    start, end = cadence.start(key), cadence.end(key)
    bounds = (start.date(), end.date()) if pa.types.is_date(times.type) else (start, end)
    first, last = (pa.scalar(bound, times.type) for bound in bounds)
    return pc.fill_null(pc.or_(pc.less(times, first), pc.greater_equal(times, last)), fill_value=False)


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
                row["partition"],
                source.cadence.start(row["partition"]),
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
    start = source.cadence.start(file.partition)
    place = [source.name, file.partition, start, file.name]
    return _table([[*place, r.row_number, r.reason, r.record, r.kind] for r in rejected])


def _table(rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(REJECTED)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, REJECTED, strict=True)]
    return pa.Table.from_arrays(arrays, schema=REJECTED)
