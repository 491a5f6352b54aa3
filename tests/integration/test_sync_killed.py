"""Syncs killed at random moments while readers check every row that they read."""

import contextlib
import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from samples.killed import start
from support.cassandra_fixtures import settings_of
from support.cassandra_server import CassandraServer
from support.online import Bench, bench, day

from ml_platform.errors import NotFoundError, StoreUnavailableError
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.cassandra_settings import CassandraSettings
from ml_platform.features.online.sqlite import SQLiteOnlineStore
from ml_platform.features.parity import parity

ENTITIES = 2_000
FEATURES = tuple(f"f{i}" for i in range(8))

SYNC = """
import sys
from pathlib import Path
from support.online import bench
from ml_platform.features.online.cassandra_settings import CassandraSettings
from ml_platform.features.online.sqlite import SQLiteOnlineStore

folder, settings, features = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
if settings:
    from ml_platform.features.online.cassandra import CassandraOnlineStore
    store = CassandraOnlineStore(CassandraSettings.model_validate_json(settings))
else:
    store = SQLiteOnlineStore(folder / "online.db")
b = bench(folder, store, features=tuple(features))
print("ready", flush=True)
sys.stdin.readline()
print(b.sync(rows_per_second=float(sys.argv[4]) if len(sys.argv) > 4 else None).shipped, flush=True)
"""


class Subject:
    """A store under syncs in processes of their own, whose every version has one number in all its features."""

    def __init__(self, folder: Path, store: OnlineStore, settings: CassandraSettings | None) -> None:
        self.b: Bench = bench(folder, store, features=FEATURES)
        self._folder = folder
        self._settings = settings

    def content(self, version: int) -> None:
        """Make the warehouse hold a version: a third of the entities are newer, some come and some go."""
        select = ", ".join(f"v + {i} / 10.0 AS {name}" for i, name in enumerate(FEATURES))
        sql = f"""CREATE OR REPLACE TABLE features.customers AS
            SELECT id, TIMESTAMPTZ '{day(0).isoformat()}' + v * INTERVAL 1 DAY AS event_timestamp, {select}
            FROM (SELECT 'c' || i AS id, {version} - ({version} + i) % 3 AS v FROM range({ENTITIES}) t(i)
                  WHERE i % 10 <> {version} % 10)"""
        self.b.warehouse.execute("CREATE SCHEMA IF NOT EXISTS features")
        self.b.warehouse.execute(sql)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """A sync in a process of its own, about to begin."""
        settings = ""
        if self._settings is not None:
            settings = self._settings.model_dump_json(exclude={"password"})
        process = start(SYNC, self._folder, settings, ",".join(FEATURES), *arguments)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def begin(self, process: subprocess.Popen[str]) -> None:
        """Let a sync begin."""
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    def agrees(self) -> None:
        """Assert that every row online is as the warehouse has it, and no other is."""
        sql = f"SELECT id, event_timestamp, {', '.join(FEATURES)} FROM features.customers"
        offline = {
            (row.pop("id"),): (int((row.pop("event_timestamp") - day(0)).days), tuple(row.values()))
            for row in self.b.warehouse.table(sql).to_pylist()
        }
        record = self.b.store.record("customers")
        assert record.complete
        assert record.serving is not None
        first = int(day(0).timestamp()) * 10**6
        online = {
            key: ((row.event_us - first) // 86_400_000_000, row.values)
            for key, row in self.b.store.scan(record.serving)
        }
        assert online == offline


class Readers:
    """Threads that read until told to end, and keep what was wrong with what they read."""

    def __init__(self, subject: Subject, count: int) -> None:
        self.wrong: list[Any] = []
        self.rows = 0
        self._subject = subject
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(seed,)) for seed in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _read(self, seed: int) -> None:
        chance, newest = random.Random(seed), dict[str, float]()
        b = self._subject.b
        while not self._ended.is_set():
            keys = [f"c{chance.randrange(ENTITIES)}" for _ in range(20)]
            try:
                rows = b.store.read(b.view, [(key,) for key in keys])
            except (NotFoundError, StoreUnavailableError):
                continue
            for key, row in zip(keys, rows, strict=True):
                if row.status == "missing":
                    newest.pop(key, None)
                    continue
                version = row.values[0]
                whole = row.values == tuple(version + i / 10.0 for i in range(len(FEATURES)))
                dated = row.event_timestamp is not None and (row.event_timestamp - day(0)).days == version
                if not whole or not dated or version < newest.get(key, version):
                    self.wrong.append((key, newest.get(key), row))
                newest[key] = version
                self.rows += 1


def killed_again_and_again(subject: Subject, kills: int, seconds: float) -> None:
    """Kill syncs at random moments of what they do, with new content every other time; then let one end."""
    chance = random.Random(1)
    subject.content(1)
    first = subject.start()
    subject.begin(first)
    assert first.wait(120) == 0
    survived = 0
    with Readers(subject, 2) as readers:
        for kill in range(kills):
            if kill % 2 == 0:
                subject.content(2 + kill)
            process = subject.start()
            subject.begin(process)
            try:
                survived += process.wait(chance.uniform(0, seconds)) == 0
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            process.communicate()
        subject.content(2 + kills)
        last = subject.start()
        subject.begin(last)
        assert last.wait(120) == 0
    assert not readers.wrong
    assert readers.rows
    assert survived < kills
    subject.agrees()
    assert parity(subject.b.view, subject.b.warehouse, subject.b.store).passed


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Subject]:
    store = SQLiteOnlineStore(tmp_path / "online.db")
    yield Subject(tmp_path, store, None)
    store.close()


@pytest.fixture
def cassandra(tmp_path: Path, cassandra_server: CassandraServer) -> Iterator[Subject]:
    from ml_platform.features.online.cassandra import CassandraOnlineStore

    settings = settings_of(cassandra_server)
    store = CassandraOnlineStore(settings)
    yield Subject(tmp_path, store, settings)
    store.close()


def test_killed_syncs_to_sqlite(sqlite: Subject) -> None:
    killed_again_and_again(sqlite, kills=12, seconds=0.5)


@pytest.mark.cassandra
def test_killed_syncs_to_cassandra(cassandra: Subject) -> None:
    killed_again_and_again(cassandra, kills=8, seconds=2.0)


@pytest.mark.parametrize("subject", ["sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
def test_two_syncs_at_once_take_turns(subject: str, request: pytest.FixtureRequest) -> None:
    chosen: Subject = request.getfixturevalue(subject)
    chosen.content(1)
    both = [chosen.start(), chosen.start()]
    for process in both:
        chosen.begin(process)
    shipped = sorted(int(process.communicate(timeout=120)[0]) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert shipped == [0, ENTITIES * 9 // 10]
    chosen.agrees()


@pytest.mark.cassandra
def test_a_server_that_dies_under_a_sync_and_under_readers(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from ml_platform.features.online.cassandra import CassandraOnlineStore

    server = CassandraServer(tmp_path_factory.mktemp("cassandra")).start()
    chance = random.Random(2)
    try:
        settings = settings_of(server, write_timeout_seconds=3, max_backoff_seconds=2, write_attempts=60)
        store = CassandraOnlineStore(settings)
        subject = Subject(tmp_path, store, settings)
        subject.content(1)
        subject.b.sync()
        with Readers(subject, 1) as readers:
            for version in (2, 3, 4):
                subject.content(version)
                process = subject.start(400)
                subject.begin(process)
                record = store.record("customers")
                while store.record("customers") == record:
                    pass
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, 2))
                server.kill()
                server.start()
                process.communicate(timeout=180)
                while process.returncode:  # it said that it was cut off; the next one completes it
                    process = subject.start()
                    subject.begin(process)
                    process.communicate(timeout=180)
                subject.agrees()
        assert readers.rows
        store.close()
    finally:
        server.stop()
