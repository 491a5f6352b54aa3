"""Training in a process of its own on this machine: its memory and its crashes are its own."""

import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from ml_platform.compute.attempts import POLL_SECONDS, Attempts, Outcome, Tail
from ml_platform.compute.base import Compute, TrainingJob, TrainingResult
from ml_platform.compute.worker import BUSY, TRAIN
from ml_platform.errors import JobLostError

__all__ = ["SubprocessCompute"]

_log = logging.getLogger(__name__)
_END_SECONDS = 20.0
_SHOWN_LINES = 20


class SubprocessCompute(Compute):
    """Runs ``python -m ml_platform.compute.worker <job.json>``.

    The worker does not depend on who started it: when that process is killed it goes on, and whoever asks for the job
    next waits for it. When the caller is interrupted, it ends the worker that it started.

    Args:
        project: folder of the project whose use cases the worker loads.
        folder: of jobs at work on this machine.
        environment: added to that of this process; what ``Settings()`` reads.
        train: what a job does, as ``module:function``.
    """

    def __init__(
        self, project: Path, folder: Path, environment: Mapping[str, str], train: str = TRAIN
    ) -> None:
        self._train = train
        self._project = project
        self._folder = folder
        self._environment = environment

    def run(self, job: TrainingJob, progress: Callable[[str], None] = _log.info) -> TrainingResult:
        """Run a job in a worker, unless one is at it; see :meth:`Compute.run`."""
        attempts = Attempts(self._folder, job)
        while True:
            outcome = attempts.wait(progress)
            if outcome is not None:
                return outcome.get()
            outcome = self._attempt(job, attempts, progress)
            if outcome is not None:
                return outcome.get()

    def attach(self, job: TrainingJob, progress: Callable[[str], None] = _log.info) -> TrainingResult | None:
        """Wait for a worker, whoever started it; see :meth:`Compute.attach`."""
        outcome = Attempts(self._folder, job).wait(progress)
        return outcome.get() if outcome else None

    def _attempt(
        self, job: TrainingJob, attempts: Attempts, progress: Callable[[str], None]
    ) -> Outcome | None:
        """Run a worker to its outcome; None: another worker was faster, and is at work.

        Raises:
            JobLostError: it ended without a word.
        """
        id_ = uuid.uuid4().hex
        worker = ["-m", "ml_platform.compute.worker", str(attempts.job_file)]
        output = attempts.folder / f"output-{id_}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(  # noqa: S603 (this Python, and our own module)
                [sys.executable, *worker, "--attempt", id_, "--train", self._train],
                cwd=self._project,
                env={**os.environ, **self._environment, "PYTHONPATH": self._python_path()},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that what ends this process does not end it
            )
        _follow(process, Tail(attempts.folder, id_), progress)
        outcome = attempts.outcome(id_)
        if outcome is not None or process.returncode == BUSY:
            output.unlink(missing_ok=True)
            return outcome
        how = f"signal {-process.returncode}" if process.returncode < 0 else f"code {process.returncode}"
        said = output.read_text(errors="replace").strip().splitlines()[-_SHOWN_LINES:]
        hint = " (killed, perhaps for want of memory)" if process.returncode == -signal.SIGKILL else ""
        raise JobLostError(
            f"the process that trained {job.name} ended by {how}, without a result{hint}. Run it again; {output} holds "
            "what it printed" + (", at last: " + " | ".join(said) if said else ": nothing")
        )

    def _python_path(self) -> str:
        # The library that runs here, and not another one that is installed, is the worker's too.
        library = Path(__file__).parents[2]
        return os.pathsep.join([str(library), *filter(None, [os.environ.get("PYTHONPATH")])])


def _follow(process: "subprocess.Popen[bytes]", tail: Tail, progress: Callable[[str], None]) -> None:
    """Wait for a process, telling its progress; end it when this one is interrupted meanwhile."""
    try:
        while True:
            try:
                process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                tail.tell(progress)
                continue
            tail.tell(progress)
            return
    except BaseException:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise
