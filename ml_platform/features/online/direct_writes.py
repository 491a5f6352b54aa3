"""Rows written to an online store by their producer, without a warehouse behind them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ml_platform.errors import ConfigurationError, DataError, NotFoundError
from ml_platform.features.online.base import Key, OnlineStore, Shipment
from ml_platform.features.online.records import Table
from ml_platform.use_case import FeatureView

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["delete_rows", "write_rows"]

LOCK_TIMEOUT_SECONDS = 60.0


def write_rows(store: OnlineStore, view: FeatureView, batches: "Iterable[pa.RecordBatch]") -> int:
    """See :meth:`OnlineStore.write`."""
    table = _own_table(store, view)
    written = 0
    for batch in batches:
        # Two contents of one version would mix: see the contract.
        with store.lock(view.name, LOCK_TIMEOUT_SECONDS):
            written += _write(store, table, view, batch)
    return written


def delete_rows(store: OnlineStore, view: FeatureView, keys: Sequence[Key]) -> None:
    """See :meth:`OnlineStore.delete`."""
    import numpy as np
    import pyarrow as pa

    table = _own_table(store, view)
    known = [
        (key, version)
        for key, version in zip(keys, store.versions(table, keys), strict=True)
        if version is not None
    ]
    if known:
        columns = [pa.array([key[i] for key, _ in known]) for i in range(len(view.entity))]
        batch = pa.RecordBatch.from_arrays(columns, list(view.entity))
        store.remove(table, batch, np.array([version for _, version in known], np.int64))


def _own_table(store: OnlineStore, view: FeatureView) -> Table:
    table = store.record(view.name).serving
    if table is None:
        raise NotFoundError(
            f"view {view.name} has no online table; prepare it first (ml_platform.features.sync.plan.prepare)"
        )
    if table.state:
        raise ConfigurationError(
            f"view {view.name} is synced from {view.relation}, which alone says what it holds; change the"
            " model and sync,"
            " or write to a view of its own"
        )
    return table


def _refuse_incomplete(view: FeatureView, batch: "pa.RecordBatch") -> None:
    for name in (*view.entity, "event_timestamp"):
        for row, value in enumerate(batch.column(name).to_pylist()):
            if value is None or value in ("", b""):
                raise DataError(
                    f"row {row} of view {view.name} lacks its {name}; nothing of its batch was written"
                )


def _write(store: OnlineStore, table: Table, view: FeatureView, batch: "pa.RecordBatch") -> int:
    """Write the rows that are newer than what is stored, or tie with it and have the greater digest."""
    import numpy as np
    import pyarrow as pa

    from ml_platform.features.sync.digests import row_digests

    columns = ("event_timestamp", *view.features)
    batch = batch.rename_columns(
        ["event_timestamp" if n == view.event_timestamp else n for n in batch.schema.names]
    )
    batch = batch.select([*view.entity, *columns])
    _refuse_incomplete(view, batch)
    events = batch.column("event_timestamp").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
    digests = row_digests(batch, columns).tolist()
    keys = list(zip(*(batch.column(name).to_pylist() for name in view.entity), strict=True))
    best: dict[Key, int] = {}
    for row, key in enumerate(keys):
        if key not in best or (events[row], digests[row]) > (events[best[key]], digests[best[key]]):
            best[key] = row
    chosen, versions = [], []
    asked = list(best)
    stored = store.reader(table, table.features).get(asked)
    schema = pa.schema([batch.schema.field(name) for name in columns])
    order = [[column.name for column in table.features].index(name) for name in view.features]
    for key, there, version in zip(asked, stored, store.versions(table, asked), strict=True):
        row = best[key]
        new = events[row] if version is None else max(events[row], version + 1)
        if there.event_us is not None:
            cells = [there.event_us, *(there.values[i] for i in order)]
            arrays = [pa.array([cell], type=field.type) for cell, field in zip(cells, schema, strict=True)]
            digest = row_digests(pa.RecordBatch.from_arrays(arrays, schema=schema), columns).tolist()[0]
            if (events[row], digests[row]) <= (there.event_us, digest):
                continue
        elif version is not None and events[row] <= version:  # deleted after this event
            continue
        chosen.append(row)
        versions.append(new)
    if chosen:
        store.put(table, Shipment(batch.take(pa.array(chosen)), np.array(versions, np.int64)))
    return len(chosen)
