"""Looking only at entities whose marks differ finds what comparing all whole rows does."""

import dataclasses
import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.online import Bench, bench, customer, day

from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.sync import screening as screening_module
from ml_platform.features.sync.comparison import Comparison
from ml_platform.features.sync.run import SyncResult
from ml_platform.features.sync.screening import Entries, Screening
from ml_platform.features.sync.state import open_state
from ml_platform.use_case import FeatureView, SyncGuard
from ml_platform.warehouse.duckdb import DuckDBWarehouse
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

VIEW = FeatureView(
    name="v", relation="f.v", entity=("a", "b"), features=("n",), guard=SyncGuard(ranges={"n": (0, None)})
)
KEYS = [pa.field("a", pa.string()), pa.field("b", pa.int32())]
ROWS = pa.schema(
    [*KEYS, ("event_timestamp", pa.timestamp("us", tz="UTC")), ("n", pa.int64()), ("_mark", pa.uint64())]
)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Content = dict[tuple[str, int], tuple[int, int | None]]
contents = st.dictionaries(
    st.tuples(st.sampled_from(["a", "ab", "é", "🐟"]), st.integers(-1, 1)),
    st.tuples(st.integers(0, 2), st.none() | st.integers(0, 1)),
    max_size=10,
)


def batches(content: Content, size: int) -> Iterator[pa.RecordBatch]:
    rows = [
        {
            "a": a,
            "b": b,
            "event_timestamp": EPOCH + dt.timedelta(microseconds=e),
            "n": n,
            "_mark": e * 4 + (3 if n is None else n),
        }
        for (a, b), (e, n) in sorted(content.items())
    ]
    for start in range(0, len(rows), size):
        yield pa.RecordBatch.from_pylist(rows[start : start + size], ROWS)


@dataclass
class Options:
    complete: bool
    recent: bool
    as_of: dt.datetime | None
    size: int
    base_size: int


def compared(
    rows: Iterator[pa.RecordBatch], base: Iterator[pa.RecordBatch], options: Options
) -> tuple[Comparison, Entries]:
    sinks = Entries(), Entries(), Entries()
    comparison = Comparison(VIEW, KEYS, options.complete, options.as_of, *sinks, options.recent)
    for _ in comparison.run(rows, base):
        pass
    return comparison, sinks[2]


def listed(sink: Any) -> list[dict[str, Any]]:
    return [row for batch in sink.batches for row in batch.to_pylist()]


@settings(deadline=None, max_examples=12)
@given(
    st.lists(
        st.tuples(
            contents,
            st.builds(
                Options,
                st.booleans(),
                st.booleans(),
                st.none() | st.integers(0, 2).map(lambda us: EPOCH + dt.timedelta(microseconds=us)),
                st.sampled_from([1, 3, 100]),
                st.sampled_from([1, 2, 100]),
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_screening_leaves_what_a_comparison_of_all_rows_leaves(
    history: list[tuple[Content, Options]],
) -> None:
    state: list[pa.RecordBatch] = []
    for content, options in history:
        base = [b.slice(i, options.base_size) for b in state for i in range(0, b.num_rows, options.base_size)]
        expected, entries = compared(batches(content, options.size), iter(base), options)
        screening = Screening(VIEW, options.complete, single=True)
        for _ in screening.run(batches(content, options.size), iter(base)):
            pass
        assert screening.possible
        suspects = {key: content[key] for key in screening.suspects}
        part, part_entries = compared(batches(suspects, options.size), iter(screening.rest), options)
        merged = Entries()
        screening.merge_into(merged, iter(base), part_entries, recent=options.recent)
        assert listed(merged) == listed(entries)
        assert listed(part.changes) == listed(expected.changes)
        assert listed(part.deletes) == listed(expected.deletes)
        counts = part.counts
        both = (counts.unchanged + screening.same, counts.known + screening.same, screening.rows, counts.kept)
        whole = expected.counts
        assert both == (whole.unchanged, whole.known, whole.rows, whole.kept)
        assert (screening.newest_us, screening.spreads) == (expected.newest_us, expected.spreads)
        state = entries.batches


class MarklessDialect(DuckDBDialect):
    """The SQL of an engine that has no hash of rows."""

    def mark(self, columns: Any) -> None:
        return None


class Markless(DuckDBWarehouse):
    """A warehouse of which the platform knows no hash."""

    dialect = MarklessDialect()


def random_rows(chance: random.Random, at: int) -> list[dict[str, Any]]:
    """A few entities with one or several rows, some of them awkward."""
    numbers = [0.0, -0.0, 1.5, float("nan"), None]
    keys = [f"c{i}" for i in range(30) if chance.random() < 0.9]
    rows = [customer(key, at, chance.randrange(3), chance.choice(numbers)) for key in keys]
    rows = [row | {"v": chance.choice([None, [], [0.0], [-0.0], [1.0, 2.0]])} for row in rows]
    if chance.random() < 0.5:  # older rows of the same entities
        rows += [row | {"event_timestamp": day(at - 1), "n": 7} for row in rows if chance.random() < 0.3]
    if chance.random() < 0.3:  # a tie
        rows.append(rows[0] | {"n": 9})
    if chance.random() < 0.3:  # a row without a time, of an entity that has another one or not
        rows.append(rows[1] | {"id": chance.choice([rows[1]["id"], "lost"]), "event_timestamp": None})
    chance.shuffle(rows)
    return rows


def left_by(b: Bench, result: SyncResult) -> Any:
    """All that a sync says and leaves, but for time, size and marks."""
    said = dataclasses.asdict(dataclasses.replace(result, seconds=0.0, bytes=0))
    (info,) = b.states.list("online/")
    with open_state(b.states, info.key) as reader:
        state = reader.read_all().drop_columns(["_mark"]).to_pylist()
    table = b.store.record("customers").serving
    assert table is not None
    return repr(said), state, repr(sorted(b.store.scan(table), key=lambda row: row[0]))


@pytest.mark.parametrize("seed", range(2))
def test_a_warehouse_with_marks_and_one_without_leave_the_same(tmp_path: Path, seed: int) -> None:
    guard = SyncGuard(
        max_null_share={"mean": 1.0}, ranges={"n": (0, 10)}, max_changed_share=1.0, max_row_drop=1.0
    )
    b = bench(tmp_path, SQLiteOnlineStore(tmp_path / "a.db"), features=("n", "mean", "v"), guard=guard)
    other = dataclasses.replace(
        b, warehouse=Markless(b.warehouse.path, threads=1), store=SQLiteOnlineStore(tmp_path / "b.db")
    )
    other.states = type(b.states)(tmp_path / "others")
    chance = random.Random(seed)
    options = {"override": ["keys", "range_n", "nulls_mean"]}
    rows = random_rows(chance, 3)
    for step in range(6):
        b.rows(rows)
        assert left_by(b, b.sync(**options)) == left_by(other, other.sync(**options))
        few = random_rows(chance, chance.choice([2, 3, 4]))
        changed = {row["id"]: row for row in few[:4]}
        rows = (
            few if step % 3 == 2 else [row for row in rows if row["id"] not in changed] + [*changed.values()]
        )


def test_too_much_to_look_at_is_compared_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening_module, "MOST", 3)
    b = bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db"))
    b.rows([customer(f"c{i}", 0, n=i) for i in range(10)])
    b.sync()
    b.rows([customer(f"c{i}", 0, n=-i) for i in range(10)])
    assert b.sync(override=["blast_radius"]).changed == 9
    assert b.online("c7") == [(-7, 0.0)]
    assert b.sync().shipped == 0


def test_keys_of_several_columns_and_kinds_are_fetched(tmp_path: Path) -> None:
    names = ("id", "number", "date_of", "at_time", "flag", "raw")
    b = bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db"), entity=names, features=("n",))

    def row(i: int, n: int) -> dict[str, Any]:
        key = (f"c{i}", i, dt.date(2019, 1, 1 + i), day(i), i % 2 == 0, bytes([i + 1]))
        return {**dict(zip(names, key, strict=True)), "event_timestamp": day(0), "n": n}

    b.rows([row(i, 0) for i in range(5)])
    b.sync()
    b.rows([row(i, i // 3) for i in range(1, 6)])
    result = b.sync(override=["blast_radius"])
    assert (result.added, result.changed, result.deleted, result.unchanged) == (1, 2, 1, 2)
    assert b.online(tuple(row(4, 0)[name] for name in names)) == [(1,)]
