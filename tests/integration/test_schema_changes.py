"""Columns of a view that change while services read: no error, no half table, no null where a value was."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.cassandra_fixtures import settings_of
from support.online import Bench, bench, customer

from ml_platform.errors import NotFoundError
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.use_case import FeatureView

ENTITIES = 400
KEYS = [(f"c{i}",) for i in range(ENTITIES)]

Values = tuple[Any, ...]


@pytest.fixture(params=["sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[OnlineStore, OnlineStore]]:
    """The store as the sync and as a service have it."""
    if request.param == "sqlite":
        both: list[OnlineStore] = [SQLiteOnlineStore(tmp_path / "online.db") for _ in range(2)]
    else:
        from ml_platform.features.online.cassandra.store import CassandraOnlineStore

        settings = settings_of(request.getfixturevalue("cassandra_server"))
        both = [CassandraOnlineStore(settings) for _ in range(2)]
    yield both[0], both[1]
    for store in both:
        store.close()


@contextlib.contextmanager
def read_all_the_while(
    store: OnlineStore, view: FeatureView, right: Callable[[int, Values, Values | None], bool]
) -> Iterator[None]:
    """Read every entity again and again, and fail if a read failed or a row was not right.

    ``right`` is given the entity's number, its values, and those read before. A feature that no row had yet
    may be unknown.
    """
    ended, wrong, last = threading.Event(), list[object](), list[Values]()

    def read() -> None:
        while not ended.is_set():
            try:
                rows = store.read(view, KEYS)
            except NotFoundError as error:
                if last or "just declared" not in str(error):
                    wrong.append(error)
            except Exception as error:  # noqa: BLE001 (whatever a service would meet)
                wrong.append(error)
            else:
                for i, row in enumerate(rows):
                    if row.status != "found" or not right(i, row.values, last[i] if last else None):
                        wrong.append((i, row, last[i] if last else None))
                last[:] = [row.values for row in rows]

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not wrong, wrong[:3]
    assert last


def synced(b: Bench, sentence: str) -> None:
    """Sync slowly, and assert that the sentence was said while the tables were as before."""
    before, said = b.store.record("customers"), []

    def hear(text: str) -> None:
        said.append((text, replace(b.store.record("customers"), revision=before.revision) == before))

    assert b.sync(progress=hear, rows_per_second=ENTITIES).completed
    assert sentence in said[0][0]
    assert said[0][1]


def test_columns_that_come_go_and_change_while_services_read(
    stores: tuple[OnlineStore, OnlineStore], tmp_path: Path
) -> None:
    b = bench(tmp_path, stores[0])
    service = stores[1]
    service.refresh_seconds = 0.1
    old = b.view
    b.rows([customer(key, 0, n=i) for i, (key,) in enumerate(KEYS)])
    b.sync()

    wide = b.view = old.model_copy(update={"features": ("n", "mean", "extra")})
    b.rows([customer(key, 0, n=i) | {"extra": i} for i, (key,) in enumerate(KEYS)])
    with (
        read_all_the_while(service, old, lambda i, values, _: values == (i, 0.0)),
        read_all_the_while(
            service,
            wide,
            lambda i, values, last: values[2] == i or (values[2] is None and not (last and last[2])),
        ),
    ):
        synced(b, "add extra to table customers__v1, null until this sync has filled it")

    narrow = b.view = old.model_copy(update={"features": ("n",)})
    b.rows([customer(key, 0) | {"n": f"t{i}"} for i, (key,) in enumerate(KEYS)])
    with read_all_the_while(
        service,
        narrow,
        lambda i, values, last: values == (f"t{i}",) or (values == (i,) and last in (None, (i,))),
    ):
        synced(
            b, "n is now string (was int64); table customers__v2 will be filled and then take the place of"
        )
        service.refresh_seconds = 3600.0
        assert b.store.drop_retired("customers") == ("customers__v1",)
        assert service.read(narrow, KEYS[:1])[0].values == ("t0",)
    with pytest.raises(NotFoundError, match="has no feature mean online; it has n"):
        service.read(old, KEYS[:1])
