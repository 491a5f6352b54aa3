"""Training in this process: what waits for nothing to start, and is seen by a debugger."""

import logging
from collections.abc import Callable
from pathlib import Path

from ml_platform.compute.attempts import Attempt, Attempts
from ml_platform.compute.base import Compute, Train, TrainingJob, TrainingResult

__all__ = ["InProcessCompute"]

_log = logging.getLogger(__name__)


class InProcessCompute(Compute):
    """Runs a job where it is asked for.

    Args:
        train: what a job does; see :func:`ml_platform.compute.training.train_job`.
        folder: of jobs at work on this machine, so that none is run twice at once.
    """

    def __init__(self, train: Train, folder: Path) -> None:
        self._train = train
        self._folder = folder

    def run(self, job: TrainingJob, progress: Callable[[str], None] = _log.info) -> TrainingResult:
        """Run a job here, unless another process is at it; see :meth:`Compute.run`."""
        attempts = Attempts(self._folder, job)
        while True:
            with attempts.begin() as attempt:
                if attempt is not None:
                    return self._attempt(job, attempt, progress)
            progress(f"{job.name} is being trained by another process already; waiting for it")
            outcome = attempts.wait(progress)
            if outcome is not None:
                return outcome.get()

    def attach(self, job: TrainingJob, progress: Callable[[str], None] = _log.info) -> TrainingResult | None:
        """Wait for another process; see :meth:`Compute.attach`."""
        outcome = Attempts(self._folder, job).wait(progress)
        return outcome.get() if outcome else None

    def _attempt(self, job: TrainingJob, attempt: Attempt, progress: Callable[[str], None]) -> TrainingResult:
        def tell(line: str) -> None:
            attempt.tell(line)
            progress(line)

        try:
            result = self._train(job, tell)
        except Exception as error:
            attempt.fail(error)
            raise
        attempt.succeed(result)
        return result
