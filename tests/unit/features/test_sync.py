"""Syncs to the embedded store: what is shipped, what is refused, and what a cut-off sync leaves behind."""

import datetime as dt
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.online import Bench, bench, customer, day

from ml_platform.errors import LockTimeoutError, NotFoundError, SchemaMismatchError, StoreUnavailableError
from ml_platform.features.online.base import Shipment
from ml_platform.features.online.records import Table
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.sync.parity import diff, parity
from ml_platform.features.sync.run import SyncRefusedError, preconditions
from ml_platform.features.views.describing import describe
from ml_platform.use_case import SyncGuard


@pytest.fixture
def b(tmp_path: Path) -> Bench:
    return bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db"))


def guarded(b: Bench, **guard: Any) -> None:
    b.view = b.view.model_copy(update={"guard": SyncGuard(**guard)})


def refused(b: Bench, **options: Any) -> dict[str, str]:
    """Names and descriptions of the preconditions that failed."""
    before = b.store.record(b.view.name)
    with pytest.raises(SyncRefusedError, match="nothing was shipped") as caught:
        b.sync(**options)
    assert b.store.record(b.view.name) == before
    return {outcome.name: outcome.description for outcome in caught.value.outcomes if not outcome.passed}


class Failing(SQLiteOnlineStore):
    """A store that is lost after some writes."""

    writes_left = 10**9

    def put(self, table: Table, shipment: Shipment) -> None:
        if self.writes_left <= 0:
            raise StoreUnavailableError("the store is gone; try again")
        self.writes_left -= 1
        super().put(table, shipment)


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with its size and time of change."""
    found = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    return {
        str(path): (s.st_size, s.st_mtime_ns)
        for path, s in found
        if not path.name.endswith((".lock", ".duckdb"))
    }


def test_only_what_changed_is_shipped(b: Bench) -> None:
    b.rows([customer(f"c{i}", 0, n=i) for i in range(20)])
    first = b.sync(data_end=day(1))
    assert (first.added, first.changed, first.deleted, first.unchanged, first.completed) == (
        20,
        0,
        0,
        0,
        True,
    )
    assert (first.staleness_before, first.staleness_after) == (None, 86_400.0)
    b.rows([customer(f"c{i}", 0, n=i) for i in range(1, 20)] + [customer("c1", 1, n=100), customer("new", 1)])
    second = b.sync(data_end=day(2))
    assert (second.added, second.changed, second.deleted, second.unchanged, second.rows) == (1, 1, 1, 18, 20)
    assert (second.staleness_before, second.staleness_after) == (2 * 86_400.0, 86_400.0)
    assert b.online("c0", "c1", "c2", "new") == [None, (100, 0.0), (2, 0.0), (0, 0.0)]


@pytest.mark.parametrize("rows_an_entity", [1, 2])
def test_a_sync_of_nothing_new_writes_nothing(b: Bench, tmp_path: Path, rows_an_entity: int) -> None:
    b.rows([customer(f"c{i}", at, n=i) for i in range(20) for at in range(rows_an_entity)])
    b.sync()
    observer = sqlite3.connect(tmp_path / "online.db")

    def seen() -> tuple[object, ...]:
        commits = observer.execute("PRAGMA data_version").fetchone()
        return files(tmp_path), commits, b.store.record("customers"), list(b.states.list("online/"))

    before = seen()
    result = b.sync()
    assert (result.shipped, result.unchanged, result.completed, result.bytes) == (0, 20, True, 0)
    assert seen() == before
    observer.close()


def test_the_newest_row_of_an_entity_is_online(b: Bench) -> None:
    late = customer("a", 2, n=3) | {"available_at": day(9)}
    b.rows([customer("a", 1, n=1), customer("a", 2, n=2), late, customer("b", 5, n=5)])
    b.sync(as_of=day(4))
    assert b.online("a", "b") == [(2, 0.0), None]
    b.sync()
    assert b.online("a", "b") == [(3, 0.0), (5, 0.0)]
    assert b.sync(as_of=day(4)).deleted == 0
    assert b.online("b") == [(5, 0.0)]


def test_an_older_event_does_not_replace_a_newer_one_unless_in_full(b: Bench) -> None:
    b.rows([customer("a", 5, n=5), customer("b", 5, n=5)])
    b.sync()
    b.rows([customer("a", 4, n=4), customer("b", 5, n=5)])
    result = b.sync()
    assert (result.kept, result.shipped) == (1, 0)
    assert b.online("a") == [(5, 0.0)]
    outcome = parity(b.view, b.warehouse, b.store)
    assert outcome.passed
    assert outcome.metadata["newer_online"] == 1
    assert b.sync(full=True).added == 2
    assert b.online("a", "b") == [(4, 0.0), (5, 0.0)]


def test_a_missing_relation_or_column_is_refused_by_name(b: Bench) -> None:
    with pytest.raises(NotFoundError, match=r"no relation features\.customers; build its dbt model first"):
        b.sync()
    b.rows([{"id": "a", "event_timestamp": day(0), "n": 1}])
    with pytest.raises(SchemaMismatchError, match="has no column mean"):
        b.sync()


@pytest.mark.parametrize(
    ("guard", "rows", "failing"),
    [
        ({"min_rows": 3}, [customer("a", 0), customer("b", 0)], "rows"),
        ({"max_null_share": {"n": 0.4}}, [customer("a", 0, n=None), customer("b", 0)], "nulls_n"),
        ({"ranges": {"n": (0, None)}}, [customer("a", 0, n=-1), customer("b", 0)], "range_n"),
        ({"ranges": {"mean": (None, 1.0)}}, [customer("a", 0, mean=1.5)], "range_mean"),
        ({"ranges": {"mean": (None, None)}}, [customer("a", 0, mean=float("nan"))], "range_mean"),
        ({"max_age": dt.timedelta(days=2)}, [customer("a", 0), customer("b", 1)], "freshness"),
        ({}, [customer("a", 0, n=1), customer("a", 0, n=2)], "keys"),
        ({}, [customer("", 0), customer("a", 0)], "keys"),
    ],
)
def test_a_failed_precondition_ships_nothing(
    b: Bench, guard: dict[str, Any], rows: list[dict[str, Any]], failing: str
) -> None:
    guarded(b, **guard)
    b.rows(rows)
    assert list(refused(b, data_end=day(4))) == [failing]
    outcomes = preconditions(b.view, b.warehouse, b.store, b.states, data_end=day(4))
    assert [outcome.name for outcome in outcomes if not outcome.passed] == [failing]
    assert b.sync(data_end=day(4), override=[failing]).completed


def test_the_blast_radius_is_limited_and_can_be_overridden_for_one_run(b: Bench) -> None:
    guarded(b, max_changed_share=0.3, max_deleted_share=0.3, max_row_drop=1.0)
    b.rows([customer(f"c{i}", 0, n=i) for i in range(10)])
    b.sync()
    b.rows([customer(f"c{i}", 0, n=-i) for i in range(10)])
    assert "90.0% would change (at most 30.0%)" in refused(b)["blast_radius"]
    assert b.sync(override=["blast_radius"]).changed == 9
    b.rows([customer(f"c{i}", 0, n=-i) for i in range(5)])
    assert "50.0% be deleted" in refused(b)["blast_radius"]
    guarded(b, max_row_drop=0.2)
    assert "5 entities, 10 in the last sync; at least 8 are required" in refused(b)["rows"]


@pytest.mark.parametrize("writes", range(4))
def test_a_store_lost_half_way_is_completed_by_the_next_sync(tmp_path: Path, writes: int) -> None:
    store = Failing(tmp_path / "online.db")
    b = bench(tmp_path, store)
    b.rows([customer(f"c{i}", 0, n=i) for i in range(8)])
    b.sync()
    content = [customer(f"c{i}", 0, n=10 * i) for i in range(1, 8)] + [customer("new", 1)]
    b.rows(content)
    store.writes_left = writes
    with pytest.raises(StoreUnavailableError):
        b.sync(rows_per_second=4)
    assert not store.record("customers").complete
    assert describe(b.view, b.warehouse, store)["complete"] is False
    store.writes_left = 10**9
    b.rows([customer(f"c{i}", 0, n=i if i % 2 else 10 * i) for i in range(1, 8)] + [customer("new", 1)])
    assert b.sync().completed
    assert b.online(*(f"c{i}" for i in range(8)), "new") == [
        None, *((i if i % 2 else 10 * i, 0.0) for i in range(1, 8)), (0, 0.0)
    ]  # fmt: skip
    assert b.sync().shipped == 0


def test_a_lost_state_or_store_is_noticed_and_filled_anew(b: Bench, tmp_path: Path) -> None:
    b.rows([customer("a", 0, n=1), customer("b", 0, n=2)])
    b.sync()
    for info in list(b.states.list("online/")):
        b.states.delete(info.key)
    b.rows([customer("a", 0, n=1)])
    result = b.sync()
    assert "there is no state of its last sync" in result.plan
    assert b.online("a", "b") == [(1, 0.0), None]
    b.store.close()
    for path in tmp_path.glob("online.db*"):
        path.unlink()
    assert b.sync().added == 1
    assert b.online("a", "b") == [(1, 0.0), None]
    assert len(list(b.states.list("online/"))) == 1


def test_a_rebuild_that_was_cut_off_goes_on_and_readers_see_the_old_table_until_then(tmp_path: Path) -> None:
    store = Failing(tmp_path / "online.db")
    b = bench(tmp_path, store)
    b.rows([customer(f"c{i}", 0, n=1) for i in range(8)])
    b.sync()
    b.rows([customer(f"c{i}", 0, n=2) for i in range(8)])
    store.writes_left = 2
    with pytest.raises(StoreUnavailableError):
        b.sync(full=True, rows_per_second=4)
    assert b.online("c0", "c7") == [(1, 0.0), (1, 0.0)]
    assert store.record("customers").complete
    store.writes_left = 10**9
    b.rows([customer(f"c{i}", 0, n=2) for i in range(1, 8)])
    assert b.sync().plan == "view customers: go on filling table customers__v2"
    assert b.online("c0", "c7") == [None, (2, 0.0)]


def test_a_paused_view_is_not_synced_until_it_is_resumed(b: Bench) -> None:
    b.rows([customer("a", 0)])
    b.store.pause("customers")
    assert not b.sync().completed
    with pytest.raises(NotFoundError):
        b.online("a")
    b.store.pause("customers", paused=False)
    assert b.sync().completed
    assert b.online("a") == [(0, 0.0)]


def test_a_second_sync_of_the_view_waits_and_says_for_whom(b: Bench) -> None:
    b.rows([customer("a", 0)])
    with b.store.lock("customers", 0), pytest.raises(LockTimeoutError, match=f"process {os.getpid()}"):
        b.sync(lock_timeout_seconds=0)
    assert b.sync().completed


def test_parity_finds_what_differs_and_diff_shows_it(b: Bench) -> None:
    b.rows([customer(f"c{i}", 0, n=i) for i in range(50)])
    b.sync()
    assert parity(b.view, b.warehouse, b.store).metadata["sampled"] == 50
    assert parity(b.view, b.warehouse, b.store, sample=10).metadata["sampled"] == 10
    b.rows([customer(f"c{i}", 0, n=i, mean=-0.0 if i == 7 else 0.0) for i in range(50)])
    outcome = parity(b.view, b.warehouse, b.store)
    assert not outcome.passed
    assert outcome.metadata["differing"] == 1
    assert outcome.metadata["examples"][0]["features"] == {"mean": ["-0.0", "0.0"]}
    shown = diff(b.view, ("c7",), b.warehouse, b.store)
    assert [(f.feature, f.offline, f.online, f.equal) for f in shown.features] == [
        ("n", 7, 7, True),
        ("mean", -0.0, 0.0, False),
    ]
    assert (shown.offline_event_timestamp, shown.online_event_timestamp) == (day(0), day(0))
    nobody = diff(b.view, ("nobody",), b.warehouse, b.store)
    assert nobody.equal
    assert nobody.online_event_timestamp is None


def test_what_has_expired_is_not_held_against_parity(tmp_path: Path) -> None:
    b = bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db"), ttl=dt.timedelta(days=1))
    b.rows([customer("a", 0, n=1), customer("b", 5, n=1)])
    b.sync()
    assert parity(b.view, b.warehouse, b.store).passed


def test_a_null_within_a_list_is_refused_before_anything_is_shipped(tmp_path: Path) -> None:
    b = bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db"), features=("v",))
    b.rows([{"id": "a", "event_timestamp": day(0), "v": [1.0, None]}])
    with pytest.raises(Exception, match="a list of v holds a null"):
        b.sync()
    assert b.store.record("customers").revision == 0


def test_a_view_is_described(b: Bench) -> None:
    b.rows([customer("a", 0)])
    assert describe(b.view, b.warehouse, b.store)["table"] is None
    b.sync()
    found = describe(b.view, b.warehouse, b.store)
    assert found["offline"] == found["online"] == {"id": "string", "n": "int64", "mean": "double"}
    assert (found["rows"], found["newest_event"], found["complete"]) == (1, day(0).isoformat(), True)
