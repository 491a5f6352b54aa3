"""Training: one tracked run for each (data, code, parameters, libraries), and the candidate it leaves."""

import hashlib
import io
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ml_platform.checks import CheckOutcome
from ml_platform.errors import NotFoundError
from ml_platform.models.evaluation import folds as evaluation
from ml_platform.models.evaluation import gates, plots
from ml_platform.models.evaluation.folds import Evaluation, evaluate_folds
from ml_platform.models.evaluation.metrics import workload_table
from ml_platform.models.frameworks.base import FittedModel, Framework, framework
from ml_platform.models.releases.view_inputs import view_inputs
from ml_platform.models.training.candidate import Candidate
from ml_platform.models.training.data import LabelledRows, Snapshot
from ml_platform.models.training.splits import Fold
from ml_platform.models.training.tracking import MODEL_FOLDER, FinishedRun, RunWriter, Tracking
from ml_platform.models.training.versions import code_version, files_digest, library_versions, training_key
from ml_platform.use_case import UseCase

__all__ = ["Candidate", "train_candidate", "training_parameters"]

logger = logging.getLogger(__name__)
REPORT = "report.json"
SCORES = "test_scores.npy"
PLOTS = "plots"


@dataclass(frozen=True)
class _Training:
    """What one call is about."""

    use_case: UseCase
    snapshot: Snapshot
    progress: Callable[[str], None]

    @cached_property
    def framework(self) -> Framework:
        return framework(self.use_case.model.framework)

    @cached_property
    def code(self) -> str:
        model = self.use_case.model
        own = [model.train, *([model.request_features] if model.request_features else [])]
        return code_version(*own, evaluate_folds, self.framework.model)

    @cached_property
    def libraries(self) -> dict[str, str]:
        return library_versions(self.framework)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        return training_parameters(self.use_case)

    @cached_property
    def key(self) -> str:
        return training_key(self.snapshot.version, self.code, self.parameters, self.libraries)

    @cached_property
    def read(self) -> tuple[LabelledRows, pa.Schema]:
        """The snapshot, read when a model is trained or judged, and not when all is known already."""
        table = self.snapshot.table()
        return LabelledRows(table, self.use_case, self.snapshot.as_of), table.schema

    @property
    def rows(self) -> LabelledRows:
        """The snapshot's rows."""
        return self.read[0]


def train_candidate(
    use_case: UseCase,
    snapshot: Snapshot,
    *,
    tracking: Tracking,
    champion: FittedModel | None = None,
    scratch: Path,
    progress: Callable[[str], None] = logger.info,
) -> Candidate:
    """The candidate of a snapshot: trained, or the answer of the run that trained it before.

    Training reads the snapshot and nothing else. It is deterministic: killed and run again, the model is
    the same to the byte. The model is the one fitted on the newest fold's training window, the very files
    that the gates judge. Gates are judged again when the champion or the gate's declaration changed since.

    Args:
        use_case: the declaration.
        snapshot: the data.
        tracking: where runs are.
        champion: what is released now, to be compared on the same rows.
        scratch: folder for model files; those of a run are kept under its id.
        progress: told what is being done.

    Raises:
        DataError: the data do not allow a training (too short a history, one class only); names the remedy.
        ArtifactTamperedError: the stored model is not the one that was trained.
    """
    work = _Training(use_case, snapshot, progress)
    run = tracking.find(use_case.name, work.key)
    created = run is None
    if run is None:
        progress(f"training {use_case.name} on data {snapshot.version[:12]}")
        _train(work, tracking)
        run = tracking.find(use_case.name, work.key)
        assert run is not None  # noqa: S101 (it was finished just now)
    else:
        progress(f"{use_case.name} was trained on data {snapshot.version[:12]} before: run {run.run_id}")
    folder = run.model(scratch)
    report = json.loads(_artifact(run, REPORT))
    return Candidate(
        use_case=use_case,
        created=created,
        key=work.key,
        run_id=run.run_id,
        experiment_id=run.experiment_id,
        model_version=tracking.register(use_case.name, run),
        folder=folder,
        report=report,
        gates=[*_notes(report), *_gates(work, run, folder, champion, report)],
        plots={name.removesuffix(".png"): content for name, content in run.files(PLOTS).items()},
        test_scores=np.load(io.BytesIO(_artifact(run, SCORES)), allow_pickle=False),
    )


def training_parameters(use_case: UseCase) -> dict[str, Any]:
    """Everything declared that decides what is trained and how it is measured, as JSON-able data."""
    model, dataset = use_case.model, use_case.dataset
    return {
        "framework": model.framework,
        "model": dict(model.parameters),
        "seed": model.seed,
        "split": model.split.model_dump(),
        "label": dataset.label.name,
        "label_delay_seconds": dataset.label.delay.total_seconds(),
        "features": [*dataset.feature_names, *model.request_feature_names],
        "precision_k": model.precision_k,
        "card": model.card,
        "known_days": model.known_days,
    }


def _train(work: _Training, tracking: Tracking) -> None:
    model = work.use_case.model
    tags = {"data_version": work.snapshot.version, "code_version": work.code, "framework": model.framework}
    with tracking.run(work.use_case.name, work.key, tags) as run:
        result = evaluate_folds(work.use_case, work.rows, work.progress)
        workload = workload_table(result.scores, result.test)
        report = _report(work, result, workload)
        _log(work, run, result, report)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            result.model.save(folder / MODEL_FOLDER)
            (folder / REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")
            np.save(folder / SCORES, result.scores, allow_pickle=False)
            (folder / "requirements.txt").write_text(
                "".join(
                    f"{name}=={version}\n" for name, version in work.libraries.items() if name != "python"
                )
            )
            (folder / PLOTS).mkdir()
            drawn = plots.draw_all(
                result.scores,
                result.test,
                baselines=result.baseline_scores,
                importance=report["importance"],
                workload=workload,
            )
            for name, content in drawn.items():
                (folder / PLOTS / f"{name}.png").write_bytes(content)
            run.artifacts(folder)


def _report(work: _Training, result: Evaluation, workload: list[dict[str, float]]) -> dict[str, Any]:
    types = {field.name: str(field.type) for field in result.test.features.schema}
    return {
        "framework": work.use_case.model.framework,
        "data_version": work.snapshot.version,
        "code_version": work.code,
        "parameters": work.parameters,
        "libraries": work.libraries,
        "features": {name: types[name] for name in result.model.feature_names},
        "views": view_inputs(work.use_case.dataset, work.read[1], result.model.feature_names),
        "folds": [
            {
                **{name: moment.isoformat() for name, moment in asdict(item.fold).items()},
                **{name: value for name, value in asdict(item).items() if name != "fold"},
            }
            for item in result.folds
        ],
        "spread": evaluation.spread(result.folds),
        "baselines": result.baselines,
        "importance": dict(result.model.importance()),
        "workload": workload,
        "notes": result.notes,
    }


def _log(work: _Training, run: RunWriter, result: Evaluation, report: Mapping[str, Any]) -> None:
    flat = {f"split.{name}": value for name, value in work.parameters["split"].items()}
    plain = {name: work.parameters[name] for name in ("seed", "label", "precision_k", "card", "known_days")}
    libraries = {f"library.{name}": version for name, version in work.libraries.items()}
    run.parameters({**work.parameters["model"], **plain, **flat, **libraries})
    # MLflow shows the last step as the metric: folds are logged oldest first, so that this is the newest.
    for step, item in enumerate(reversed(result.folds)):
        run.metrics(item.metrics, step)
    run.metrics({f"{name}.std": figures["std"] for name, figures in report["spread"].items()})
    run.metrics({f"{name}.mean": figures["mean"] for name, figures in report["spread"].items()})
    for name, metrics in result.baselines.items():
        run.metrics({f"baseline.{name}.{metric}": value for metric, value in metrics.items()})
    newest = result.folds[0]
    run.dataset(
        work.use_case.name,
        work.snapshot.version,
        getattr(work.snapshot, "uri", ""),
        report["features"],
        {"train_rows": newest.train_rows, "train_positives": newest.train_positives},
    )


def _gates(
    work: _Training, run: FinishedRun, folder: Path, champion: FittedModel | None, report: Mapping[str, Any]
) -> list[CheckOutcome]:
    """The outcomes stored for this champion and this declaration, or new ones."""
    model = work.use_case.model
    judged = f"{model.gate.model_dump_json()}{model.precision_k}{_fingerprint(champion)}{code_version(gates)}"
    path = f"gates/{hashlib.sha256(judged.encode()).hexdigest()[:16]}.json"
    if (stored := run.read(path)) is not None:
        return [CheckOutcome(**outcome) for outcome in json.loads(stored)]
    newest = report["folds"][0]
    windows = ("train_start", "train_end", "test_start", "test_end")
    fold = Fold(*(datetime.fromisoformat(newest[name]) for name in windows))
    outcomes = gates.judge(
        work.framework.model.load(folder),
        folder,
        work.rows.test(fold),
        model.gate,
        baselines=report["baselines"],
        champion=champion,
        k=model.precision_k,
    )
    run.add(path, json.dumps([asdict(outcome) for outcome in outcomes], indent=2).encode())
    return outcomes


def _notes(report: Mapping[str, Any]) -> list[CheckOutcome]:
    notes: list[str] = report["notes"]
    said = "; ".join(notes) or "the history reaches all that the split declares"
    return [CheckOutcome("enough_history", not notes, said, {"folds": len(report["folds"])}, severity="WARN")]


def _fingerprint(champion: FittedModel | None) -> str:
    if champion is None:
        return ""
    with tempfile.TemporaryDirectory() as scratch:
        champion.save(Path(scratch))
        return json.dumps(files_digest(Path(scratch)), sort_keys=True)


def _artifact(run: FinishedRun, path: str) -> bytes:
    content = run.read(path)
    if content is None:
        raise NotFoundError(
            f"run {run.run_id} has lost its {path}; delete the run (mlflow runs delete), train again"
        )
    return content
