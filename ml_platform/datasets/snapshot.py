"""Snapshots: immutable, content-addressed sets of labelled events on object storage.

The warehouse writes the files, the manifest makes them a snapshot: killed at any instant, an export leaves no
manifest, so no snapshot, and the next one completes it. Files are named by what they hold, so that exports at
the same time cannot mix theirs; the first manifest wins, and files that it does not name are removed.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ml_platform.datasets.manifest import (
    MANIFEST,
    Column,
    Manifest,
    SnapshotFile,
    manifest_key,
    prefix,
    read_manifest,
)
from ml_platform.datasets.query import Query, dataset_sql, reported_at, require_columns
from ml_platform.datasets.scratch import scratch_folder
from ml_platform.errors import (
    ArtifactTamperedError,
    ConflictError,
    DataError,
    NotFoundError,
)
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import Dataset
from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.content_hash import content_version, content_version_sql

__all__ = ["Snapshot", "export_snapshot", "latest", "list_snapshots", "open_snapshot"]

_LOG = logging.getLogger(__name__)
ROWS_PER_FILE = 500_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Snapshot:
    """The rows of a snapshot, ordered by time and id, and its manifest.

    Attributes:
        manifest: what it holds, and where it came from.
        created: whether the export that gave this object wrote it; False when it was there before.
    """

    def __init__(self, store: ObjectStore, manifest: Manifest, *, created: bool = False) -> None:
        self._store = store
        self.manifest = manifest
        self.created = created

    def __repr__(self) -> str:
        return f"<Snapshot {self.manifest.name} {self.version[:12]}: {self.manifest.rows} rows>"

    @property
    def version(self) -> str:
        """Content version of the rows, 64 hexadecimal digits."""
        return self.manifest.version

    @property
    def as_of(self) -> datetime:
        """Events before it, and labels reported by it, are in the snapshot (UTC)."""
        return self.manifest.as_of

    @property
    def uri(self) -> str:
        """Where it lies, e.g. ``gs://bucket/datasets/<name>/<version>/``."""
        return f"{self._store.uri}/{prefix(self.manifest.name, self.version)}"

    def batches(
        self, columns: Sequence[str] | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Stream the rows, in order; memory is bounded by one file, whose digest is checked before its use.

        Args:
            columns: which, in the order wanted; None: all.
            batch_rows: most rows of a batch.

        Raises:
            NotFoundError: a column, or a file of the snapshot, does not exist.
            ArtifactTamperedError: a file is not the one that was exported.
        """
        names = [column.name for column in self.manifest.columns]
        wanted = list(names if columns is None else columns)
        if unknown := [name for name in wanted if name not in names]:
            raise NotFoundError(f"{self!r} has no columns {unknown}; it has {names}")
        for file in self.manifest.files:
            parquet = pq.ParquetFile(pa.BufferReader(self._verified(file)))
            for batch in parquet.iter_batches(batch_rows, columns=wanted):
                yield batch.select(wanted)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows, whole; see :meth:`batches`."""
        return pa.Table.from_batches(list(self.batches(columns)))

    def _verified(self, file: SnapshotFile) -> bytes:
        with self._store.open(file.key) as stream:
            content = stream.read()
        if (found := hashlib.sha256(content).hexdigest()) != file.sha256:
            raise ArtifactTamperedError(
                f"{self._store.uri}/{file.key} has SHA-256 {found}, its manifest says {file.sha256}; "
                "restore the file, or delete the snapshot's manifest and export the dataset again"
            )
        return content


def open_snapshot(store: ObjectStore, name: str, version: str) -> Snapshot:
    """A snapshot by its version.

    Raises:
        NotFoundError: there is none.
        ArtifactTamperedError: its manifest is not one.
    """
    key = manifest_key(name, version)
    if store.stat(key) is None:
        raise NotFoundError(f"dataset {name} has no snapshot {version} in {store.uri}; export it")
    return Snapshot(store, read_manifest(store.read(key)[0], key))


def list_snapshots(store: ObjectStore, name: str) -> list[Snapshot]:
    """Every snapshot of a dataset, oldest ``as_of`` first."""
    keys = [info.key for info in store.list(prefix(name)) if info.key.endswith(f"/{MANIFEST}")]
    found = [Snapshot(store, read_manifest(store.read(key)[0], key)) for key in keys]
    return sorted(found, key=lambda s: (s.as_of, s.manifest.last_event, s.version))


def latest(store: ObjectStore, name: str) -> Snapshot | None:
    """The snapshot with the newest ``as_of``; None when there is none."""
    found = list_snapshots(store, name)
    return found[-1] if found else None


def export_snapshot(
    name: str,
    dataset: Dataset,
    warehouse: Warehouse,
    store: ObjectStore,
    *,
    as_of: datetime,
    scratch: Path,
    upstream: Mapping[str, str],
    start: datetime | None = None,
    progress: Callable[[str], None] = _LOG.info,
) -> Snapshot:
    """Export the dataset as of a time; rows that were exported before write nothing new.

    Args:
        name: of the dataset; part of every key.
        dataset: its declaration.
        warehouse: where it is assembled.
        store: where the snapshot goes, under ``datasets/<name>/<version>/``.
        as_of: see :func:`~ml_platform.datasets.query.dataset_sql`.
        scratch: local folder for the files on their way; always the same, so that what a killed export left
            there is removed.
        upstream: upstream asset to its data version, for the manifest.
        start: leave out earlier events.
        progress: told what is done.

    Returns:
        The snapshot; ``created`` says whether it is new.

    Raises:
        NotFoundError: a relation that the dataset names does not exist.
        SchemaMismatchError: a relation lacks a column that the dataset names.
        DataError: there are no events.
    """
    prefix(name)
    query = dataset_sql(dataset, warehouse.dialect, as_of=as_of, start=start)
    require_columns(dataset, warehouse)
    with scratch_folder(scratch) as folder:
        paths = warehouse.export_parquet(
            query.sql, folder, parameters=query.parameters, rows_per_file=ROWS_PER_FILE
        )
        exported = _summary(paths, dataset)
        progress(f"dataset {name}: {exported.rows} rows, version {exported.version[:12]}")
        created = _write(store, _manifest(name, dataset, query, paths, exported, upstream), paths)
    manifest = open_snapshot(store, name, exported.version).manifest
    _remove_unnamed(store, manifest)
    snapshot = Snapshot(store, manifest, created=created)
    progress(f"dataset {name}: {'wrote' if created else 'already there:'} {snapshot.uri}")
    return snapshot


class _Exported(NamedTuple):
    """What the exported rows say of themselves."""

    version: str
    columns: dict[str, pa.DataType]
    rows: int
    positives: int
    first_event: datetime
    last_event: datetime


def _summary(paths: list[Path], dataset: Dataset) -> _Exported:
    """By a DuckDB over the files, so that it is the same for every warehouse."""
    import duckdb

    columns = {field.name: field.type for field in pq.read_schema(paths[0])}
    time, label = f'"{dataset.occurred_at}"', f'"{dataset.label.name}"'
    with duckdb.connect() as connection:
        connection.register("exported", connection.read_parquet([str(path) for path in paths]))
        count, lower, upper = connection.execute(content_version_sql(columns, "exported")).fetchall()[0]
        if not count:
            raise DataError(
                f"{dataset.events} has no events in the time asked for; bring data, materialise what makes "
                "it, or ask for another time"
            )
        first, last, positives = connection.execute(
            f"SELECT epoch_us(min({time})), epoch_us(max({time})), CAST(sum({label}) AS BIGINT) FROM exported"
        ).fetchall()[0]
    times = [EPOCH + timedelta(microseconds=micros) for micros in (first, last)]
    return _Exported(content_version(columns, count, lower, upper), columns, count, positives, *times)


def _manifest(
    name: str,
    dataset: Dataset,
    query: Query,
    paths: list[Path],
    exported: _Exported,
    upstream: Mapping[str, str],
) -> Manifest:
    return Manifest(
        name=name,
        version=exported.version,
        as_of=query.parameters["as_of"],
        rows=exported.rows,
        positives=exported.positives,
        first_event=exported.first_event,
        last_event=exported.last_event,
        id=dataset.id,
        occurred_at=dataset.occurred_at,
        keys=dataset.keys,
        features=dataset.feature_names,
        label=dataset.label.name,
        label_available_at=reported_at(dataset),
        label_delay=dataset.label.delay,
        history=dataset.history,
        columns=tuple(Column(name=column, type=str(kind)) for column, kind in exported.columns.items()),
        files=tuple(_file(prefix(name, exported.version), path) for path in paths),
        upstream=dict(sorted(upstream.items())),
        query=query.sql,
        parameters={key: value.isoformat() for key, value in query.parameters.items()},
    )


def _file(folder: str, path: Path) -> SnapshotFile:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return SnapshotFile(
        key=f"{folder}{path.stem}-{digest[:16]}.parquet",
        sha256=digest,
        rows=pq.read_metadata(path).num_rows,
        bytes=path.stat().st_size,
    )


def _write(store: ObjectStore, manifest: Manifest, paths: list[Path]) -> bool:
    """Write what is missing, the manifest last; whether the snapshot is new."""
    key = manifest_key(manifest.name, manifest.version)
    if store.stat(key) is not None:
        return False
    for file, path in zip(manifest.files, paths, strict=True):
        if store.stat(file.key) is None:  # a killed export may have written it
            store.write(file.key, path)
    with suppress(ConflictError):  # another export of the same rows was first
        store.write(key, manifest.model_dump_json(indent=2).encode(), if_absent=True)
        return True
    return False


def _remove_unnamed(store: ObjectStore, manifest: Manifest) -> None:
    named = {file.key for file in manifest.files} | {manifest_key(manifest.name, manifest.version)}
    for info in list(store.list(prefix(manifest.name, manifest.version))):
        if info.key not in named:
            store.delete(info.key)
