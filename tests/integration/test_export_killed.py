"""Exports that are killed: there is the whole snapshot or none, and the next export completes it."""

import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform.datasets import snapshot as snapshots
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import Dataset, Label
from ml_platform.warehouse.duckdb import DuckDBWarehouse

EXPORT = """
import os, signal, sys
from pathlib import Path
from ml_platform.storage.folder import FolderStore
from ml_platform.warehouse.duckdb import DuckDBWarehouse
sys.path.insert(0, sys.argv[1])
import test_export_killed as test

calls, last = 0, float(sys.argv[3])

def dying(method):
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls == last:
            os.kill(os.getpid(), signal.SIGKILL)
        result = method(*args, **kwargs)
        if calls + 0.5 == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

for kind, name in ((DuckDBWarehouse, "export"), (FolderStore, "write"), (FolderStore, "list")):
    setattr(kind, name, dying(getattr(kind, name)))
if last < 0:
    signal.setitimer(signal.ITIMER_REAL, -last)  # SIGALRM ends the process there and then
test.export(Path(sys.argv[2]))
print("exported")
"""

TABLES = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders AS
SELECT 'o' || i AS id, hash(i) / 7.0 AS amount, TIMESTAMPTZ '2003-01-01 00:00+00' + to_seconds(i * 100) AS occurred_at
FROM range(24000) AS t(i);
CREATE TABLE shop.returns AS SELECT id, occurred_at AS reported_at FROM shop.orders WHERE hash(id) % 20 = 0
"""
DATASET = Dataset(
    events="shop.orders",
    id="id",
    features=("amount",),
    label=Label(relation="shop.returns", id="id", available_at="reported_at", delay=timedelta(days=1)),
)


def export(folder):
    """Rows in five files."""
    snapshots.ROWS_PER_FILE = 5_000
    return snapshots.export_snapshot(
        "orders",
        DATASET,
        DuckDBWarehouse(folder.parent / "warehouse.duckdb", scratch=folder / "scratch"),
        FolderStore(folder / "objects"),
        as_of=datetime(2003, 2, 1, tzinfo=UTC),
        upstream={},
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Folder of the warehouse, and the objects of an export that nobody killed."""
    folder = tmp_path_factory.mktemp("export")
    warehouse = DuckDBWarehouse(folder / "warehouse.duckdb")
    for statement in TABLES.split(";"):
        warehouse.execute(statement)
    assert export(folder / "undisturbed").created
    return folder


def objects(folder):
    store = FolderStore(folder / "objects")
    return {info.key: store.read(info.key)[0] for info in store.list()}


def run(folder, last):
    command = [sys.executable, "-c", EXPORT, str(Path(__file__).parent), str(folder), str(last)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


# Calls are: the warehouse's export, five files, the manifest, the listing; n.5 is just after the n-th.
@pytest.mark.parametrize(
    "last", [1, 2, 3.5, 6.5, 7, 7.5, *(-x for x in random.Random(5).choices(range(5, 20), k=3))]
)
def test_a_killed_export_is_completed_by_the_next(undisturbed, last, request):
    folder = undisturbed / f"killed-{request.node.name}"
    killed = run(folder, last if last > 0 else last / 10)
    if killed.returncode:
        assert killed.returncode in {-signal.SIGKILL, -signal.SIGALRM}, killed.stderr
        snapshot = snapshots.latest(FolderStore(folder / "objects"), "orders")
        if last > 0:
            assert (snapshot is not None) == (last == 7.5), "it is there once its manifest is"
        if snapshot is not None:
            assert snapshot.table().num_rows == 24_000

    again = run(folder, 0)

    assert again.stdout == "exported\n", again.stderr
    assert objects(folder) == objects(undisturbed / "undisturbed")
    assert [path.name for path in (folder / "scratch").iterdir()] == ["lock"]


def test_two_exports_at_once_make_one_snapshot(undisturbed):
    folder = undisturbed / "at-once"
    command = [sys.executable, "-c", EXPORT, str(Path(__file__).parent), str(folder), "0"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in both] == ["exported\n"] * 2
    assert objects(folder) == objects(undisturbed / "undisturbed")
