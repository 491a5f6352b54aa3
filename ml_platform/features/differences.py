"""The differences between a view and its online table, computed in one pass and kept on local disk."""

import contextlib
import datetime as dt
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from ml_platform.features.comparison import Comparison
from ml_platform.features.newest import Source
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.schema_plan import Plan
from ml_platform.features.sync_state import RowFile, open_state, state_key, state_schema
from ml_platform.storage.base import ObjectStore
from ml_platform.warehouse.base import Warehouse

__all__ = ["Base", "Spool", "compare", "open_base", "plain_schema"]

PROGRESS_SECONDS = 5.0


class Spool:
    """What a comparison found, on local disk, so that the warehouse need not be held while it is shipped."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()

    def open(self, rows: pa.Schema, entity: tuple[str, ...]) -> None:
        """Make the files: for rows of this schema, of which ``entity`` are the keys."""
        keys = [rows.field(name) for name in entity]
        version = pa.field("_version", pa.int64())
        self.changes = self._stack.enter_context(RowFile(pa.schema([*rows, version])))
        self.deletes = self._stack.enter_context(RowFile(pa.schema([*keys, version])))
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ml-platform-")))
        self.state_path = folder / "state.arrow"
        self.state = self._stack.enter_context(RowFile.named(state_schema(keys), self.state_path))

    def finish(self) -> None:
        """Make what was added readable."""
        for file in (self.changes, self.deletes, self.state):
            file.finish()

    @property
    def bytes(self) -> int:
        """Bytes of the rows to ship."""
        return self.changes.bytes + self.deletes.bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@dataclass(frozen=True)
class Base:
    """What a table holds, as far as is known: the state of the sync that last began on it.

    ``complete`` says that all of it was shipped and is there; ``recent`` that a crash could still lose it.
    """

    batches: Iterator[pa.RecordBatch]
    complete: bool = True
    recent: bool = False


@contextlib.contextmanager
def open_base(store: OnlineStore, states: ObjectStore, plan: Plan) -> Iterator[Base]:
    """Open the base that the table of a plan is compared with."""
    table = plan.table
    if not table.state:
        yield Base(iter(()))
        return
    now = store.mark()
    with open_state(states, state_key(store.name, plan.view, table.state)) as batches:
        complete = table.complete and not table.mark.may_be_lost(now)
        yield Base(batches, complete, complete and table.mark.is_recent(now))


def compare(
    source: Source,
    warehouse: Warehouse,
    base: Base,
    *,
    as_of: dt.datetime | None = None,
    spool: Spool | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compare a view's newest rows with a base; the differences go to ``spool`` when there is one."""
    view = source.view
    sql, parameters = source.newest(as_of)
    told = time.monotonic()
    with warehouse.read(sql, parameters) as reader:
        schema = plain_schema(reader.schema)
        keys = [schema.field(name) for name in view.entity]
        comparison = Comparison(view, keys, base.complete, as_of, base_recent=base.recent)
        if spool is not None:
            spool.open(schema, view.entity)
            comparison.changes, comparison.deletes, comparison.state = (
                spool.changes,
                spool.deletes,
                spool.state,
            )
        for rows in comparison.run((batch.cast(schema) for batch in reader), base.batches):
            if time.monotonic() - told > PROGRESS_SECONDS:
                progress(f"view {view.name}: compared {rows} entities")
                told = time.monotonic()
    if spool is not None:
        spool.finish()
    return comparison


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with microsecond UTC timestamps for event times, and each text type as plain text."""
    fields = []
    for field in schema:
        kind = field.type
        if field.name == "event_timestamp" and pa.types.is_timestamp(kind):
            kind = pa.timestamp("us", tz="UTC")
        elif pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind):
            kind = pa.string()
        elif pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
            kind = pa.binary()
        fields.append(pa.field(field.name, kind))
    return pa.schema(fields)
