"""The contract of compute: a training as a job, which is plain data, and who runs it."""

import hashlib
import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ml_platform.declaration import NAME

__all__ = ["Compute", "Train", "TrainingJob", "TrainingResult"]

_log = logging.getLogger(__name__)


class Message(BaseModel):
    """Base of what is handed to another process: immutable, strict about unknown fields, JSON there and back."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> str:
        """JSON of one line. Keys are in the order of declaration; those of mappings as they were given."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what :meth:`to_json` wrote. Raises pydantic.ValidationError."""
        return cls.model_validate_json(text)


class TrainingJob(Message):
    """One training, and the judgement of what it leaves.

    Example::

        TrainingJob(use_case="card_fraud", model="model", snapshot=version, champion=None, parameters={}, seed=0)
    """

    use_case: str = Field(pattern=NAME)
    model: str = Field(pattern=NAME, description="One of the use case's models.")
    snapshot: str = Field(min_length=1, description="Version of the snapshot of the use case's dataset.")
    champion: str | None = Field(description="Version of the release that it is judged against.")
    parameters: Mapping[str, JsonValue] = Field(description="Given to `train`, in place of those declared.")
    seed: int

    @property
    def key(self) -> str:
        """Hash of the job, 32 hex digits: equal jobs, equal keys, whatever the order of the parameters."""
        text = json.dumps(json.loads(self.to_json()), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """The model that it trains: ``<use_case>/<model>``."""
        return f"{self.use_case}/{self.model}"


class TrainingResult(Message):
    """The record that a job left in the tracking server: the run, by which all else is found."""

    run_id: str
    key: str = Field(description="Training key, of data, code, parameters and libraries.")
    created: bool = Field(description="False when the run was there before, and answered.")
    judgement: str = Field(description="The run's artifact that holds the gate's outcomes.")


Train = Callable[[TrainingJob, Callable[[str], None]], TrainingResult]
"""``train(job, progress)``: what a job does, wherever it runs."""


class Compute(ABC):
    """Runs training jobs, each once: whoever asks for a job that is at work waits for it.

    A job that is killed, or whose caller is, leaves nothing that the next call would not complete or find: there is at
    most one finished run of a training. An error of the job arrives as what was raised, with its class and message.

    Example: ``compute.run(job).run_id``.
    """

    @abstractmethod
    def run(self, job: TrainingJob, progress: Callable[[str], None] = _log.info) -> TrainingResult:
        """Run a job, or wait for the process that runs it already, and return its result.

        Args:
            job: what to train.
            progress: told what is being done, as the job tells it.

        Raises:
            JobLostError: the job's process ended without a word (it was killed, or its machine was lost).
            Exception: whatever the job raised.
        """

    @abstractmethod
    def attach(self, job: TrainingJob, progress: Callable[[str], None] = _log.info) -> TrainingResult | None:
        """Wait for a job that another process runs, and return its result; None when nobody runs it.

        Raises:
            Exception: whatever the job raised.
        """
