"""Scratch folders that a killed process does not leave behind for long."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ml_platform.locks import lock_if_free, locked

__all__ = ["scratch_folder"]

LOCK_TIMEOUT_SECONDS = 60.0


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder under ``parent``, gone at the end; those of killed processes are removed first."""
    with locked(
        parent / "lock",
        LOCK_TIMEOUT_SECONDS,
        busy=lambda holder: f"waiting for {holder}, which tidies {parent}",
        held=lambda holder: (
            f"{holder} has been tidying {parent} for more than {LOCK_TIMEOUT_SECONDS:g} s; end it"
        ),
    ):
        for leftover in parent.glob("export-*"):
            with suppress(FileNotFoundError), (leftover / "lock").open("a") as held:
                if lock_if_free(held):  # else its process is alive
                    shutil.rmtree(leftover)
        folder = Path(tempfile.mkdtemp(prefix="export-", dir=parent))
        mine = (folder / "lock").open("a")
        lock_if_free(mine)  # nobody else knows it yet
    try:
        yield folder
    finally:
        mine.close()
        shutil.rmtree(folder, ignore_errors=True)
