"""The candidate: what a training leaves, to be judged and released."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from ml_platform.checks import CheckOutcome
from ml_platform.declaration import Declaration
from ml_platform.models.frameworks.base import FittedModel, framework
from ml_platform.models.releases.manifest import (
    Feature,
    ReleaseManifest,
    ViewInput,
    Window,
)
from ml_platform.models.tasks.base import Distribution
from ml_platform.models.training.judgement import Judgement
from ml_platform.models.training.versions import digest_of, files_digest
from ml_platform.use_case import Model, UseCase

__all__ = ["Candidate", "CandidateRecord"]


class CandidateRecord(Declaration):
    """The record of a candidate that was judged, so that exactly this one is released.

    It is JSON there and back: ``CandidateRecord.model_validate_json(record.model_dump_json())``.
    """

    run_id: str
    key: str = Field(description="The training key.")
    files: str = Field(description="Digest over the model's files.")
    judgement: str = Field(description="The run's artifact that holds the gate's outcomes.")
    judgement_sha256: str
    champion: str | None = Field(description="Version of the release that it was judged against.")
    snapshot: str = Field(description="Version of the data, to judge it again against another champion.")


@dataclass(frozen=True)
class Candidate:
    """A trained, tracked, judged and registered model.

    Attributes:
        use_case: whose it is, and ``declared`` which of its models.
        created: whether this call trained it; False when it is the answer of an earlier run.
        key: the training key.
        run_id: its MLflow run, in ``experiment_id``.
        model_version: its version of the registered model ``<use_case>.<model>``.
        folder: its native files; :meth:`load` reads them.
        report: what training found out, as JSON-able data; the attributes below read it.
        judgement: what the gate said.
        plots: name to PNG.
    """

    use_case: UseCase
    declared: Model
    created: bool
    key: str
    run_id: str
    experiment_id: str
    model_version: str
    folder: Path
    report: Mapping[str, Any]
    judgement: Judgement
    plots: Mapping[str, bytes]

    def load(self) -> FittedModel:
        """The fitted model."""
        return framework(self.declared.framework).load(self.folder)

    @property
    def gates(self) -> list[CheckOutcome]:
        """The gate's outcomes, after a note on the history that there was; the note is not blocking."""
        notes: list[str] = self.report["notes"]
        said = "; ".join(notes) or "the history reaches all that the split declares"
        facts = {"folds": len(self.report["folds"])}
        note = CheckOutcome("enough_history", not notes, said, facts, severity="WARN")
        return [note, self._labels_known(), *self.judgement.outcomes]

    def _labels_known(self) -> CheckOutcome:
        """Warn where the metrics rest on fewer labels than the use case declares to be enough."""
        newest, label = self.report["folds"][0], self.use_case.data.label
        share, ripe = newest.get("share_known"), newest.get("ripe") or {}
        if share is None or label is None:
            said = (
                "no label" if label is None else "too few reports to tell how many labels are still to come"
            )
            return CheckOutcome("labels_known", True, said, severity="WARN")
        estimates = ", ".join(f"{name} {value:.3f}" for name, value in ripe.items())
        said = f"the metrics rest on about {share:.1%} of the labels of the test window" + (
            f"; by all of them, as an estimate: {estimates}" if estimates else ""
        )
        facts = {"share known": share, **{f"ripe {name}": value for name, value in ripe.items()}}
        return CheckOutcome("labels_known", share >= 1 - label.max_late_share, said, facts, severity="WARN")

    @property
    def record(self) -> CandidateRecord:
        """The record that is written down of it."""
        return CandidateRecord(
            run_id=self.run_id,
            key=self.key,
            files=digest_of(files_digest(self.folder)),
            judgement=self.judgement.path,
            judgement_sha256=self.judgement.sha256,
            champion=self.judgement.champion,
            snapshot=self.report["data_version"],
        )

    @property
    def passed(self) -> bool:
        """Tell whether every blocking gate passed."""
        return all(outcome.passed for outcome in self.gates if outcome.blocking)

    @property
    def metrics(self) -> Mapping[str, float]:
        """Metrics on the newest test window."""
        metrics: Mapping[str, float] = self.report["folds"][0]["metrics"]
        return metrics

    @property
    def baselines(self) -> Mapping[str, Mapping[str, float]]:
        """Each baseline's metrics on the same rows."""
        baselines: Mapping[str, Mapping[str, float]] = self.report["baselines"]
        return baselines

    @property
    def train_window(self) -> tuple[datetime, datetime]:
        """Start and end (exclusive) of the training window, UTC."""
        return self._window("train")

    @property
    def test_window(self) -> tuple[datetime, datetime]:
        """Start and end (exclusive) of the test window, UTC."""
        return self._window("test")

    @property
    def distribution(self) -> Distribution:
        """The spread of its predictions on the newest test window: the reference for drift."""
        return Distribution.model_validate(self.report["distribution"])

    def manifest(self) -> ReleaseManifest:
        """The record that a release of it keeps of itself."""
        report = self.report
        views = report.get("views")  # runs of earlier versions have none
        return ReleaseManifest(
            task=report["task"],
            framework=report["framework"],
            data_version=report["data_version"],
            code_version=report["code_version"],
            parameters=report["parameters"],
            libraries=report["libraries"],
            features=tuple(Feature(name=name, type=kind) for name, kind in report["features"].items()),
            predictions=tuple(Feature(name=name, type=kind) for name, kind in report["predictions"].items()),
            views=tuple(map(ViewInput.model_validate, views)) if views is not None else None,
            label=report["parameters"]["label"],
            train_window=Window(start=self.train_window[0], end=self.train_window[1]),
            test_window=Window(start=self.test_window[0], end=self.test_window[1]),
            metrics=self.metrics,
            baselines=self.baselines,
            gates=tuple(self.gates),
            run_id=self.run_id,
            test_predictions=self.distribution,
            owner=self.use_case.owner,
            description=self.use_case.description,
        )

    def _window(self, which: str) -> tuple[datetime, datetime]:
        newest = self.report["folds"][0]
        start, end = newest[f"{which}_start"], newest[f"{which}_end"]
        return datetime.fromisoformat(start), datetime.fromisoformat(end)
