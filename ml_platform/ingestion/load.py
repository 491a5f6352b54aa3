"""Loading partitions of the landing folder into ``raw.<source>`` and ``raw.quarantine``."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.cadence import Cadence
from ml_platform.errors import ConflictError
from ml_platform.ingestion.landing import LandingFile, LandingFolder
from ml_platform.ingestion.quarantine import prepare_quarantine, replace_quarantine
from ml_platform.ingestion.readers import Rejected, as_json, check_columns, read_rows
from ml_platform.ingestion.rules import violations
from ml_platform.ingestion.source import RawSource
from ml_platform.ingestion.staging import REJECTED, Staging, open_staging
from ml_platform.ingestion.withdrawal import refuse_lost
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
    also: Callable[[str], None] = lambda _: None,
) -> list[PartitionLoad]:
    """Load partitions of a source, replacing what the tables have of them.

    One without files has no rows: it is withdrawn.

    Of the rows with one id the one in the earliest partition is kept. Partitions whose rows are others because of that
    (one holds an id that comes now in an earlier one; one has an id in quarantine that is not kept any more where it
    was) are loaded again with those that are asked for, so that the tables are always those that loading all files in
    order would give.

    The headers of all files are looked at first, and a partition is written only when every row of it was read, so
    that a file that is refused leaves the tables as they were. Killed at any instant and run again, the
    result is the same.

    Args:
        source: what is loaded.
        keys: of the partitions, in any order, in the source's cadence.
        landing: where the files are.
        warehouse: where the tables are.
        progress: told how far it is.
        also: told each partition that is loaded beside those that were asked for, before its files are read.

    Returns:
        One for each partition that was loaded, in order.

    Raises:
        ConfigurationError: a key is none of the source's cadence.
        UnreadableFileError: a file is empty, damaged, or ends in the middle.
        SchemaMismatchError: a file lacks a column, or has one of another type.
        DataError: the folders of more than 3 partitions and more than a tenth of those loaded are gone, or of all.
        ConflictError: somebody else loaded partitions of the source meanwhile.
    """
    loading = _Loading(source, landing, warehouse, also, progress)
    loading.add(keys)
    loads: list[PartitionLoad] = []
    while loading.coming:
        loads += loading.next()
    return sorted(loads, key=lambda load: load.partition)


class _Loading:
    """The partitions of one call, in order, and those that turn out to be affected."""

    def __init__(
        self,
        source: RawSource,
        landing: LandingFolder,
        warehouse: Warehouse,
        also: Callable[[str], None],
        progress: Callable[[str], None],
    ) -> None:
        self._source, self._landing, self._warehouse = source, landing, warehouse
        self._also, self._progress = also, progress
        self._files: dict[str, list[LandingFile]] = {}
        self._done: set[str] = set()
        self.coming: list[str] = []

    def add(self, keys: Iterable[str]) -> None:
        """Note partitions to load; the headers of their files are looked at."""
        new = sorted(set(keys))
        for key in new:
            self._source.cadence.start(key)
        refuse_lost(self._source, new, self._landing, self._warehouse)
        self._files |= {key: [] for key in new}
        for file in self._landing.files(self._source, new):
            check_columns(file, self._source)
            self._files[file.partition].append(file)
        self.coming = sorted({*self.coming, *new})

    def next(self) -> list[PartitionLoad]:
        """Load as many as are loaded in one transaction, and the affected ones between them."""
        started = time.monotonic()
        keys, new = self._first(), self._first()
        with open_staging(self._source) as staging:
            while new:
                files = [file for key in new for file in self._files[key]]
                _stage(staging, self._source, files, self._progress)
                more = self._affected(staging, keys)
                for key in sorted(more):
                    self._also(key)
                self.add(more)
                new = [key for key in sorted(more) if key <= keys[-1]]
                keys = sorted([*keys, *new])
            versions = self._write(staging, keys)
            rejections = staging.rejections()
        self.coming = [key for key in self.coming if key not in set(keys)]
        self._done.update(keys)
        seconds = (time.monotonic() - started) / len(keys)
        return [
            PartitionLoad(
                partition=key,
                rows=versions[key][1],
                quarantined=sum(rejections.get(key, {}).values()),
                duplicates=rejections.get(key, {}).get(f"duplicate {self._source.unique}", 0),
                files=len(self._files[key]),
                bytes=sum(file.size for file in self._files[key]),
                version=versions[key][0],
                seconds=seconds,
                reasons=rejections.get(key, {}),
            )
            for key in keys
        ]

    def _first(self) -> list[str]:
        """As many of the coming partitions as are loaded in one transaction."""
        size = 0
        for position, key in enumerate(self.coming):
            size += sum(file.size for file in self._files[key])
            if position and size > BYTES_AT_ONCE:
                return self.coming[:position]
        return list(self.coming)

    def _affected(self, staging: Staging, keys: Sequence[str]) -> set[str]:
        found = staging.affected(self._warehouse, keys, {*self.coming, *keys}) - self._done
        return {key for key in found if not self._landing.is_archived(self._source, key)}

    def _write(self, staging: Staging, keys: Sequence[str]) -> dict[str, tuple[str, int]]:
        source, warehouse, cadence = self._source, self._warehouse, self._source.cadence
        values = [cadence.column_value(key) for key in keys]

        def accepted() -> Iterator[pa.RecordBatch]:
            # Within the transaction, so that nobody writes between looking for duplicates and writing.
            if more := self._affected(staging, keys):
                raise ConflictError(
                    f"{source.relation}: {', '.join(sorted(more))} changed while {', '.join(keys[:3])} were read; "
                    "run again"
                )
            staging.reject_duplicates()
            yield from staging.accepted()

        with warehouse.session():
            warehouse.create(source.relation, source.schema)
            prepare_quarantine(warehouse)
            warehouse.replace_partitions(source.relation, cadence.column, values, accepted(), source.schema)
            replace_quarantine(warehouse, source, keys, staging.rejected())
            found = warehouse.partition_versions(source.relation, cadence.column, values)
        return {cadence.key_of(value): version for value, version in found.items()}


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
                None,
                None,
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
    return _table([[*place, r.row_number, r.reason, r.record, None, None, r.kind] for r in rejected])


def _table(rows: Sequence[Sequence[Any]]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(REJECTED)
    arrays = [pa.array(column, kind.type) for column, kind in zip(columns, REJECTED, strict=True)]
    return pa.Table.from_arrays(arrays, schema=REJECTED)
