"""Scratch folders that a killed process does not leave behind for long."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["scratch_folder"]


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder under ``parent``, gone at the end; those of killed processes are removed first."""
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / "lock").open("a") as creating:
        fcntl.flock(creating, fcntl.LOCK_EX)
        for leftover in parent.glob("export-*"):
            # BlockingIOError: its process is alive.
            with suppress(FileNotFoundError, BlockingIOError), (leftover / "lock").open("a") as held:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover)
        folder = Path(tempfile.mkdtemp(prefix="export-", dir=parent))
        mine = (folder / "lock").open("a")
        fcntl.flock(mine, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        mine.close()
        shutil.rmtree(folder, ignore_errors=True)
