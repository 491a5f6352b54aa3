"""Training: one tracked run for each (data, code, parameters, libraries), and the candidate it leaves."""

import hashlib
import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_platform.checks import CheckOutcome
from ml_platform.errors import NotFoundError
from ml_platform.models.evaluation import folds as evaluation
from ml_platform.models.evaluation import gates
from ml_platform.models.evaluation.drawing import figure_bytes, importance_plot
from ml_platform.models.evaluation.folds import Evaluation, evaluate_folds
from ml_platform.models.frameworks.base import FittedModel, framework
from ml_platform.models.releases.view_inputs import view_inputs
from ml_platform.models.tasks.base import task
from ml_platform.models.training.candidate import Candidate
from ml_platform.models.training.data import LabelledRows, Snapshot
from ml_platform.models.training.splits import Fold
from ml_platform.models.training.tracking import MODEL_FOLDER, FinishedRun, RunWriter, Tracking
from ml_platform.models.training.versions import code_version, files_digest, library_versions, training_key
from ml_platform.use_case import Model, UseCase

__all__ = ["Candidate", "own_functions", "train_candidate", "training_parameters"]

logger = logging.getLogger(__name__)
REPORT = "report.json"
PLOTS = "plots"


@dataclass(frozen=True)
class _Training:
    """What one call is about."""

    use_case: UseCase
    model: Model
    snapshot: Snapshot
    progress: Callable[[str], None]

    @cached_property
    def framework(self) -> type[FittedModel]:
        return framework(self.model.framework)

    @cached_property
    def code(self) -> str:
        return code_version(
            *own_functions(self.model), evaluate_folds, type(task(self.model.task)), self.framework
        )

    @cached_property
    def libraries(self) -> dict[str, str]:
        return library_versions(self.framework)

    @cached_property
    def parameters(self) -> dict[str, Any]:
        return training_parameters(self.use_case, self.model)

    @cached_property
    def key(self) -> str:
        return training_key(self.snapshot.version, self.code, self.parameters, self.libraries)

    @cached_property
    def read(self) -> tuple[LabelledRows, pa.Schema]:
        """The snapshot, read when a model is trained or judged, and not when all is known already."""
        table = self.snapshot.table()
        return LabelledRows(table, self.use_case, self.model, self.snapshot.as_of), table.schema

    @property
    def rows(self) -> LabelledRows:
        """The snapshot's rows."""
        return self.read[0]


def train_candidate(
    use_case: UseCase,
    snapshot: Snapshot,
    *,
    model: Model | None = None,
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
        model: which of its models; None: the one named `model`.
        tracking: where runs are.
        champion: what is released now, to be compared on the same rows.
        scratch: folder for model files; those of a run are kept under its id.
        progress: told what is being done.

    Raises:
        DataError: the data do not allow a training (too short a history, one class only); names the remedy.
        ArtifactTamperedError: the stored model is not the one that was trained.
    """
    work = _Training(use_case, model or use_case.model(), snapshot, progress)
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
        declared=work.model,
        created=created,
        key=work.key,
        run_id=run.run_id,
        experiment_id=run.experiment_id,
        model_version=tracking.register(use_case.name, run),
        folder=folder,
        report=report,
        gates=[*_notes(report), *_gates(work, run, folder, champion, report)],
        plots={name.removesuffix(".png"): content for name, content in run.files(PLOTS).items()},
    )


def own_functions(model: Model) -> list[Callable[..., Any]]:
    """The use case's functions that decide what is trained, and how it is measured and judged."""
    request = [model.request_features] if model.request_features else []
    measured = [metric.function for metric in model.metrics]
    judged = [check.function for check in model.gate.checks]
    return [model.train, *request, *measured, *judged]


def training_parameters(use_case: UseCase, model: Model) -> dict[str, Any]:
    """Everything declared that decides what is trained and how it is measured, as JSON-able data."""
    dataset = use_case.data
    label = dataset.label
    return {
        "task": model.task,
        "framework": model.framework,
        "model": dict(model.parameters),
        "seed": model.seed,
        "split": model.split.model_dump(),
        "label": label.name if label else None,
        "classes": list(label.classes) if label else [],
        "label_delay_seconds": dataset.maturity.total_seconds(),
        "features": [*dataset.feature_names, *model.request_feature_names],
        "metrics": [metric.name for metric in model.metrics],
        "plots": [plot.name for plot in model.plots],
    }


def _train(work: _Training, tracking: Tracking) -> None:
    model = work.model
    tags = {"data_version": work.snapshot.version, "code_version": work.code, "framework": model.framework}
    with tracking.run(work.use_case.name, work.key, tags) as run:
        result = evaluate_folds(work.use_case, model, work.rows, work.progress)
        report = _report(work, result)
        _log(work, run, result, report)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            result.model.save(folder / MODEL_FOLDER)
            (folder / REPORT).write_text(json.dumps(report, indent=2), encoding="utf-8")
            (folder / "requirements.txt").write_text(
                "".join(
                    f"{name}=={version}\n" for name, version in work.libraries.items() if name != "python"
                )
            )
            (folder / PLOTS).mkdir()
            for name, content in _drawn(model, result, report["importance"]).items():
                (folder / PLOTS / f"{name}.png").write_bytes(content)
            run.artifacts(folder)


def _drawn(model: Model, result: Evaluation, importance: Mapping[str, float] | None) -> dict[str, bytes]:
    """PNG of every plot, by name: the task's, the importance where it is known, and the use case's own."""
    drawn = task(model.task).plots(result.predictions, result.test, result.baseline_predictions)
    if importance is not None:
        drawn["importance"] = importance_plot(importance)
    own = {plot.name: figure_bytes(plot.function(result.predictions, result.test)) for plot in model.plots}
    return {**drawn, **own}


def _report(work: _Training, result: Evaluation) -> dict[str, Any]:
    types = {field.name: str(field.type) for field in result.test.features.schema}
    return {
        "task": work.model.task,
        "framework": work.model.framework,
        "data_version": work.snapshot.version,
        "code_version": work.code,
        "parameters": work.parameters,
        "libraries": work.libraries,
        "features": {name: types[name] for name in result.model.feature_names},
        "predictions": {field.name: str(field.type) for field in result.predictions.schema},
        "views": view_inputs(work.use_case.data, work.read[1], result.model.feature_names),
        "folds": [
            {
                **{name: moment.isoformat() for name, moment in asdict(item.fold).items()},
                **{name: value for name, value in asdict(item).items() if name != "fold"},
            }
            for item in result.folds
        ],
        "spread": evaluation.spread(result.folds),
        "baselines": result.baselines,
        "importance": _plain(result.model.importance()),
        "distribution": task(work.model.task).distribution(result.predictions).model_dump(mode="json"),
        "notes": result.notes,
    }


def _log(work: _Training, run: RunWriter, result: Evaluation, report: Mapping[str, Any]) -> None:
    flat = {f"split.{name}": value for name, value in work.parameters["split"].items()}
    plain = {name: work.parameters[name] for name in ("task", "seed", "label")}
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
        {"train_rows": newest.train_rows, **newest.train_labels},
    )


def _gates(
    work: _Training, run: FinishedRun, folder: Path, champion: FittedModel | None, report: Mapping[str, Any]
) -> list[CheckOutcome]:
    """The outcomes stored for this champion and this declaration, or new ones."""
    model = work.model
    declared = model.gate.model_dump_json(exclude={"checks": {"__all__": {"function"}}})
    own = code_version(gates, *(check.function for check in model.gate.checks))
    judged = f"{declared}{_fingerprint(champion)}{own}"
    path = f"gates/{hashlib.sha256(judged.encode()).hexdigest()[:16]}.json"
    if (stored := run.read(path)) is not None:
        return [CheckOutcome(**outcome) for outcome in json.loads(stored)]
    newest = report["folds"][0]
    windows = ("train_start", "train_end", "test_start", "test_end")
    fold = Fold(*(datetime.fromisoformat(newest[name]) for name in windows))
    outcomes = gates.judge(
        model,
        work.framework.load(folder),
        folder,
        work.rows.test(fold),
        baselines=report["baselines"],
        champion=champion,
    )
    run.add(path, json.dumps([asdict(outcome) for outcome in outcomes], indent=2).encode())
    return outcomes


def _plain(importance: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if importance is None else dict(importance)


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
