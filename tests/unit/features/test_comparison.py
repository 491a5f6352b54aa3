"""The merge behind a sync: after any history of crashes, the store says what the warehouse says."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DataError
from ml_platform.features.sync.comparison import Comparison
from ml_platform.features.sync.state import RowFile, state_schema
from ml_platform.use_case import FeatureView

VIEW = FeatureView(name="v", relation="f.v", entity=("a", "b"), features=("n", "x"))
KEYS = [pa.field("a", pa.string()), pa.field("b", pa.int32())]
ROWS = pa.schema(
    [*KEYS, ("event_timestamp", pa.timestamp("us", tz="UTC")), ("n", pa.int64()), ("x", pa.float64())]
)

Key = tuple[str, int]
Value = tuple[int, int | None, float | None]  # event time in microseconds, n, x

keys = st.tuples(st.sampled_from(["", "a", "ab", "b", "é", "🐟"]).map(lambda t: t + "k"), st.integers(-2, 2))
values = st.tuples(
    st.integers(0, 3), st.none() | st.integers(0, 1), st.none() | st.sampled_from([0.0, -0.0, 1.5])
)
contents = st.dictionaries(keys, values, max_size=12)


@dataclass
class Store:
    """The contract of an online store: the highest version wins, and a deletion at equal ones."""

    rows: dict[Key, tuple[int, Value | None]] = field(default_factory=dict)

    def put(self, key: Key, value: Value, version: int) -> None:
        there = self.rows.get(key)
        if there is not None and there[0] == version and there[1] is not None:
            assert repr(there[1]) == repr(value), "one version names two contents"
        if there is None or version > there[0]:
            self.rows[key] = (version, value)

    def remove(self, key: Key, version: int) -> None:
        if key not in self.rows or version >= self.rows[key][0]:
            self.rows[key] = (version, None)

    def content(self) -> dict[Key, Value]:
        return {key: value for key, (_, value) in self.rows.items() if value is not None}


def batches(content: dict[Key, Value], size: int) -> Iterator[pa.RecordBatch]:
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    rows = [
        {"a": a, "b": b, "event_timestamp": epoch + dt.timedelta(microseconds=e), "n": n, "x": x}
        for (a, b), (e, n, x) in sorted(content.items())
    ]
    for start in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(rows[start : start + size], ROWS)


@dataclass
class Done:
    comparison: Comparison
    writes: list[tuple[Any, ...]]
    state: list[pa.RecordBatch]


def compare(
    content: dict[Key, Value],
    base: list[pa.RecordBatch],
    complete: bool,
    size: int,
    base_size: int,
    recent: bool = False,
) -> Done:
    version = pa.field("_version", pa.int64())
    with (
        RowFile(pa.schema([*ROWS, version])) as changes,
        RowFile(pa.schema([*KEYS, version])) as deletes,
        RowFile(state_schema(KEYS)) as state,
    ):
        comparison = Comparison(VIEW, KEYS, complete, None, changes, deletes, state, recent)
        cut = (b.slice(i, base_size) for b in base for i in range(0, b.num_rows, base_size))
        for _ in comparison.run(batches(content, size), cut):
            pass
        for file in (changes, deletes, state):
            file.finish()
        writes = [
            ((row["a"], row["b"]), (_us(row["event_timestamp"]), row["n"], row["x"]), row["_version"])
            for batch in changes.read()
            for row in batch.to_pylist()
        ]
        writes += [
            ((row["a"], row["b"]), None, row["_version"])
            for batch in deletes.read()
            for row in batch.to_pylist()
        ]
        return Done(comparison, writes, list(state.read()))


def _us(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def apply(store: Store, writes: list[tuple[Any, ...]]) -> None:
    for key, value, version in writes:
        if value is None:
            store.remove(key, version)
        else:
            store.put(key, value, version)


sizes = st.sampled_from([1, 2, 3, 100])


@settings(deadline=None, max_examples=20)
@given(
    st.lists(
        st.tuples(contents, st.booleans(), st.randoms(use_true_random=False), sizes, sizes),
        min_size=1,
        max_size=6,
    )
)
def test_after_any_history_the_store_says_what_the_warehouse_says(history: list[Any]) -> None:
    store, state, complete = Store(), list[pa.RecordBatch](), True
    unsettled: set[Any] = set()  # what the last sync was to write, and may not have written
    for content, crash, random, size, base_size in history:
        before = store.content()
        done = compare(content, state, complete, size, base_size)
        random.shuffle(done.writes)
        apply(store, done.writes[: random.randrange(len(done.writes) + 1)] if crash else done.writes)
        state, complete = done.state, not crash
        counts = done.comparison.counts
        assert counts.added + counts.changed + counts.unchanged + counts.kept >= counts.rows == len(content)
        if not crash:
            # Where the store has a newer event it is left as it is; all else is as in the warehouse.
            assert set(store.content()) == set(content)
            for key, value in store.content().items():
                kept = key in before.keys() - unsettled and before[key][0] > content[key][0]
                assert repr(value) == repr(before[key] if kept else content[key])
            again = compare(content, state, True, size, base_size)
            assert again.writes == []
            assert again.comparison.counts.shipped == 0
        unsettled = {key for key, *_ in done.writes} if crash else set()


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(contents, st.booleans(), st.randoms(use_true_random=False)), min_size=2, max_size=6)
)
def test_what_a_crashed_server_forgot_of_recent_syncs_is_shipped_again(history: list[Any]) -> None:
    store, state, complete = Store(), list[pa.RecordBatch](), True
    snapshots = [dict(store.rows)]
    for content, crash, random in history:
        done = compare(content, state, complete, 3, 2, recent=True)
        apply(store, done.writes)
        state, complete = done.state, True
        snapshots.append(dict(store.rows))
        if crash:
            forgotten = random.choice(snapshots)
            for key in [key for key in store.rows if random.random() < 0.5]:
                store.rows.pop(key)
                if key in forgotten:
                    store.rows[key] = forgotten[key]
            complete = False
    last = history[-1][0]
    apply(store, compare(last, state, complete, 3, 2, recent=True).writes)
    assert set(store.content()) == set(last)
    for key, value in store.content().items():
        assert value[0] > last[key][0] or repr(value) == repr(last[key])


def test_what_a_first_comparison_ships_has_its_event_time_as_version() -> None:
    done = compare({("a", 1): (5, 1, 1.0)}, [], True, 10, 10)
    assert done.writes == [(("a", 1), (5, 1, 1.0), 5)]


def test_rows_that_tie_are_counted_and_give_the_same_row_in_any_order_and_split() -> None:
    rows = [
        {"a": "k", "b": 1, "event_timestamp": dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "n": n, "x": 0.0}
        for n in range(5)
    ]
    found = set()
    for order in (rows, rows[::-1], rows[2:] + rows[:2]):
        for size in (1, 2, 5):
            comparison = Comparison(VIEW, KEYS, True)
            with RowFile(pa.schema([*ROWS, ("_version", pa.int64())])) as changes:
                comparison.changes = changes
                stream = (pa.RecordBatch.from_pylist(order[i : i + size], ROWS) for i in range(0, 5, size))
                list(comparison.run(stream, iter(())))
                changes.finish()
                found.add(next(changes.read()).column("n")[0].as_py())
            assert comparison.counts.rows == 1
            assert comparison.entities.tied >= 1
    assert len(found) == 1


def test_rows_without_a_key_or_time_are_left_out_and_counted() -> None:
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    rows = [
        {"a": "", "b": 1, "event_timestamp": moment, "n": 1, "x": 1.0},
        {"a": "k", "b": 1, "event_timestamp": moment, "n": 1, "x": 1.0},
        {"a": "l", "b": 1, "event_timestamp": None, "n": 1, "x": 1.0},
        {"a": "m", "b": None, "event_timestamp": moment, "n": 1, "x": 1.0},
        {"a": None, "b": 1, "event_timestamp": moment, "n": 1, "x": 1.0},
    ]
    comparison = Comparison(VIEW, KEYS, True)
    list(comparison.run(iter([pa.RecordBatch.from_pylist(rows, ROWS)]), iter(())))
    assert (comparison.counts.rows, comparison.entities.incomplete) == (1, 4)


@pytest.mark.parametrize("size", [1, 2])
def test_a_warehouse_that_sorts_otherwise_is_noticed(size: int) -> None:
    moment = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    rows = [{"a": a, "b": 1, "event_timestamp": moment, "n": 1, "x": 1.0} for a in ("b", "a")]
    stream = (pa.RecordBatch.from_pylist(rows[i : i + size], ROWS) for i in range(0, 2, size))
    with pytest.raises(DataError, match="out of key order"):
        list(Comparison(VIEW, KEYS, True).run(stream, iter(())))
