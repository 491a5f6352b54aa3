"""The state that a sync left in the online store, entity by entity: the base that the next one compares with.

A state is an immutable object, in the order of the keys: the keys, ``event_us``, ``version``, ``digest`` of
the row, whether it is ``live`` (a deleted entity keeps its version, so that it can come back), and its
``fate`` in the sync that wrote the
state: settled before it, or added, changed or deleted by it; and its ``_mark``, the warehouse's own hash of
the row (:mod:`ml_platform.features.sync.marks`). It is written before anything is shipped. So
after a sync that was cut off, the rows that are not settled are those of which the store may hold either
content; the next sync ships them again, and knows which version it must exceed.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from ml_platform.storage.base import ObjectStore

__all__ = [
    "ADDED",
    "CHANGED",
    "DELETED",
    "SETTLED",
    "RowFile",
    "open_state",
    "scheme_of",
    "state_key",
    "state_schema",
]

SETTLED, ADDED, CHANGED, DELETED = 0, 1, 2, 3
BATCH_ROWS = 65_536
_SCHEME = b"marks"


def state_schema(keys: Sequence[pa.Field], scheme: str = "") -> pa.Schema:
    """The Arrow schema of a state whose marks are of that scheme."""
    return pa.schema(
        [
            *keys,
            pa.field("event_us", pa.int64()),
            pa.field("version", pa.int64()),
            pa.field("digest", pa.uint64()),
            pa.field("live", pa.bool_()),
            pa.field("fate", pa.int8()),
            pa.field("_mark", pa.uint64()),
        ],
        {_SCHEME: scheme},
    )


def state_key(store: str, view: str, state: str) -> str:
    """Key under which the state of that name is kept, of a view in the store of that name."""
    return f"online/{store}/{view}/{state}.arrow"


@contextlib.contextmanager
def open_state(states: ObjectStore, key: str) -> Iterator[pa.RecordBatchReader]:
    """Stream a state. Raises NotFoundError when it is gone."""
    with states.open(key) as file, pa.ipc.open_stream(file) as reader:
        yield reader


def scheme_of(schema: pa.Schema) -> str:
    """The scheme of a state's marks; empty when it has none."""
    scheme: bytes = (schema.metadata or {}).get(_SCHEME, b"")
    return scheme.decode()


class RowFile:
    """Rows on their way through a temporary file, in bounded memory.

    The file has no name, so that nothing is left behind when the process is killed.
    """

    def __init__(self, schema: pa.Schema) -> None:
        self.rows = 0
        self.bytes = 0
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as this)
        self._schema = schema
        self._writer = pa.ipc.new_stream(self._file, schema)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Append rows; small batches are joined, so that what is written has batches of a useful size."""
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        self.bytes += batch.nbytes
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        if self._pending_rows >= BATCH_ROWS:
            self._flush()

    def finish(self) -> None:
        """Write what is pending; nothing can be added afterwards."""
        self._flush()
        self._writer.close()
        self._file.flush()

    def read(self) -> Iterator[pa.RecordBatch]:
        """The rows, from the beginning; after :meth:`finish`."""
        yield from pa.ipc.open_stream(self.rewound())

    def rewound(self) -> BinaryIO:
        """The file of an Arrow stream, at its beginning; after :meth:`finish`."""
        self._file.seek(0)
        return self._file

    def _flush(self) -> None:
        if len(self._pending) == 1:
            self._writer.write_batch(self._pending[0])
        elif self._pending:
            table = pa.Table.from_batches(self._pending, self._schema).combine_chunks()
            self._writer.write_table(table)
        self._pending, self._pending_rows = [], 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
