"""Snapshots: immutable, content-addressed sets of labelled events on object storage.

The warehouse runs the query once, says of its rows which version they are, and writes the files of a version that is
not there; the manifest makes them a snapshot: killed at any instant, an export leaves no manifest, so no snapshot, and
the next one completes it. Files are named by what they hold, so that exports at the same time cannot mix theirs; the
first manifest wins, and files that it does not name are removed.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
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
from ml_platform.datasets.query import dataset_sql, require_columns, row_order
from ml_platform.errors import (
    ArtifactTamperedError,
    ConflictError,
    DataError,
    NotFoundError,
)
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import Dataset
from ml_platform.warehouse.base import ExportedFile, Query, Warehouse
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
        """Labels reported by it are in the snapshot (UTC)."""
        return self.manifest.as_of

    @property
    def events_end(self) -> datetime:
        """Events before it are in the snapshot (UTC)."""
        return self.manifest.events_end or self.manifest.as_of

    @property
    def uri(self) -> str:
        """Address at which it lies, e.g. ``gs://bucket/datasets/<name>/<version>/``."""
        return f"{self._store.uri}/{prefix(self.manifest.name, self.version)}"

    @property
    def is_whole(self) -> bool:
        """Tell whether its files are there, by their sizes; their digests are checked when they are read."""
        found = ((file, self._store.stat(file.key)) for file in self.manifest.files)
        return all(stored is not None and stored.size == file.bytes for file, stored in found)

    def batches(
        self, columns: Sequence[str] | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Stream the rows, in order; memory is bounded by one file, whose digest is checked before its use.

        Args:
            columns: which, in the order wanted; None: all.
            batch_rows: most rows of a batch.

        Raises:
            NotFoundError: a column, or a file of the snapshot, does not exist.
            ArtifactTamperedError: a file is not the one that was summary.
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
    events_end: datetime | None = None,
    upstream: Mapping[str, str],
    start: datetime | None = None,
    progress: Callable[[str], None] = _LOG.info,
) -> Snapshot:
    """Export the dataset as of a time; rows that were exported before, and are still there, write nothing new.

    Args:
        name: of the dataset; part of every key.
        dataset: its declaration.
        warehouse: where it is assembled.
        store: where the snapshot goes, under ``datasets/<name>/<version>/``.
        as_of: see :func:`~ml_platform.datasets.query.dataset_sql`.
        events_end: likewise.
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
    query = dataset_sql(
        dataset, warehouse.dialect, as_of=as_of, events_end=events_end, start=start, ordered=False
    )
    require_columns(dataset, warehouse)
    with warehouse.temporary(query.sql, query.parameters) as relation:
        summary = _summary(relation, warehouse, dataset)
        progress(f"dataset {name}: {summary.rows} rows, version {summary.version[:12]}")
        before = _stored(store, name, summary.version)
        created = before is None or not before.is_whole
        if created:
            files = warehouse.export(
                f"SELECT * FROM {warehouse.dialect.quoted(relation)} {row_order(dataset, warehouse.dialect)}",
                store,
                prefix(name, summary.version),
                rows_per_file=ROWS_PER_FILE,
            )
            manifest = _manifest(name, dataset, query, files, summary, upstream, as_of.astimezone(UTC))
            if before is not None:  # when files of it were lost, the rest of what it said still holds
                manifest = before.manifest.model_copy(update={"files": manifest.files})
            created = _write(store, manifest, replace=before is not None)
    manifest = open_snapshot(store, name, summary.version).manifest
    _remove_unnamed(store, manifest)
    snapshot = Snapshot(store, manifest, created=created)
    progress(f"dataset {name}: {'wrote' if created else 'already there:'} {snapshot.uri}")
    return snapshot


class _Summary(NamedTuple):
    """The summary that the rows give of themselves."""

    version: str
    columns: dict[str, pa.DataType]
    rows: int
    positives: int | None
    reported: int | None
    first_event: datetime
    last_event: datetime


def _summary(relation: str, warehouse: Warehouse, dataset: Dataset) -> _Summary:
    sql, columns = warehouse.dialect, warehouse.columns(relation)
    source = sql.quoted(relation)
    (reduced,) = warehouse.table(content_version_sql(sql, columns, source)).to_pylist()
    rows = reduced["row_count"]
    if not rows:
        raise DataError(
            f"{dataset.events} has no events in the time asked for; bring data, materialise what makes "
            "it, or ask for another time"
        )
    time, label = sql.quoted(dataset.occurred_at), dataset.label
    reported = f"COUNT({sql.quoted(label.reported_at)})" if label else "NULL"
    (found,) = warehouse.table(
        f"SELECT {sql.micros(f'MIN({time})')} AS first_event, {sql.micros(f'MAX({time})')} AS last_event, "
        f"{sql.cast(reported, pa.int64())} AS reported FROM {source}"
    ).to_pylist()
    positives = found["reported"] if label and label.value is None else None
    first, last = (EPOCH + timedelta(microseconds=found[name]) for name in ("first_event", "last_event"))
    version = content_version(columns, rows, reduced["hash_lower"], reduced["hash_upper"])
    return _Summary(version, columns, rows, positives, found["reported"], first, last)


def _manifest(
    name: str,
    dataset: Dataset,
    query: Query,
    files: list[ExportedFile],
    summary: _Summary,
    upstream: Mapping[str, str],
    as_of: datetime,
) -> Manifest:
    return Manifest(
        name=name,
        version=summary.version,
        as_of=as_of,
        events_end=query.parameters["events_end"],
        rows=summary.rows,
        positives=summary.positives,
        reported=summary.reported,
        first_event=summary.first_event,
        last_event=summary.last_event,
        id=dataset.id,
        occurred_at=dataset.occurred_at,
        keys=dataset.keys,
        features=dataset.feature_names,
        label=dataset.label.name if dataset.label else None,
        label_available_at=dataset.label.reported_at if dataset.label else None,
        label_delay=dataset.label.delay if dataset.label else None,
        history=dataset.history,
        columns=tuple(Column(name=column, type=str(kind)) for column, kind in summary.columns.items()),
        files=tuple(SnapshotFile(**asdict(file)) for file in files),
        upstream=dict(sorted(upstream.items())),
        query=query.sql,
        parameters={key: value.isoformat() for key, value in query.parameters.items()},
    )


def _stored(store: ObjectStore, name: str, version: str) -> Snapshot | None:
    with suppress(NotFoundError):
        return open_snapshot(store, name, version)
    return None


def _write(store: ObjectStore, manifest: Manifest, *, replace: bool) -> bool:
    """Write the manifest, after its files; False if another export of the same rows was first."""
    key = manifest_key(manifest.name, manifest.version)
    with suppress(ConflictError):
        store.write(key, manifest.model_dump_json(indent=2).encode(), if_absent=not replace)
        return True
    return False


def _remove_unnamed(store: ObjectStore, manifest: Manifest) -> None:
    named = {file.key for file in manifest.files} | {manifest_key(manifest.name, manifest.version)}
    for info in list(store.list(prefix(manifest.name, manifest.version))):
        if info.key not in named:
            store.delete(info.key)
