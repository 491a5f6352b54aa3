"""Updates beside others: two at once, a notebook that holds the warehouse, a tampered release, a corrected day."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from e2e.conftest import Finished
from support.project import ONE, Project, state_of

MODEL = "card_fraud/model"
HOLD = """
import sys, duckdb
connection = duckdb.connect(sys.argv[1], read_only=True)
print("holding", flush=True)
sys.stdin.readline()
"""


@contextmanager
def notebook(warehouse: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the warehouse open until it is told to close it."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(warehouse)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        yield holder
    finally:
        if holder.poll() is None:
            holder.communicate("\n")


@contextmanager
def updating(project: Project) -> Iterator[subprocess.Popen[str]]:
    """An update at work; what is left of it at the end is killed."""
    process = project.start("run", *ONE)
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """The output of a process, up to the line with some text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    pytest.fail(f"{text!r} was not printed:\n{''.join(lines)}")


def newest_day(landing: Path) -> Path:
    return max((landing / "payments").iterdir())


def test_two_updates_and_a_notebook_at_once(finished: Finished) -> None:
    project = finished.project
    before = state_of(project.home)
    project("simulate", "--days", "1")
    with ExitStack() as at_once:
        holder = at_once.enter_context(notebook(project.home / "warehouse.duckdb"))
        first = at_once.enter_context(updating(project))
        assert f"PID {holder.pid}" in read_until(first, "waiting for")
        second = at_once.enter_context(updating(project))
        assert f"process {first.pid} is doing" in read_until(second, "waiting for the update")
        holder.communicate("\n")
        for process in (first, second):
            said, _ = process.communicate()
            assert process.returncode == 0, said
        assert "Everything is up to date" in said
    after = state_of(project.home)
    added = {table: after["tables"][table].keys() - days.keys() for table, days in before["tables"].items()}
    assert added["predictions.card_fraud"] == {newest_day(finished.landing).name}


def test_a_notebook_that_never_closes_the_warehouse_is_named(finished: Finished) -> None:
    project = Project(finished.project.home, finished.landing, (("ML_PLATFORM_LOCK_TIMEOUT_SECONDS", "2"),))
    project("simulate", "--days", "1")
    with notebook(project.home / "warehouse.duckdb") as holder:
        done = project("run", *ONE, check=False)
        assert project("status").stdout
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert f"PID {holder.pid}, and was for 2 s; close that program's connection" in said
    assert re.search(r"raw/\w+ failed: ", said)
    assert "stopped" in said
    assert "Traceback" not in said
    project("run", *ONE)


def test_a_corrected_day_a_tampered_release_and_the_way_back(finished: Finished) -> None:
    project = finished.project
    first = state_of(project.home)["releases"][MODEL]
    day = sorted((finished.landing / "payments").iterdir())[-20]
    file = next(day.glob("*.parquet"))
    payments = pq.read_table(file)
    pq.write_table(
        payments.set_column(
            payments.schema.get_field_index("amount"), "amount", pc.multiply(payments["amount"], 1.01)
        ),
        file,
    )
    before = state_of(project.home)["tables"]
    said = project("run", *ONE).stdout
    assert "raw/payments, 1 day" in said
    assert "raw/customers" not in said
    after = state_of(project.home)
    assert {
        d for d in before["raw.payments"] if before["raw.payments"][d] != after["tables"]["raw.payments"][d]
    } == {day.name}
    changed = (
        before["features.payment_features"].items() ^ after["tables"]["features.payment_features"].items()
    )
    assert min(d for d, _ in changed) == day.name
    releases = after["releases"][MODEL]
    assert len(releases) == len(first) + 1, said

    model = project.home / "registry" / "releases" / MODEL / releases[-1] / "model.ubj"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    project("simulate", "--days", "1")
    refused = project("run", *ONE, check=False)
    assert refused.returncode == 1
    assert "model.ubj does not have the digest" in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr

    said = project("releases", "rollback", *ONE, "--why", "it was tampered with", "--who", "me").stdout
    assert "serves now" in said
    project("run", *ONE)
    state = state_of(project.home)
    assert [change[1:] for change in state["changes"][MODEL]][-2:] == [
        ("release", releases[-1]),
        ("rollback", releases[-2]),
    ]
    history = project("releases", "list", *ONE).stdout
    assert "it was tampered with" in history
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

    predicted = DuckDBWarehouse(project.home / "warehouse.duckdb").table(
        "SELECT DISTINCT release FROM predictions.card_fraud WHERE day = $day",
        {"day": date.fromisoformat(newest_day(finished.landing).name)},
    )
    assert predicted.column("release").to_pylist() == [releases[-2]]
