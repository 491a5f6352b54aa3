"""The differences between a view and its online table, computed in one pass and kept on local disk."""

import contextlib
import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pyarrow as pa

from ml_platform.features.online.base import OnlineStore
from ml_platform.features.sync.comparison import Comparison, spreads_of
from ml_platform.features.sync.marks import marks_of
from ml_platform.features.sync.newest import Source
from ml_platform.features.sync.plan import Plan
from ml_platform.features.sync.screening import Entries, Screening
from ml_platform.features.sync.state import RowFile, open_state, scheme_of, state_key, state_schema
from ml_platform.storage.base import ObjectStore
from ml_platform.warehouse.base import Query, Warehouse

__all__ = ["Base", "Spool", "compare", "open_base", "plain_schema"]

PROGRESS_SECONDS = 5.0
_ONE_ROW = ", one row an entity"


class Spool:
    """The findings of a comparison, on local disk, so that the warehouse need not be held while they are shipped.

    ``bytes`` are those of the rows to ship. A comparison that finds nothing at all makes no file.
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.bytes = 0

    def open(self, rows: pa.Schema, entity: tuple[str, ...], scheme: str) -> None:
        """Make the files: for rows of this schema, of which ``entity`` are the keys, marked by ``scheme``."""
        keys = [rows.field(name) for name in entity]
        version = pa.field("_version", pa.int64())
        shipped = [field for field in rows if field.name != "_mark"]
        self.changes = self._stack.enter_context(RowFile(pa.schema([*shipped, version])))
        self.deletes = self._stack.enter_context(RowFile(pa.schema([*keys, version])))
        self.state = self._stack.enter_context(RowFile(state_schema(keys, scheme)))

    def finish(self) -> None:
        """Make what was added readable."""
        for file in (self.changes, self.deletes, self.state):
            file.finish()
        self.bytes = self.changes.bytes + self.deletes.bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


@dataclass(frozen=True)
class Base:
    """The contents of a table, as far as is known: the state of the sync that last began on it.

    ``read`` streams it, any number of times. ``complete`` says that all of it was shipped and is there; ``recent``
    that a crash could still lose it; ``scheme`` by which marks it may be screened, if any.
    """

    read: Callable[[], Iterator[pa.RecordBatch]]
    complete: bool = True
    recent: bool = False
    scheme: str = ""


@contextlib.contextmanager
def open_base(store: OnlineStore, states: ObjectStore, plan: Plan) -> Iterator[Base]:
    """Open the base that the table of a plan is compared with."""
    table = plan.table
    if not table.state:
        yield Base(lambda: iter(()))
        return
    now, key = store.mark(), state_key(store.name, plan.view, table.state)

    def read() -> Iterator[pa.RecordBatch]:
        with open_state(states, key) as reader:
            yield from reader

    with open_state(states, key) as reader:
        scheme = scheme_of(reader.schema) if plan.action == "none" else ""
    complete = table.complete and not table.mark.may_be_lost(now)
    yield Base(read, complete, complete and table.mark.is_recent(now), scheme)


def compare(
    source: Source,
    warehouse: Warehouse,
    base: Base,
    *,
    as_of: dt.datetime | None = None,
    spool: Spool | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Compare a view's newest rows with a base; the differences go to ``spool`` when there is one.

    Where the base and the warehouse have marks of one scheme, only rows whose marks differ are read whole, by a
    second query: should the relation change in between, those are as of the second.
    """
    with warehouse.session():
        return _Pass(source, warehouse, base, as_of, spool, progress).run()


class _Pass:
    """The queries of one comparison."""

    def __init__(
        self,
        source: Source,
        warehouse: Warehouse,
        base: Base,
        as_of: dt.datetime | None,
        spool: Spool | None,
        progress: Callable[[str], None],
    ) -> None:
        self._source = source
        self._warehouse = warehouse
        self._base = base
        self._as_of = as_of
        self._spool = spool
        self._progress = progress
        self._told = time.monotonic()
        self._marks = marks_of(source, warehouse)
        self._single = base.scheme.endswith(_ONE_ROW)

    def run(self) -> Comparison:
        if self._scheme and self._scheme == self._base.scheme:
            screening = self._screen()
            if screening.possible:
                return self._compare_suspects(screening)
        self._single = not any(
            self._warehouse.table(*query).num_rows for query in self._source.several(self._as_of)
        )
        return self._compare(self._newest(single=self._single), self._base.read())

    @property
    def _scheme(self) -> str:
        """Of the marks; it also tells the next sync whether to expect one row an entity."""
        if self._marks is None:
            return ""
        return self._marks.scheme + (_ONE_ROW if self._single else "")

    def _newest(self, **options: Any) -> Query:  # noqa: ANN401 (those of Source.newest)
        mark = self._marks.expression if self._marks else ""
        return self._source.newest(self._as_of, mark=mark, **options)

    def _screen(self) -> Screening:
        """Tell the rows that are as the base says from the others."""
        view, base = self._source.view, self._base
        screening = Screening(view, base.complete, self._single)
        judged = [name for name in view.features if name in spreads_of(view.guard)]
        with self._warehouse.read(*self._newest(single=self._single, features=judged)) as reader:
            schema = plain_schema(reader.schema)
            self._tell(screening.run((batch.cast(schema) for batch in reader), base.read()))
        return screening

    def _compare_suspects(self, screening: Screening) -> Comparison:
        """Compare whole rows of suspects only; what the others say of the view is known by now."""
        base, entries = self._base, Entries()
        if self._marks and (screening.suspects or screening.rest or not base.complete):
            query = self._newest(chosen=screening.suspects)
            comparison = self._compare(query, iter(screening.rest), entries)
        else:
            comparison = Comparison(self._source.view, (), base.complete, self._as_of)
        comparison.spreads, comparison.entities = screening.spreads, screening.entities
        comparison.newest_us = screening.newest_us
        counts = comparison.counts
        counts.rows, counts.unchanged = screening.rows, counts.unchanged + screening.same
        counts.known += screening.same
        if self._spool is not None and (counts.shipped or not base.complete):
            screening.merge_into(self._spool.state, base.read(), entries, recent=base.recent)
            self._spool.finish()
        return comparison

    def _compare(
        self, query: Query, base: Iterator[pa.RecordBatch], entries: Entries | None = None
    ) -> Comparison:
        """Compare the rows of a query with a base; the state's entries go to ``entries`` if given."""
        view, spool = self._source.view, self._spool
        with self._warehouse.read(*query) as reader:
            schema = plain_schema(reader.schema)
            keys = [schema.field(name) for name in view.entity]
            comparison = Comparison(
                view, keys, self._base.complete, self._as_of, base_recent=self._base.recent
            )
            if spool is not None:
                spool.open(schema, view.entity, self._scheme)
                comparison.changes, comparison.deletes = spool.changes, spool.deletes
                comparison.state = spool.state if entries is None else entries
            self._tell(comparison.run((batch.cast(schema) for batch in reader), base))
        if spool is not None and entries is None:
            spool.finish()
        return comparison

    def _tell(self, steps: Iterator[int]) -> None:
        for rows in steps:
            if time.monotonic() - self._told > PROGRESS_SECONDS:
                self._progress(f"view {self._source.view.name}: compared {rows} entities")
                self._told = time.monotonic()


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
