"""Processes that are killed, at a chosen step or by the test."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from ml_platform.storage.folder import FolderStore


class DyingStore(FolderStore):
    """A folder store whose process is killed, as by ``kill -9``, right before or after its n-th write.

    Steps are counted from 0: an even one dies before a write, an odd one after it.
    """

    def __init__(self, root: Path, step: int) -> None:
        super().__init__(root)
        self._left = step

    def write(self, key: str, content: bytes | Path, **conditions: object) -> str:
        """Write, and perhaps die."""
        self._tick()
        try:
            return super().write(key, content, **conditions)  # type: ignore[arg-type]
        finally:
            self._tick()

    def _tick(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def survives(action: Callable[[], object]) -> bool:
    """Tell whether the action comes to its end in a process of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            action()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0, "the action failed; its traceback is above"
    return True


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    """Run a Python program with the tests' modules in reach; it may wait for :func:`go`."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


def go(processes: list[subprocess.Popen[str]]) -> list[str]:
    """Let processes that read a line first go on all at once; returns what each printed."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=120)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return printed
