"""The gate's outcomes for a run: judged once for each champion and declaration, and kept among the run's artifacts."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ml_platform.checks import CheckOutcome
from ml_platform.errors import NotFoundError
from ml_platform.models.evaluation import gates
from ml_platform.models.frameworks.base import FittedModel, framework
from ml_platform.models.training.data import LabelledRows
from ml_platform.models.training.splits import Fold
from ml_platform.models.training.tracking import FinishedRun
from ml_platform.models.training.versions import code_version
from ml_platform.use_case import Model

__all__ = ["Champion", "Judgement", "gate_version", "judged", "newest_judgement", "read_judgement"]


FOLDER = "gates"


class Champion(NamedTuple):
    """The release that a candidate is judged against: its version, and the model that was loaded from it."""

    version: str
    model: FittedModel


@dataclass(frozen=True)
class Judgement:
    """The verdict of the gate.

    Attributes:
        path: the run's artifact that holds it.
        sha256: digest of that artifact.
        champion: version of the release that it was judged against; None: there was none.
        outcomes: one a check.
    """

    path: str
    sha256: str
    champion: str | None
    outcomes: tuple[CheckOutcome, ...]


def gate_version(model: Model) -> str:
    """Version of what judges a model: the declared gate, its own checks, and the library's."""
    declared = model.gate.model_dump_json(exclude={"checks": {"__all__": {"function"}}})
    own = code_version(
        gates, *(check.function for check in model.gate.checks), *(m.function for m in model.metrics)
    )
    return hashlib.sha256(f"{declared}{own}".encode()).hexdigest()[:16]


def judged(
    model: Model,
    run: FinishedRun,
    folder: Path,
    report: dict[str, Any],
    champion: Champion | None,
    rows: Callable[[], LabelledRows],
) -> Judgement:
    """The judgement that is stored for this champion and this gate, or a new one.

    Args:
        model: the declaration.
        run: the candidate's.
        folder: its model's files.
        report: its report.
        champion: what is released now.
        rows: reads the snapshot; asked only for a new judgement.
    """
    against = f"{gate_version(model)} {champion.version if champion else ''}"
    path = f"{FOLDER}/{hashlib.sha256(against.encode()).hexdigest()[:16]}.json"
    if run.read(path) is None:
        newest = report["folds"][0]
        windows = ("train_start", "train_end", "test_start", "test_end")
        fold = Fold(*(datetime.fromisoformat(newest[name]) for name in windows))
        outcomes = gates.judge(
            model,
            framework(model.framework).load(folder),
            folder,
            rows().test(fold),
            baselines=report["baselines"],
            champion=champion.model if champion else None,
        )
        content = {
            "at": datetime.now(UTC).isoformat(),
            "champion": champion.version if champion else None,
            "outcomes": [asdict(outcome) for outcome in outcomes],
        }
        run.add(path, json.dumps(content, indent=2).encode())
    return read_judgement(run, path)


def read_judgement(run: FinishedRun, path: str) -> Judgement:
    """A judgement by its artifact.

    Raises:
        NotFoundError: the run has no such artifact.
    """
    content = run.read(path)
    if content is None:
        raise NotFoundError(
            f"run {run.run_id} has lost its {path}; materialise its model again, which judges it"
        )
    stored = json.loads(content)
    outcomes = tuple(CheckOutcome(**outcome) for outcome in stored["outcomes"])
    return Judgement(path, hashlib.sha256(content).hexdigest(), stored["champion"], outcomes)


def newest_judgement(run: FinishedRun) -> Judgement | None:
    """The judgement that was made last; None when the run was never judged."""
    stored = {path: json.loads(content)["at"] for path, content in run.files(FOLDER).items()}
    newest = max(stored, key=lambda path: (stored[path], path), default=None)
    return read_judgement(run, f"{FOLDER}/{newest}") if newest else None
