"""Syncs killed at random moments of every phase, while readers check every row that they read.

``SYNC_KILLS`` sets the number of kills a store; ``-rP`` shows in which phases they fell.
"""

import contextlib
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from samples.killed import start
from support.cassandra_fixtures import settings_of
from support.cassandra_server import CassandraServer
from support.online import Bench, bench, day

from ml_platform.errors import NotFoundError, StoreUnavailableError
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.cassandra.settings import CassandraSettings
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.sync.parity import parity

KILLS = int(os.environ.get("SYNC_KILLS", "8"))
KILLS_A_ROUND = 4
ENTITIES = 2_000
FEATURES = tuple(f"f{i}" for i in range(8))
UNAVAILABLE = 3
"""What a sync's process ends with after a StoreUnavailableError."""

SYNC = """
import sys
from pathlib import Path
from support.online import bench
from ml_platform.errors import StoreUnavailableError
from ml_platform.features.online.cassandra.settings import CassandraSettings
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.sync.pace import Pace

folder, settings, features, kind, limit = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(","), *sys.argv[4:]
if settings:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore
    store = CassandraOnlineStore(CassandraSettings.model_validate_json(settings))
else:
    store = SQLiteOnlineStore(folder / "online.db")
b = bench(folder, store, features=tuple(features))

def telling(owner, method, phase):
    original = getattr(owner, method)
    def told(*arguments, **options):
        print(phase if isinstance(phase, str) else phase(*arguments), flush=True)
        return original(*arguments, **options)
    setattr(owner, method, told)

def replacing(old, new):
    return "begin" if new.building or not new.complete else "switch" if old.building else "complete"

telling(store, "lock", "lock")
telling(b.warehouse, "read", "compare")
telling(b.states, "write", "state")
telling(store, "create_table", "table")
telling(store, "replace_record", replacing)
telling(store, "put", "put")
telling(store, "remove", "remove")
telling(b.states, "list", "forget")
if not limit:
    Pace.batch_rows = 200  # many writes, so that there are many moments between them
print("ready", flush=True)
sys.stdin.readline()
try:
    print(b.sync(full=kind == "full", rows_per_second=float(limit) if limit else None).shipped, flush=True)
except StoreUnavailableError as error:
    print(error, flush=True)
    sys.exit(3)
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

    def start(self, kind: str = "changes", limit: float | None = None) -> subprocess.Popen[str]:
        """A sync in a process of its own, about to begin; it prints each phase that it enters."""
        settings = ""
        if self._settings is not None:
            settings = self._settings.model_dump_json(exclude={"password"})
        process = start(SYNC, self._folder, settings, ",".join(FEATURES), kind, limit or "")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def begin(self, process: subprocess.Popen[str]) -> None:
        """Let a sync begin."""
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()

    def completed(self, kind: str = "changes") -> dict[str, list[float]]:
        """Let a sync come to its end; the seconds of each phase, in the order of their occurrence."""
        process = self.start(kind)
        assert process.stdout is not None
        self.begin(process)
        seconds: dict[str, list[float]] = defaultdict(list)
        phase, since = "", time.monotonic()
        for line in process.stdout:
            now = time.monotonic()
            seconds[phase].append(now - since)
            phase, since = line.strip(), now
        process.communicate()
        assert process.returncode == 0
        del seconds[""]
        return dict(seconds)

    def killed(self, kind: str, phase: str, occurrence: int, seconds: float) -> str:
        """Kill a sync this long after it entered a phase for the n-th time.

        Returns:
            The phase in which it died; empty when it had ended before.
        """
        process = self.start(kind)
        assert process.stdout is not None
        self.begin(process)
        last, left = "", occurrence
        while line := process.stdout.readline():
            last = line.strip()
            left -= last == phase
            if left < 0:
                break
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        rest = process.communicate()[0].split()
        assert process.returncode in (0, -signal.SIGKILL)
        died = [last, *rest][-1]
        return "" if process.returncode == 0 or died.isdigit() else died

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
    """Threads that read until told to end, and keep what was wrong with what they read.

    ``torn`` are rows of which not all is from one version, ``older`` rows read after a newer one of the same
    entity, ``errors`` what reads raised.
    """

    def __init__(self, subject: Subject, count: int) -> None:
        self.torn: list[object] = []
        self.older: list[object] = []
        self.errors: list[Exception] = []
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

    def read_more(self) -> None:
        """Return when rows were read after this call."""
        before = self.rows
        while self.rows == before:
            assert any(thread.is_alive() for thread in self._threads)

    def _read(self, seed: int) -> None:
        chance, newest = random.Random(seed), dict[str, float]()
        b = self._subject.b
        while not self._ended.is_set():
            keys = [f"c{chance.randrange(ENTITIES)}" for _ in range(20)]
            try:
                rows = b.store.read(b.view, [(key,) for key in keys])
            except (NotFoundError, StoreUnavailableError) as error:
                self.errors.append(error)
                continue
            for key, row in zip(keys, rows, strict=True):
                if row.status == "missing":
                    continue
                version = row.values[0]
                whole = row.values == tuple(version + i / 10.0 for i in range(len(FEATURES)))
                dated = row.event_timestamp is not None and (row.event_timestamp - day(0)).days == version
                if not whole or not dated:
                    self.torn.append((key, row))
                if version < newest.get(key, version):
                    self.older.append((key, newest[key], row))
                newest[key] = version
                self.rows += 1


def killed_again_and_again(subject: Subject) -> None:
    """Kill syncs in every phase, in the order of chance; between rounds one ends and the store is compared."""
    chance = random.Random(1)
    subject.content(1)
    subject.completed()
    seconds = {}
    for version, kind in ((2, "changes"), (3, "full")):
        subject.content(version)
        seconds[kind] = subject.completed(kind)
    version, died, ended = 3, Counter[str](), 0
    with Readers(subject, 2) as readers:
        while died.total() < KILLS:
            if chance.random() < 0.5:
                version += 1
                subject.content(version)
            kind = chance.choice(("changes", "full"))
            phase = chance.choice(list(seconds[kind]))
            occurrence, length = chance.choice(list(enumerate(seconds[kind][phase])))
            if last := subject.killed(kind, phase, occurrence, chance.uniform(0, length)):
                died[f"{kind}: {last}"] += 1
            else:
                ended += 1
            if (died.total() + ended) % KILLS_A_ROUND == 0:
                subject.completed()
                subject.agrees()
        subject.completed()
    subject.agrees()
    print(f"{KILLS} killed in {dict(sorted(died.items()))}, {ended} ended before, {readers.rows} rows read")
    assert (readers.torn, readers.older, readers.errors) == ([], [], [])
    assert readers.rows
    assert parity(subject.b.view, subject.b.warehouse, subject.b.store).passed


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Subject]:
    store = SQLiteOnlineStore(tmp_path / "online.db")
    yield Subject(tmp_path, store, None)
    store.close()


@pytest.fixture
def cassandra(tmp_path: Path, cassandra_server: CassandraServer) -> Iterator[Subject]:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    settings = settings_of(cassandra_server)
    store = CassandraOnlineStore(settings)
    yield Subject(tmp_path, store, settings)
    store.close()


def test_killed_syncs_to_sqlite(sqlite: Subject) -> None:
    killed_again_and_again(sqlite)


@pytest.mark.cassandra
def test_killed_syncs_to_cassandra(cassandra: Subject) -> None:
    killed_again_and_again(cassandra)


@pytest.mark.parametrize("subject", ["sqlite", pytest.param("cassandra", marks=pytest.mark.cassandra)])
def test_two_syncs_at_once_take_turns(subject: str, request: pytest.FixtureRequest) -> None:
    chosen: Subject = request.getfixturevalue(subject)
    chosen.content(1)
    both = [chosen.start(), chosen.start()]
    for process in both:
        chosen.begin(process)
    shipped = sorted(int(process.communicate(timeout=120)[0].split()[-1]) for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert shipped == [0, ENTITIES * 9 // 10]
    chosen.agrees()


@pytest.mark.cassandra
def test_a_server_that_goes_under_a_sync_and_under_readers(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from ml_platform.features.online.cassandra.store import CassandraOnlineStore

    server = CassandraServer(tmp_path_factory.mktemp("cassandra")).start()
    chance = random.Random(2)
    try:
        settings = settings_of(server, write_timeout_seconds=3, read_timeout_seconds=2, max_backoff_seconds=2)
        store = CassandraOnlineStore(settings)
        subject = Subject(tmp_path, store, settings)
        subject.content(1)
        subject.b.sync()
        for version, end in ((2, server.stop), (3, server.kill)):
            with Readers(subject, 1) as readers:
                subject.content(version)
                process = subject.start(limit=400)
                subject.begin(process)
                record = store.record("customers")
                while store.record("customers") == record:
                    pass
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(chance.uniform(0, 1.5))
                end()
                server.start()
                said = process.communicate(timeout=180)[0]
                if process.returncode:
                    assert process.returncode == UNAVAILABLE
                    assert "check that it runs" in said or "sync again" in said
                # A crash after its end may have lost the record of it: what was acknowledged is not yet on disk.
                if process.returncode or not store.record("customers").complete:
                    subject.completed()
                subject.agrees()
                readers.read_more()
            assert not readers.torn
            assert end == server.kill or not readers.older
            assert all(isinstance(error, StoreUnavailableError) for error in readers.errors)
        store.close()
    finally:
        server.stop()
