"""Locks between processes: one holder, a bounded wait, and a word of whom is waited for."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ml_platform.errors import LockTimeoutError
from ml_platform.locks import lock_if_free, locked

HOLD = """
import sys
from pathlib import Path
from ml_platform.locks import locked
with locked(Path(sys.argv[1]), 10, busy=str, held=str):
    print("held", flush=True)
    sys.stdin.readline()
"""


def lock(path: Path, seconds: float, waiting: Callable[[str], None] = print) -> AbstractContextManager[None]:
    return locked(
        path,
        seconds,
        busy=lambda who: f"waiting for {who}",
        held=lambda who: f"{who} has it for more than {seconds} s; end it",
        waiting=waiting,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "x.lock"


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_held_for_too_long_names_its_holder(path: Path, holder: subprocess.Popen[str]) -> None:
    told: list[str] = []
    with (
        pytest.raises(LockTimeoutError, match=f"process {holder.pid} has it for more than 0.2 s; end it"),
        lock(path, 0.2, told.append),
    ):
        pass
    assert told == [f"waiting for process {holder.pid}"], "said once, however often it was tried"


def test_a_killed_holder_holds_nothing(path: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with lock(path, 0):
        assert path.read_text() == f"process {os.getpid()}"


def test_who_waits_long_enough_gets_it(path: Path, holder: subprocess.Popen[str]) -> None:
    def end(_: str) -> None:
        assert holder.stdin is not None
        holder.stdin.write("\n")
        holder.stdin.flush()

    with lock(path, 60, end):
        assert holder.wait() == 0


def test_one_at_a_time_also_among_threads(path: Path) -> None:
    inside: list[int] = []

    def count(_: int) -> int:
        with lock(path, 60, lambda _: None):
            inside.append(1)
            found = len(inside)
            inside.pop()
            return found

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(count, range(100))) == {1}


def test_an_error_within_gives_the_lock_back(path: Path) -> None:
    with pytest.raises(RuntimeError, match="within"), lock(path, 0):
        raise RuntimeError("within")
    with lock(path, 0):
        pass


def test_a_file_is_locked_if_nobody_has_it(path: Path, holder: subprocess.Popen[str]) -> None:
    with (
        path.open("a") as theirs,
        (path.parent / "other").open("a") as free,
        (path.parent / "other").open("a") as late,
    ):
        assert not lock_if_free(theirs)
        assert lock_if_free(free)
        assert not lock_if_free(late)
