"""The work that jobs do in tests of compute: write into a folder of the test instead of training."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

from ml_platform.compute.base import TrainingJob, TrainingResult
from ml_platform.errors import DataError

PATIENCE = 60.0


class OddError(Exception):
    """An error of a use case's own, which cannot be made of a message."""

    def __init__(self, rows: int, why: str) -> None:
        super().__init__(f"{rows} rows are {why}")


class PlainError(ValueError):
    """An error of a use case's own, which can."""


def job(folder: Path, does: str = "finish", **parameters: object) -> TrainingJob:
    """A job whose ``folder`` takes notes."""
    return TrainingJob(
        use_case="parcels",
        model="model",
        snapshot="d1",
        champion=None,
        parameters={"folder": str(folder), "does": does, **parameters},
        seed=0,
    )


def train(job: TrainingJob, progress: Callable[[str], None]) -> TrainingResult:
    """Note that it began, do what the job says, and note that it ended."""
    folder, does = Path(str(job.parameters["folder"])), job.parameters["does"]
    number = len(list(folder.glob("begun-*")))
    (folder / f"begun-{number}").write_text(str(os.getpid()))
    progress(f"attempt {number} began")
    if does == "wait":
        pause, left = threading.Event(), PATIENCE
        while not (folder / "go").exists() and left > 0:
            pause.wait(0.02)
            left -= 0.02
        does = job.parameters.get("then", does)
    if does == "fail":
        raise DataError("the history is too short; bring more days")
    if does == "fail plainly":
        raise PlainError("no such team")
    if does == "fail oddly":
        raise OddError(3, "odd")
    if does == "exit":
        os._exit(3)
    (folder / f"ended-{number}").touch()
    progress(f"attempt {number} ended\nwell")
    return TrainingResult(run_id=f"run-{number}", key=job.key, created=True, judgement="gates/x.json")
