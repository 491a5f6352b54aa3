"""The process that runs one job: ``python -m ml_platform.compute.worker <job.json>``, in the project's folder.

It knows the project's use cases and the settings of its environment, and nothing of Dagster. Everything that it finds
out is in the tracking server, and how it ended beside the job's file.
"""

import argparse
import importlib
import logging
import signal
import sys
from pathlib import Path
from types import FrameType

from ml_platform.compute.attempts import Attempts
from ml_platform.compute.base import Train, TrainingJob

__all__ = ["BUSY", "TRAIN", "main"]

BUSY = 75
"""Exit code: another process is at work on the job (``EX_TEMPFAIL``)."""


TRAIN = "ml_platform.compute.training:train_here"


def main(arguments: list[str] | None = None) -> int:
    """Run the job of a file.

    Returns:
        Exit code: 0, 1 for an error that the outcome tells, or :data:`BUSY`.
    """
    parser = argparse.ArgumentParser(prog="python -m ml_platform.compute.worker", description=__doc__)
    parser.add_argument("job", type=Path, help="the job as JSON, in a folder of its own")
    parser.add_argument("--attempt", help="id of the attempt; left out, a new one")
    parser.add_argument("--train", default=TRAIN, help="what the job does, as `module:function`")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, _end)
    file: Path = given.job.resolve()
    job = TrainingJob.from_json(file.read_bytes())
    with Attempts(file.parent.parent, job).begin(given.attempt) as attempt:
        if attempt is None:
            return BUSY
        try:
            module, _, name = given.train.partition(":")
            train: Train = getattr(importlib.import_module(module), name)
            attempt.succeed(train(job, attempt.tell))
        except Exception as error:
            logging.getLogger(__name__).exception("%s failed", job.name)
            attempt.fail(error)
            return 1
    return 0


def _end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 (the signature of a handler)
    sys.exit(128 + number)  # so that blocks are left in order, and the run is marked as failed


if __name__ == "__main__":
    sys.exit(main())
