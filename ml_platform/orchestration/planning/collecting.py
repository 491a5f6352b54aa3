"""Gathers from the events of a run what an update reports: what was made, what it said, what went wrong."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
from dagster import DagsterEventType
from dagster._core.execution.plan.objects import ErrorSource
from dagster_shared.error import SerializableErrorInfo

from ml_platform.errors import DataError, LockTimeoutError, MLPlatformError

__all__ = ["Collector", "Done", "Failure", "Made"]


@dataclass(frozen=True)
class Done:
    """One finished step: its assets, how many partitions of them, seconds, and its error."""

    keys: tuple[dg.AssetKey, ...]
    partitions: int
    seconds: float
    error: str = ""


@dataclass
class Made:
    """All that was materialised of one asset: partitions (0: it has none), rows, and what the last one said."""

    partitions: int = 0
    rows: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def add(self, partition: str | None, metadata: Mapping[str, Any]) -> None:
        """Take in one more materialisation."""
        self.partitions += partition is not None
        self.rows += int(metadata.get("dagster/partition_row_count", metadata.get("dagster/row_count", 0)))
        self.metadata = metadata

    def join(self, other: "Made") -> None:
        """Take in what a later run made of the same asset."""
        self.partitions, self.rows = self.partitions + other.partitions, self.rows + other.rows
        self.metadata = other.metadata


@dataclass(frozen=True)
class Failure:
    """The error that a step raised: the name of its class, and its message."""

    kind: str
    message: str

    @property
    def of_data(self) -> bool:
        """Tell whether input data was refused: other partitions may be better."""
        return self.kind in _names(DataError)

    @property
    def of_lock(self) -> bool:
        """Tell whether another process kept a lock: what comes next would wait as long, for nothing."""
        return self.kind in _names(LockTimeoutError)

    @classmethod
    def of(cls, error: SerializableErrorInfo | None, otherwise: str) -> "Failure":
        """The platform's own error, with its remedy, rather than what Dagster wrapped it in or what caused it."""
        errors = list(_chain(error))
        if not errors:
            return cls("", otherwise)
        ours = _names(MLPlatformError)
        for found in errors:
            if found.cls_name in ours:
                return cls(found.cls_name, found.message.partition(": ")[2].strip())
        return cls(errors[-1].cls_name or "", errors[-1].message.strip())


class Collector:
    """Called with each event of one run.

    ``failures`` has what each step raised, and the event that said so; ``interrupted`` is whether a person or a
    supervisor ended a step.
    """

    def __init__(self) -> None:
        self.steps: list[Done] = []
        self.checks: list[dg.AssetCheckEvaluation] = []
        self.failures: dict[str, tuple[Failure, dg.DagsterEvent]] = {}
        self.materialized: dict[dg.AssetKey, Made] = defaultdict(Made)
        self.interrupted = False
        self._by_step: dict[str, set[dg.AssetKey]] = defaultdict(set)

    @property
    def made(self) -> frozenset[dg.AssetKey]:
        """The assets that were materialised."""
        return frozenset(self.materialized)

    def __call__(self, event: dg.DagsterEvent) -> None:
        """Take note of an event."""
        step = event.step_key or ""
        if event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            made = event.step_materialization_data.materialization
            said = {name: value.value for name, value in made.metadata.items()}
            self.materialized[event.asset_key].add(made.partition, said)
            self._by_step[step].add(event.asset_key)
        elif event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
            self.checks.append(event.asset_check_evaluation_data)
        elif event.event_type == DagsterEventType.STEP_SUCCESS:
            keys = tuple(sorted(self._by_step[step]))  # none: a step of checks alone
            partitions = max((self.materialized[key].partitions for key in keys), default=0)
            self.steps.append(Done(keys, partitions, event.step_success_data.duration_ms / 1000))
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            failure = Failure.of(event.step_failure_data.error, f"step {step} failed")
            self.failures[step] = (failure, event)
            self.interrupted |= event.step_failure_data.error_source is ErrorSource.INTERRUPT
            self.steps.append(Done(tuple(sorted(self._by_step[step])), 0, 0.0, failure.message))


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause


def _names(root: type[Exception]) -> set[str]:
    """Names of an error's class and of those that derive from it."""
    return {root.__name__}.union(*(_names(below) for below in root.__subclasses__()))
