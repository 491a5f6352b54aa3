"""Several processes on one DuckDB file, and writers that are killed."""

import logging
import os
import random
import signal
import subprocess
import sys
import threading
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from ml_platform.errors import ConfigurationError, LockTimeoutError, UnreadableFileError
from ml_platform.warehouse.duckdb import DuckDBWarehouse

HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=sys.argv[2] == "reading")
print("held", flush=True)
sys.stdin.readline()
connection.close()
print("closed", flush=True)
"""

REPLACE_FOREVER = """
import itertools, sys
from datetime import date
from pathlib import Path
import pyarrow as pa
from ml_platform.warehouse.duckdb import DuckDBWarehouse
warehouse = DuckDBWarehouse(Path(sys.argv[1]))
days = [date(2000, 1, 1), date(2000, 1, 2)]
schema = pa.schema([("n", pa.int64()), ("day", pa.date32())])
print("writing", flush=True)
for n in itertools.count(int(sys.argv[2])):
    def batches():
        for day in days * 10:
            yield pa.record_batch({"n": [n] * 3000, "day": [day] * 3000}, schema=schema)
    warehouse.replace_partitions("raw.things", "day", days, batches(), schema)
    print(n, flush=True)
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "warehouse.duckdb"
    DuckDBWarehouse(path).execute("CREATE TABLE things AS SELECT 1 AS n")
    return path


@pytest.mark.parametrize("use", ["reading", "writing"])
def test_who_meets_a_lock_waits_and_says_for_whom(
    path: Path, use: str, caplog: pytest.LogCaptureFixture
) -> None:
    holder = start(HOLD, path, use)
    told = threading.Event()

    class Tell(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.set()

    logger = logging.getLogger("ml_platform.warehouse.duckdb_connection")
    handler = Tell()
    logger.addHandler(handler)

    def release() -> None:
        told.wait(60)
        holder.communicate("close\n")

    thread = threading.Thread(target=release)
    thread.start()
    try:
        with caplog.at_level(logging.INFO, logger.name):
            assert DuckDBWarehouse(path, lock_timeout_seconds=60).scalar("SELECT n FROM things") == 1
    finally:
        told.set()
        thread.join()
        logger.removeHandler(handler)
    assert f"waiting for {path}: held by python" in caplog.text
    assert f"PID {holder.pid}" in caplog.text
    assert "s of 60 s)" in caplog.text


def test_the_wait_is_bounded_and_names_the_holder_and_the_remedy(path: Path) -> None:
    holder = start(HOLD, path, "writing")
    warehouse = DuckDBWarehouse(path, lock_timeout_seconds=0.2)
    with pytest.raises(LockTimeoutError, match=rf"PID {holder.pid}\b.*close") as caught:
        warehouse.scalar("SELECT n FROM things")
    assert str(path) in str(caught.value)
    patient = DuckDBWarehouse(path, lock_timeout_seconds=3600)
    with pytest.raises(LockTimeoutError):  # the next step of the same update: the holder is still that one
        patient.scalar("SELECT n FROM things")
    holder.communicate("close\n")
    assert warehouse.scalar("SELECT n FROM things") == 1


def test_a_reader_that_is_left_early_holds_nothing(path: Path) -> None:
    warehouse = DuckDBWarehouse(path)
    with warehouse.read("SELECT range FROM range(1000000)", batch_rows=10) as reader:
        reader.read_next_batch()
    holder = start(HOLD, path, "writing")  # fails if this process still had the file
    holder.communicate("close\n")
    assert holder.returncode == 0


def test_a_killed_replace_leaves_the_old_days_or_the_new(tmp_path: Path) -> None:
    path, random_, written = tmp_path / "warehouse.duckdb", random.Random(0), 0
    for _ in range(6):
        writer = start(REPLACE_FOREVER, path, written + 1)
        assert writer.stdout is not None
        for _ in range(random_.randrange(3)):
            writer.stdout.readline()
        for _ in range(random_.randrange(30_000)):  # some work of this process, instead of a sleep
            path.exists()
        os.kill(writer.pid, signal.SIGKILL)
        confirmed = [int(line) for line in writer.communicate()[0].split()]
        warehouse = DuckDBWarehouse(path)
        if not warehouse.exists("raw.things"):
            continue
        rows = warehouse.table(
            "SELECT day, n, count(*) AS rows FROM raw.things GROUP BY ALL ORDER BY day"
        ).to_pylist()
        assert [(row["day"], row["rows"]) for row in rows] == [(date(2000, 1, d), 30_000) for d in (1, 2)]
        assert len({row["n"] for row in rows}) == 1
        assert rows[0]["n"] >= max(confirmed, default=0), "a confirmed write was lost"
        written = rows[0]["n"]
    schema = pa.schema([("n", pa.int64()), ("day", pa.date32())])
    assert DuckDBWarehouse(path).replace_partitions("raw.things", "day", [date(2000, 1, 1)], [], schema) == 0


def test_processes_that_create_a_warehouse_together_all_succeed(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from ml_platform.warehouse.duckdb import DuckDBWarehouse
DuckDBWarehouse(Path(sys.argv[1])).execute("CREATE TABLE IF NOT EXISTS things AS SELECT 1 AS n")
"""
    path = tmp_path / "new" / "warehouse.duckdb"
    command = [sys.executable, "-c", program, str(path)]
    assert [p.wait(60) for p in [subprocess.Popen(command) for _ in range(4)]] == [0] * 4
    assert DuckDBWarehouse(path).scalar("SELECT n FROM things") == 1
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("damage", ["text", "empty", "cut", "overwritten"])
def test_a_damaged_file_is_named_with_the_remedy(path: Path, damage: str) -> None:
    DuckDBWarehouse(path).execute("INSERT INTO things SELECT range FROM range(200000)")
    content = path.read_bytes()
    path.write_bytes(
        {
            "text": b"these are no tables" * 1000,
            "empty": b"",
            "cut": content[:5000],
            "overwritten": content[:12_288] + b"x" * (len(content) - 12_288),
        }[damage]
    )
    with pytest.raises(UnreadableFileError, match=r"damaged.*move it away") as caught:
        DuckDBWarehouse(path).scalar("SELECT sum(n) FROM things")
    assert str(path) in str(caught.value)


def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path, tmp_path / "file" / "warehouse.duckdb"):
        with pytest.raises(ConfigurationError, match=str(path)):
            DuckDBWarehouse(path).scalar("SELECT 1")
