"""Training: one tracked run for each (data, code, parameters, libraries), and the candidate it leaves."""

import json
import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from ml_platform.errors import ArtifactTamperedError, NotFoundError
from ml_platform.models.evaluation import folds as evaluation
from ml_platform.models.evaluation.drawing import figure_bytes, importance_plot
from ml_platform.models.evaluation.folds import Evaluation, evaluate_folds
from ml_platform.models.frameworks.base import framework
from ml_platform.models.releases.view_inputs import view_inputs
from ml_platform.models.tasks.base import task
from ml_platform.models.training.candidate import Candidate, CandidateRecord
from ml_platform.models.training.data import LabelledRows, Snapshot, judged_rows
from ml_platform.models.training.judgement import (
    Champion,
    Judgement,
    gate_version,
    judged,
    newest_judgement,
    read_judgement,
)
from ml_platform.models.training.mlflow_tags import run_tags
from ml_platform.models.training.tracking import (
    CANDIDATE,
    MODEL_FOLDER,
    FinishedRun,
    RunWriter,
    Tracking,
    tracked_name,
)
from ml_platform.models.training.versions import code_version, library_versions, training_key
from ml_platform.use_case import Model, UseCase
from ml_platform.user_code import call_user_code

__all__ = [
    "Candidate",
    "Champion",
    "judge_again",
    "open_candidate",
    "open_recorded",
    "registered_candidate",
    "train_candidate",
    "training_parameters",
    "training_recipe",
]

logger = logging.getLogger(__name__)
REPORT = "report.json"
PLOTS = "plots"


@dataclass(frozen=True)
class _Training:
    """The subject of one call."""

    use_case: UseCase
    model: Model
    snapshot: Snapshot
    progress: Callable[[str], None]

    @property
    def name(self) -> str:
        return tracked_name(self.use_case.name, self.model.name)

    @cached_property
    def code(self) -> str:
        return _code_of(self.model)

    @cached_property
    def libraries(self) -> dict[str, str]:
        return library_versions(framework(self.model.framework))

    @cached_property
    def parameters(self) -> dict[str, Any]:
        return training_parameters(self.use_case, self.model)

    @cached_property
    def key(self) -> str:
        return training_key(self.snapshot.version, self.code, self.parameters, self.libraries)

    @cached_property
    def read(self) -> tuple[LabelledRows, pa.Schema]:
        """The snapshot, read when a model is trained or judged, and not when all is known already."""
        snapshot = self.snapshot
        table = snapshot.table()
        return LabelledRows(
            table, self.use_case, self.model, snapshot.as_of, snapshot.events_end
        ), table.schema

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
    champion: Champion | None = None,
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
    run = tracking.find(work.name, work.key)
    created = run is None
    if run is None:
        progress(f"training {work.name} on data {snapshot.version[:12]}")
        _train(work, tracking)
        run = tracking.find(work.name, work.key)
        assert run is not None  # noqa: S101 (it was finished just now)
    else:
        progress(f"{work.name} was trained on data {snapshot.version[:12]} before: run {run.run_id}")
    tracking.register(work.name, run)
    folder, report = run.model(scratch), _report_of(run)
    judgement = judged(work.model, run, folder, report, champion, lambda: work.rows)
    return _candidate(use_case, work.model, tracking, run, folder, judgement, created=created)


def open_candidate(
    use_case: UseCase, model: Model, run_id: str, judgement: str, *, tracking: Tracking, scratch: Path
) -> Candidate:
    """The candidate of a run, with the judgement that an artifact of it holds; nothing is trained or judged.

    Raises:
        NotFoundError: there is no such finished run, or it has lost an artifact.
        ArtifactTamperedError: the stored model is not the one that was trained.
    """
    run = tracking.open(tracked_name(use_case.name, model.name), run_id)
    found = read_judgement(run, judgement)
    return _candidate(use_case, model, tracking, run, run.model(scratch), found, created=False)


def registered_candidate(
    use_case: UseCase, model: Model, version: str, *, tracking: Tracking, scratch: Path
) -> Candidate:
    """The candidate of a registered model version, with its newest judgement; nothing is trained or judged.

    Args:
        use_case: whose.
        model: which of its models.
        version: the number of the version in MLflow, or ``candidate`` for the newest that was trained.
        tracking: where runs are.
        scratch: folder for model files.

    Raises:
        NotFoundError: there is no such version, or it was never judged.
    """
    name = tracked_name(use_case.name, model.name)
    number = tracking.alias(name, CANDIDATE) if version == CANDIDATE else version
    if number is None:
        raise NotFoundError(
            f"{use_case.name}/{model.name} has no candidate; materialise {use_case.name}/{model.name}"
        )
    run = tracking.open(name, tracking.run_of_version(name, number))
    judgement = newest_judgement(run)
    if judgement is None:
        raise NotFoundError(
            f"version {number} of {name} was never judged; materialise {use_case.name}/{model.name}, which judges it"
        )
    return _candidate(use_case, model, tracking, run, run.model(scratch), judgement, created=False)


def open_recorded(
    use_case: UseCase, model: Model, record: CandidateRecord, *, tracking: Tracking, scratch: Path
) -> Candidate:
    """Exactly the candidate that was written down; nothing is trained or judged.

    Raises:
        NotFoundError: its run is no longer there, or has lost an artifact.
        ArtifactTamperedError: the run is not what was written down.
    """
    found = open_candidate(
        use_case, model, record.run_id, record.judgement, tracking=tracking, scratch=scratch
    )
    now = found.record
    if now != record:
        differ = sorted(
            name for name in CandidateRecord.model_fields if getattr(now, name) != getattr(record, name)
        )
        raise ArtifactTamperedError(
            f"run {record.run_id} of {use_case.name}/{model.name} is not what was judged: {', '.join(differ)} differ; "
            f"materialise {use_case.name}/{model.name} again, and release what it finds"
        )
    return found


def judge_again(
    candidate: Candidate, snapshot: Snapshot, champion: Champion | None, *, tracking: Tracking
) -> Candidate:
    """The same candidate, judged against another champion on the data that it was trained on; it is not trained."""
    model = candidate.declared
    run = tracking.open(tracked_name(candidate.use_case.name, model.name), candidate.run_id)

    def rows() -> LabelledRows:
        return LabelledRows(snapshot.table(), candidate.use_case, model, snapshot.as_of, snapshot.events_end)

    found = judged(model, run, candidate.folder, dict(candidate.report), champion, rows)
    return replace(candidate, judgement=found)


def training_recipe(use_case: UseCase, model: Model) -> dict[str, Any]:
    """Everything beside the data that decides what is trained and how it is judged, as JSON-able data."""
    return {
        "parameters": training_parameters(use_case, model),
        "code": _code_of(model),
        "libraries": library_versions(framework(model.framework)),
        "gate": gate_version(model),
    }


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
        "metrics": {metric.name: metric.higher_is_better for metric in model.metrics},
    }


def _code_of(model: Model) -> str:
    """Version of the code that fits and measures. Plots are left out: they decide nothing."""
    request = [model.request_features] if model.request_features else []
    own = [model.train, *request, *(metric.function for metric in model.metrics)]
    return code_version(*own, evaluate_folds, type(task(model.task)), framework(model.framework))


def _candidate(
    use_case: UseCase,
    model: Model,
    tracking: Tracking,
    run: FinishedRun,
    folder: Path,
    judgement: Judgement,
    *,
    created: bool,
) -> Candidate:
    return Candidate(
        use_case=use_case,
        declared=model,
        created=created,
        key=run.key,
        run_id=run.run_id,
        experiment_id=run.experiment_id,
        model_version=tracking.version_of_run(tracked_name(use_case.name, model.name), run.run_id),
        folder=folder,
        report=_report_of(run),
        judgement=judgement,
        plots={name.removesuffix(".png"): content for name, content in run.files(PLOTS).items()},
    )


def _train(work: _Training, tracking: Tracking) -> None:
    model = work.model
    tags = {
        "data_version": work.snapshot.version,
        "code_version": work.code,
        "framework": model.framework,
        **run_tags(
            f"{model.train.__module__}.{model.train.__qualname__}",
            f"{work.use_case.description}\n\n{model.task} by {model.framework}, trained on the snapshot "
            f"`{work.snapshot.version}`.",
        ),
    }
    with tracking.run(work.name, work.key, tags) as run:
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
    drawn = dict(task(model.task).plots(result.predictions, result.test, result.baseline_predictions))
    if importance is not None:
        drawn["importance"] = importance_plot(importance)
    for plot in model.plots:
        figure = call_user_code(
            f"model {model.name}, plot {plot.name}",
            plot.function,
            result.predictions,
            result.test,
            given=judged_rows(result.predictions, result.test),
        )
        drawn[plot.name] = figure_bytes(figure)
    return drawn


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
    if newest.share_known is not None:
        run.metrics({"labels_known": newest.share_known})
    run.metrics({f"ripe.{name}": value for name, value in newest.ripe.items()})
    run.dataset(
        work.use_case.name,
        work.snapshot.version,
        getattr(work.snapshot, "uri", ""),
        report["features"],
        {"train_rows": newest.train_rows, **newest.train_labels},
    )


def _plain(importance: Mapping[str, float] | None) -> dict[str, float] | None:
    return None if importance is None else dict(importance)


def _report_of(run: FinishedRun) -> dict[str, Any]:
    content = run.read(REPORT)
    if content is None:
        raise NotFoundError(
            f"run {run.run_id} has lost its {REPORT}; delete the run (mlflow runs delete), train again"
        )
    report: dict[str, Any] = json.loads(content)
    return report
