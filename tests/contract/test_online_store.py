"""The contract of an online store, run on every backend."""

import asyncio
import contextlib
import datetime as dt
import itertools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.cassandra_fixtures import settings_of
from support.online import Bench, bench, customer, day

from ml_platform.errors import (
    ConfigurationError,
    ConflictError,
    DataError,
    LockTimeoutError,
    NotFoundError,
    SchemaMismatchError,
)
from ml_platform.features.online.base import OnlineStore, Row, Shipment
from ml_platform.features.online.columns import Column, micros
from ml_platform.features.online.records import Record, Table
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.sync.parity import parity
from ml_platform.features.sync.plan import prepare
from ml_platform.features.sync.run import plan_sync
from ml_platform.use_case import FeatureView

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "event_timestamp": pa.timestamp("us", tz="UTC"),
        "n": pa.int64(),
        "mean": pa.float64(),
    }
)


@pytest.fixture(params=["sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineStore]:
    if request.param == "sqlite":
        opened: OnlineStore = SQLiteOnlineStore(tmp_path / "online.db")
    else:
        from ml_platform.features.online.cassandra.store import CassandraOnlineStore

        opened = CassandraOnlineStore(settings_of(request.getfixturevalue("cassandra_server")))
    yield opened
    opened.close()


@pytest.fixture
def customers(store: OnlineStore, tmp_path: Path) -> Bench:
    return bench(tmp_path, store)


@pytest.fixture
def written(store: OnlineStore) -> FeatureView:
    """A view that its producer writes directly."""
    store.refresh_seconds = 0.0
    view = FeatureView(name="written", relation="features.written", entity=("id",), features=("n", "mean"))
    prepare(store, view, SCHEMA)
    return view


def batch(*rows: dict[str, Any]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(
        [{k: v for k, v in row.items() if k != "available_at"} for row in rows], SCHEMA
    )


VALUES: dict[str, tuple[pa.DataType, list[Any]]] = {
    "truth": (pa.bool_(), [True, False, None]),
    "tiny": (pa.int8(), [-128, 127, None]),
    "short": (pa.int16(), [-(2**15), 2**15 - 1, None]),
    "whole": (pa.int32(), [-(2**31), 2**31 - 1, None]),
    "long": (pa.int64(), [-(2**63), 2**63 - 1, None]),
    "unsigned": (pa.uint32(), [0, 2**32 - 1, None]),
    "single": (pa.float32(), [1.5, -0.0, None]),
    "number": (pa.float64(), [5e-324, -0.0, None]),
    "odd": (pa.float64(), [math.nan, math.inf, -math.inf]),
    "some_odd": (pa.float64(), [math.nan, None, 0.1]),
    "text": (pa.string(), ["", "Þórður 🐟 'x' \"y\"; --", None]),
    "raw": (pa.binary(), [b"", b"\x00\xff", None]),
    "date": (pa.date32(), [dt.date(1969, 7, 20), dt.date(2262, 4, 12), None]),
    "moment": (pa.timestamp("us", tz="UTC"), [day(0) + dt.timedelta(microseconds=1), day(-43_000), None]),
    "local": (pa.timestamp("us"), [day(0).replace(tzinfo=None), day(-43_000).replace(tzinfo=None), None]),
    "price": (pa.decimal128(20, 4), [Decimal("-1234567890.0500"), Decimal("0.0001"), None]),
    "embedding": (pa.list_(pa.float32()), [[0.5, -0.0, 2.0**100], [], None]),
    "precise": (pa.list_(pa.float64()), [[0.1, 5e-324], [], None]),
}  # fmt: skip


def test_every_type_reads_back_as_it_was(store: OnlineStore, tmp_path: Path) -> None:
    b = bench(tmp_path, store, features=tuple(VALUES))
    schema = pa.schema(
        {"id": pa.string(), "event_timestamp": pa.timestamp("us", tz="UTC")}
        | {k: t for k, (t, _) in VALUES.items()}
    )
    rows = [
        {"id": f"c{i}", "event_timestamp": day(i)} | {name: values[i] for name, (_, values) in VALUES.items()}
        for i in range(3)
    ]
    b.rows(rows, schema)
    b.sync()
    for i, row in enumerate(b.online("c0", "c1", "c2")):
        assert row is not None
        for name, value in zip(b.view.features, row, strict=True):
            expected = VALUES[name][1][i]
            assert repr(value) == repr(expected), name
            assert type(value) is type(expected), name
    assert parity(b.view, b.warehouse, store).passed
    assert b.sync().shipped == 0


def test_a_type_that_no_store_can_hold_is_refused_by_name(store: OnlineStore) -> None:
    view = FeatureView(name="v", relation="f.v", entity=("id",), features=("n",))
    schema = pa.schema({"id": pa.string(), "event_timestamp": pa.timestamp("us", tz="UTC"), "n": pa.uint64()})
    with pytest.raises(DataError, match=r"column n has type uint64.*cast"):
        prepare(store, view, schema)


@pytest.mark.parametrize(
    "entity", [("a",), ("d",), ("a", "t"), ("n", "d", "a"), ("m",), ("t",), ("u",), ("x",), ("k", "m")]
)
def test_keys_of_every_kind_and_number(store: OnlineStore, tmp_path: Path, entity: tuple[str, ...]) -> None:
    b = bench(tmp_path, store, entity=entity, features=("v",))
    keys = {
        "a": ["x", "é🐟", "z z"],
        "n": [-1, 2**40, 7],
        "d": [dt.date(1960, 1, 1), dt.date(2024, 2, 29), dt.date(2024, 3, 1)],
        "t": [day(0), day(1), day(2) + dt.timedelta(microseconds=3)],
        "m": [-(2**63), 0, 2**63 - 1],
        "u": [day(0).replace(tzinfo=None), day(-43_000).replace(tzinfo=None), day(5).replace(tzinfo=None)],
        "x": [b"\x00", b"\xff\x00", b"x"],
        "k": [True, False, True],
    }
    rows = [{name: keys[name][i] for name in entity} | {"event_timestamp": day(0), "v": i} for i in range(3)]
    b.rows(rows)
    b.sync()
    wanted = [tuple(row[name] for name in entity) for row in rows]
    assert b.online(*wanted, *reversed(wanted)) == [(0,), (1,), (2,), (2,), (1,), (0,)]
    assert {key for key, _ in store.scan(store.record(b.view.name).serving)} == set(wanted)  # type: ignore[arg-type]
    b.rows(rows[:1])
    assert b.sync(override=["blast_radius", "rows"]).deleted == 2
    assert b.online(*wanted) == [(0,), None, None]


def test_rows_come_in_the_order_asked_with_what_is_missing_said(customers: Bench) -> None:
    customers.rows([customer(f"c{i}", 0, n=i) for i in range(300)])
    customers.sync()
    keys = [f"c{(i * 7) % 400}" for i in range(1000)]
    rows = customers.store.read(customers.view, [(key,) for key in keys], ["n"])
    for key, row in zip(keys, rows, strict=True):
        known = int(key[1:]) < 300
        assert row.status == ("found" if known else "missing")
        assert row.values == ((int(key[1:]),) if known else (None,))
        assert row.event_timestamp == (day(0) if known else None)
    assert customers.store.read(customers.view, []) == []
    assert customers.store.read(customers.view, [("",)])[0].status == "missing"


def test_some_features_in_any_order(customers: Bench) -> None:
    customers.rows([customer("a", 0, n=1, mean=2.0)])
    customers.sync()
    assert customers.store.read(customers.view, [("a",)], ["mean", "n"])[0].values == (2.0, 1)
    assert customers.store.read(customers.view, [("a",)], ["mean"])[0].values == (2.0,)
    with pytest.raises(NotFoundError, match="has no feature nope online; it has n, mean"):
        customers.store.read(customers.view, [("a",)], ["nope"])


def test_reading_in_an_event_loop(customers: Bench) -> None:
    customers.rows([customer(f"c{i}", 0, n=i) for i in range(200)])
    customers.sync()

    async def read() -> list[tuple[Any, ...]]:
        parts = await asyncio.gather(
            *(
                customers.store.read_async(customers.view, [(f"c{i}",) for i in range(j, 210)], ["n"])
                for j in range(0, 200, 20)
            )
        )
        return [row.values for row in parts[0]]

    assert asyncio.run(read()) == [(i if i < 200 else None,) for i in range(210)]


def test_what_cannot_be_a_key_is_refused(customers: Bench) -> None:
    customers.rows([customer("a", 0)])
    customers.sync()
    for key in ((1,), ("a", "b"), "a", (None,), ("\ud800",), (-0.0,)):
        for keys in ([key], [("a",), key]):
            with pytest.raises(DataError, match="key"):
                customers.store.read(customers.view, keys)  # type: ignore[arg-type]


def test_a_number_that_its_key_column_cannot_hold_is_refused(store: OnlineStore, tmp_path: Path) -> None:
    b = bench(tmp_path, store, features=("v",))
    kinds = {"id": pa.int32(), "event_timestamp": pa.timestamp("us", tz="UTC"), "v": pa.int64()}
    b.rows([{"id": 2**31 - 1, "event_timestamp": day(0), "v": 1}], pa.schema(kinds))
    b.sync()
    assert b.online(2**31 - 1, -(2**31)) == [(1,), None]
    for number in (2**31, -(2**31) - 1, 2**64):
        for keys in ([(number,)], [(1,), (number,)]):
            with pytest.raises(DataError, match=r"id is int32.*cannot hold"):
                store.read(b.view, keys)


def test_a_number_with_fractions_is_no_key(store: OnlineStore) -> None:
    view = FeatureView(name="v", relation="f.v", entity=("mean",), features=("n",))
    with pytest.raises(DataError, match="a key is an integer, text, a date or a timestamp"):
        prepare(store, view, SCHEMA)


def test_texts_of_every_length_are_keys_or_missing(customers: Bench) -> None:
    texts = ["a\x00b", " ", "é" * 30_000, "x" * 65_535]
    customers.rows([customer(text, 0, n=i) for i, text in enumerate(texts)])
    customers.sync()
    assert customers.online(*texts, "x" * 65_536, "x" * 10**6) == [(i, 0.0) for i in range(4)] + [None, None]
    assert customers.online("x" * 65_536) == [None]


@pytest.mark.parametrize("bad", [{"id": None}, {"id": ""}, {"event_timestamp": None}])
def test_rows_without_key_or_time_are_not_written(
    store: OnlineStore, written: FeatureView, bad: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=r"row 1 of view written lacks its (id|event_timestamp)"):
        store.write(written, [batch(customer("a", 0), customer("b", 0) | bad)])
    assert store.read(written, [("a",)])[0].status == "missing"


def test_a_view_that_was_never_synced_says_so(customers: Bench) -> None:
    with pytest.raises(NotFoundError, match="customers is not in the online store; sync it first"):
        customers.online("a")


def test_values_expire_after_their_time_to_live(store: OnlineStore, tmp_path: Path) -> None:
    b = bench(tmp_path, store, ttl=dt.timedelta(days=3))
    b.rows([customer("old", 0, n=1), customer("new", 2, n=2)])
    b.sync()
    keys = [("old",), ("new",), ("none",)]

    def statuses(now: dt.datetime) -> list[str]:
        return [row.status for row in store.read(b.view, keys, now=now)]

    assert statuses(day(3) - dt.timedelta(microseconds=1)) == ["found", "found", "missing"]
    assert statuses(day(3)) == ["expired", "found", "missing"]
    expired = store.read(b.view, keys, now=day(100))[0]
    assert (expired.status, expired.values, expired.event_timestamp) == ("expired", (None, None), day(0))
    assert expired.age(day(100)) == dt.timedelta(days=100)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)])
def test_the_newer_event_wins_whoever_writes_last(
    store: OnlineStore, written: FeatureView, order: tuple[int, ...]
) -> None:
    for i in order:
        store.write(written, [batch(customer("a", i, n=i, mean=None if i == 2 else 1.0))])
    row = store.read(written, [("a",)])[0]
    assert (row.values, row.event_timestamp) == ((2, None), day(2))


def test_at_equal_times_the_same_row_stays_whole_whatever_the_order(
    store: OnlineStore, written: FeatureView
) -> None:
    one, two = customer("a", 1, n=1, mean=2.0), customer("a", 1, n=2, mean=1.0)
    found = []
    for key, order in (("x", (one, two)), ("y", (two, one)), ("z", (two, one, two, one))):
        for row in order:
            store.write(written, [batch(row | {"id": key})])
        found.append(store.read(written, [(key,)])[0].values)
    store.write(written, [batch(one | {"id": "w"}, two | {"id": "w"})])
    found.append(store.read(written, [("w",)])[0].values)
    assert found[0] in [(1, 2.0), (2, 1.0)]
    assert found == [found[0]] * 4


def test_what_was_deleted_does_not_come_back_by_an_older_write(
    store: OnlineStore, written: FeatureView
) -> None:
    store.write(written, [batch(customer("a", 5, n=5), customer("b", 5, n=5))])
    store.delete(written, [("a",), ("never there",)])
    assert [row.status for row in store.read(written, [("a",), ("b",)])] == ["missing", "found"]
    store.write(written, [batch(customer("a", 4, n=4))])
    store.write(written, [batch(customer("a", 5, n=5))])
    assert store.read(written, [("a",)])[0].status == "missing"
    store.write(written, [batch(customer("a", 6, n=6))])
    assert store.read(written, [("a",)])[0].values == (6, 0.0)


def test_a_synced_view_is_not_written_directly(customers: Bench) -> None:
    customers.rows([customer("a", 0)])
    customers.sync()
    with pytest.raises(ConfigurationError, match=r"synced from features\.customers"):
        customers.store.write(customers.view, [batch(customer("a", 9))])


def test_large_rows(store: OnlineStore, tmp_path: Path) -> None:
    b = bench(tmp_path, store, features=("vector", "text"))
    rows = [
        {
            "id": f"c{i}",
            "event_timestamp": day(0),
            "vector": [i + j / 7 for j in range(1500)],
            "text": "é" * 20_000,
        }
        for i in range(40)
    ]
    b.rows(rows)
    b.sync()
    for row, found in zip(rows, b.online(*(row["id"] for row in rows)), strict=True):
        assert found == (row["vector"], row["text"])


def test_values_of_a_megabyte(customers: Bench) -> None:
    customers.view = customers.view.model_copy(update={"features": ("text",)})
    texts = ["é" * 2**19, "x" * 2**20, "🐟" * 2**18]
    customers.rows([{"id": f"c{i}", "event_timestamp": day(0), "text": t} for i, t in enumerate(texts)])
    customers.sync()
    assert customers.online("c2", "c0", "c1", "c0") == [(texts[2],), (texts[0],), (texts[1],), (texts[0],)]


def test_events_of_any_year(customers: Bench) -> None:
    years = [dt.datetime(year, 1, 1, 0, 0, 0, 1, dt.UTC) for year in (1, 1969, 1970, 9999)]
    customers.rows([customer(f"c{y.year}", 0) | {"event_timestamp": y, "available_at": y} for y in years])
    customers.sync()
    rows = customers.store.read(customers.view, [(f"c{y.year}",) for y in years])
    assert [row.event_timestamp for row in rows] == years


def test_a_correction_at_the_same_time_is_shipped_whole(customers: Bench) -> None:
    customers.rows([customer("a", 0, n=9, mean=1.0), customer("b", 0, n=1, mean=None)])
    customers.sync()
    for n, mean in ((1, 9.0), (9, None), (None, 0.5), (1, 9.0)):
        customers.rows([customer("a", 0, n=n, mean=mean), customer("b", 0, n=1, mean=None)])
        assert customers.sync().changed == 1
        assert customers.online("a", "b") == [(n, mean), (1, None)]


def test_an_entity_that_went_can_come_back_with_the_same_time(customers: Bench) -> None:
    both = [customer("a", 0, n=1), customer("b", 0, n=2)]
    customers.rows(both)
    customers.sync()
    for _ in range(2):
        customers.rows(both[:1])
        assert customers.sync().deleted == 1
        assert customers.online("a", "b") == [(1, 0.0), None]
        customers.rows(both)
        assert customers.sync().added == 1
        assert customers.online("a", "b") == [(1, 0.0), (2, 0.0)]


def test_an_entity_that_went_can_come_back_with_an_older_time(customers: Bench) -> None:
    both = [customer("a", 0, n=1), customer("b", 5, n=2)]
    for rows, found in ((both, (2, 0.0)), (both[:1], None), ([both[0], customer("b", 3, n=3)], (3, 0.0))):
        customers.rows(rows)
        customers.sync()
        assert customers.online("b") == [found]


def test_corrections_use_up_versions_that_newer_events_still_win_over(customers: Bench) -> None:
    at = day(0)
    for n, microseconds in ((1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 2)):
        moment = at + dt.timedelta(microseconds=microseconds)
        customers.rows([customer("a", 0, n=n) | {"event_timestamp": moment, "available_at": moment}])
        assert customers.sync().shipped == 1
        row = customers.store.read(customers.view, [("a",)])[0]
        assert (row.values, row.event_timestamp) == ((n, 0.0), moment)


def test_replicas_agree_in_whatever_order_writes_arrive(store: OnlineStore, written: FeatureView) -> None:
    """As replicas, retries and clients with clocks of their own would deliver them, some twice."""
    table = store.record("written").serving
    assert table is not None
    at = micros(day(0))
    contents = {at: (1, 9.0), at + 1: (2, None), at + 3: (None, 3.0)}
    writes = [(version, True) for version in contents] + [(at + 1, False)]
    orders = list(itertools.permutations(writes))
    for step in range(len(writes) + 1):
        for i, order in enumerate(orders):
            version, puts = order[step % len(order)]
            row = dict(zip(("n", "mean"), contents[version], strict=True))
            rows = batch({"id": f"c{i}", "event_timestamp": day(0)} | row)
            versions = np.array([version])
            if puts:
                store.put(table, Shipment(rows, versions))
            else:
                store.remove(table, rows.select(["id"]), versions)
    keys = [(f"c{i}",) for i in range(len(orders))]
    assert {row.values for row in store.read(written, keys)} == {(None, 3.0)}
    store.remove(table, batch(*({"id": key} for (key,) in keys)).select(["id"]), np.full(len(keys), at + 3))
    store.put(table, Shipment(batch(customer("c0", 0)), np.array([at + 3])))
    assert {row.status for row in store.read(written, keys)} == {"missing"}


def test_writers_at_once_leave_no_mixture(store: OnlineStore, written: FeatureView) -> None:
    """Two producers that say different things of one entity and time."""

    def write(n: int) -> None:
        for i in range(10):
            store.write(written, [batch(customer(f"c{i}", 0, n=n, mean=-float(n)))])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (1, 2)))
    rows = [row.values for row in store.read(written, [(f"c{i}",) for i in range(10)])]
    assert set(rows) <= {(1, -1.0), (2, -2.0)}
    assert len(set(rows)) == 1


def test_a_longer_time_to_live_holds_for_what_is_stored_already(store: OnlineStore, tmp_path: Path) -> None:
    b = bench(tmp_path, store, ttl=dt.timedelta(days=3))
    b.rows([customer("a", 0, n=1)])
    b.sync()
    b.view = b.view.model_copy(update={"ttl": dt.timedelta(days=2)})
    assert (b.sync().shipped, b.online("a")) == (0, [(1, 0.0)])
    for ttl in (dt.timedelta(days=5), None):
        b.view = b.view.model_copy(update={"ttl": ttl})
        assert ("values are kept for longer than before" in b.sync().plan) == store.forgets
        assert b.online("a") == [(1, 0.0)]
        assert b.sync().shipped == 0


def test_a_table_of_another_schema_is_not_written(customers: Bench) -> None:
    table = customers.store.record("customers").serving
    assert table is None
    foreign = Table("customers__v1", (Column("id", "string"),), (Column("n", "string"),))
    customers.store.create_table(foreign)
    customers.rows([customer("a", 0)])
    with pytest.raises(SchemaMismatchError, match="drop or rename"):
        customers.sync()
    customers.store.drop_table("customers__v1")
    assert customers.sync().completed
    assert customers.online("a") == [(0, 0.0)]


def test_a_read_that_is_cancelled_harms_no_other(customers: Bench, caplog: pytest.LogCaptureFixture) -> None:
    customers.rows([customer(f"c{i}", 0, n=i) for i in range(500)])
    customers.sync()
    keys = [(f"c{i}",) for i in range(500)]

    async def read(cancelled: int) -> list[list[Row]]:
        tasks = [asyncio.create_task(customers.store.read_async(customers.view, keys)) for _ in range(20)]
        for _ in range(cancelled % 4):
            await asyncio.sleep(0)
        for task in tasks[: cancelled % 20]:
            task.cancel()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(a, list | asyncio.CancelledError) for a in answers)
        return [answer for answer in answers if isinstance(answer, list)]

    async def leave() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(customers.store.read_async(customers.view, keys), 0.001)

    for cancelled in range(0, 40, 3):
        asyncio.run(leave())  # the answer finds no loop any more
        for rows in asyncio.run(read(cancelled)):
            assert [row.values[0] for row in rows] == list(range(500))
    assert not caplog.records


def test_a_column_is_added_in_place(customers: Bench) -> None:
    customers.rows([customer("a", 0, n=1)])
    customers.sync()
    customers.view = customers.view.model_copy(update={"features": ("n", "mean", "extra")})
    customers.rows([customer("a", 0, n=1) | {"extra": "x"}])
    plan = plan_sync(customers.view, customers.warehouse, customers.store, customers.states)
    assert plan.action == "add"
    assert "add extra to table customers__v1" in plan.sentence
    with pytest.raises(NotFoundError, match="no feature extra"):
        customers.online("a")
    assert customers.sync().plan == plan.sentence
    assert customers.online("a") == [(1, 0.0, "x")]


def test_a_column_that_is_dropped_or_retyped_makes_a_new_table(customers: Bench) -> None:
    customers.rows([customer("a", 0, n=1)])
    customers.sync()
    old = customers.view
    customers.view = old.model_copy(update={"features": ("n",)})
    customers.rows([customer("a", 0) | {"n": "one"}])
    plan = plan_sync(customers.view, customers.warehouse, customers.store, customers.states)
    assert plan.action == "rebuild"
    assert "mean was dropped, n is now string (was int64)" in plan.sentence
    assert "customers__v1, which is kept until you drop it" in plan.sentence
    customers.sync()
    assert customers.online("a") == [("one",)]
    record = customers.store.record("customers")
    assert (record.serving.name, record.retired) == ("customers__v2", ("customers__v1",))  # type: ignore[union-attr]
    assert customers.store.drop_retired("customers") == ("customers__v1",)
    assert customers.store.record("customers").retired == ()
    assert customers.online("a") == [("one",)]


def test_a_reader_moves_to_the_new_table_when_the_old_one_is_dropped(customers: Bench) -> None:
    customers.rows([customer("a", 0, n=1)])
    customers.sync()
    customers.store.refresh_seconds = 3600.0
    assert customers.online("a") == [(1, 0.0)]
    customers.rows([customer("a", 0, n=2)])
    customers.sync(full=True)
    assert customers.online("a") == [(1, 0.0)]
    customers.store.drop_retired("customers")
    assert customers.online("a") == [(2, 0.0)]


def test_a_record_is_replaced_by_compare_and_swap(store: OnlineStore) -> None:
    first = store.replace_record(Record("v"), Record("v", paused=True))
    assert store.record("v") == first
    second = store.replace_record(first, Record("v"))
    for lost in (Record("v"), first):
        with pytest.raises(ConflictError, match="changed by somebody else"):
            store.replace_record(lost, Record("v", retired=("x",)))
    assert store.record("v") == second


def test_one_sync_at_a_time_holds_a_view(store: OnlineStore) -> None:
    with store.lock("v", 1):
        with store.lock("another", 0):
            pass
        with (
            pytest.raises(LockTimeoutError, match=r"view v is being synced by process \d+"),
            store.lock("v", 0),
        ):
            pass
    with store.lock("v", 0):
        pass


def test_a_scan_gives_every_row(customers: Bench) -> None:
    customers.rows([customer(f"c{i}", i % 5, n=i) for i in range(500)])
    customers.sync()
    table = customers.store.record("customers").serving
    assert table is not None
    rows = {key: row.values for key, row in customers.store.scan(table)}
    assert rows == {(f"c{i}",): (i, 0.0) for i in range(500)}
