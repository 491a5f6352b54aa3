"""Attempts at a job on one machine: who is at work on it, how far it is, and how it ended.

A folder a job holds a lock that the kernel gives back when its process ends, however it ends; the id of the newest
attempt; and of each attempt its progress, line by line, and its outcome, written whole. So a killed attempt is never
answered by an older one, nor a finished one by a newer.
"""

import importlib
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ml_platform.compute.base import TrainingJob, TrainingResult
from ml_platform.errors import JobFailedError
from ml_platform.locks import lock_if_free

__all__ = ["POLL_SECONDS", "Attempt", "Attempts", "Failure", "Outcome", "Tail"]

POLL_SECONDS = 0.1
_ATTEMPT = "attempt"
_OUTCOME = "outcome-"
_PROGRESS = "progress-"
_KEPT = 20  # attempts whose files are kept, for those who have not read them yet


class Failure(BaseModel):
    """An error of a job: where its class is, its message, and its traceback for a person."""

    module: str
    name: str
    message: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """The failure that tells of an error."""
        return cls(
            module=type(error).__module__,
            name=type(error).__qualname__,
            message=str(error),
            traceback="".join(traceback.format_exception(error)),
        )

    def error(self) -> Exception:
        """The error, of its own class if that can be made of a message, else a JobFailedError."""
        made: Exception | None = None
        try:
            found: Any = importlib.import_module(self.module)
            for part in self.name.split("."):
                found = getattr(found, part)
            candidate = found(self.message)
            if isinstance(candidate, Exception) and str(candidate) == self.message:
                made = candidate
        except Exception:  # noqa: BLE001 (a class that only the job can make: its name and message are told instead)
            made = None
        made = made or JobFailedError(f"the job failed with {self.module}.{self.name}: {self.message}")
        made.add_note(f"In the job's process:\n{self.traceback}")
        return made


class Outcome(BaseModel):
    """The end of an attempt: a result, or a failure."""

    result: TrainingResult | None = None
    failure: Failure | None = None

    def get(self) -> TrainingResult:
        """The result. Raises the job's error."""
        if self.result is None:
            raise self.failure.error() if self.failure else JobFailedError("the job left no result")
        return self.result


class Attempt:
    """An attempt at work: it tells its progress, and how it ends."""

    def __init__(self, id_: str, folder: Path) -> None:
        self.id = id_
        self._folder = folder

    def tell(self, line: str) -> None:
        """Add a line to the progress."""
        with _progress_of(self._folder, self.id).open("a", encoding="utf-8") as file:
            file.write(line.replace("\n", " ") + "\n")

    def succeed(self, result: TrainingResult) -> None:
        """Leave the result."""
        self._end(Outcome(result=result))

    def fail(self, error: BaseException) -> None:
        """Leave the error."""
        self._end(Outcome(failure=Failure.of(error)))

    def _end(self, outcome: Outcome) -> None:
        _write(self._folder / f"{_OUTCOME}{self.id}", outcome.model_dump_json())


class Attempts:
    """The attempts at one job.

    Args:
        root: folder of all jobs.
        job: which.
    """

    def __init__(self, root: Path, job: TrainingJob) -> None:
        self.folder = root / job.key
        self.job_file = self.folder / "job.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.job_file, job.to_json())

    @contextmanager
    def begin(self, id_: str | None = None) -> Iterator[Attempt | None]:
        """Hold the job for an attempt of that id; None when another process, or thread, is at work on it."""
        with self._held() as held:
            if not held:
                yield None
                return
            attempt = Attempt(id_ or uuid.uuid4().hex, self.folder)
            self._remove_old()
            _write(self.folder / _ATTEMPT, attempt.id)
            yield attempt

    def wait(self, progress: Callable[[str], None]) -> Outcome | None:
        """Wait for whoever is at work, and return how it ended; None when nobody was, or who was ended without a word.

        Args:
            progress: told each line of the attempt's progress, once.
        """
        tail, met, pause = Tail(self.folder), False, threading.Event()
        while True:
            with self._held() as free:
                if free and not met:
                    return None
                tail.tell(progress)
                if free:
                    return self.outcome(_newest_of(self.folder))
            met = True
            pause.wait(POLL_SECONDS)

    def outcome(self, id_: str | None) -> Outcome | None:
        """Outcome of the attempt of that id; None when it left nothing."""
        path = self.folder / f"{_OUTCOME}{id_}"
        return Outcome.model_validate_json(path.read_bytes()) if path.exists() else None

    def _remove_old(self) -> None:
        for kind in (_OUTCOME, _PROGRESS):
            by_age = sorted(self.folder.glob(f"{kind}*"), key=lambda path: path.stat().st_mtime)
            for old in by_age[:-_KEPT]:
                old.unlink(missing_ok=True)

    @contextmanager
    def _held(self) -> Iterator[bool]:
        with (self.folder / "lock").open("a") as file:
            yield lock_if_free(file)


class Tail:
    """The lines that an attempt adds to its progress; of the attempt of that id, or of whichever is the newest."""

    def __init__(self, folder: Path, id_: str | None = None) -> None:
        self._folder = folder
        self._follows_newest = id_ is None
        self._id = id_
        self._position = 0

    def tell(self, progress: Callable[[str], None]) -> None:
        """Tell each whole line that was added since the last call."""
        newest = _newest_of(self._folder) if self._follows_newest else self._id
        if newest != self._id:
            self._id, self._position = newest, 0
        path = _progress_of(self._folder, self._id or "")
        if not path.is_file():
            return
        with path.open("rb") as file:
            file.seek(self._position)
            whole, _, _ = file.read().rpartition(b"\n")
        if whole:
            self._position += len(whole) + 1
            for line in whole.decode("utf-8", "replace").split("\n"):
                progress(line)


def _progress_of(folder: Path, id_: str) -> Path:
    return folder / f"{_PROGRESS}{id_}"


def _newest_of(folder: Path) -> str | None:
    path = folder / _ATTEMPT
    return path.read_text() if path.exists() else None


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    scratch = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)
