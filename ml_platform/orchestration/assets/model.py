"""The candidate: a tracked, judged and registered model of the dataset's newest snapshot."""

from pathlib import Path
from typing import Any

import dagster as dg

from ml_platform.datasets.snapshot import open_snapshot
from ml_platform.models.evaluation.folds import evaluate_folds
from ml_platform.models.evaluation.gates import gate_checks
from ml_platform.models.frameworks.base import FittedModel, framework
from ml_platform.models.releases.registry import Registry
from ml_platform.models.tasks.base import task
from ml_platform.models.training.candidates import (
    Candidate,
    own_functions,
    train_candidate,
    training_parameters,
)
from ml_platform.models.training.tracking import Tracking
from ml_platform.models.training.versions import code_version, files_digest, library_versions
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.naming import Materialized, common
from ml_platform.orchestration.assets.pictures import pictures
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.staleness import digest
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import UseCase

__all__ = ["candidate_of", "model_asset"]


def candidate_of(
    use_case: UseCase,
    version: str,
    objects: ObjectStore,
    registry: ObjectStore,
    tracking: Tracking,
    scratch: Path,
) -> Candidate:
    """Train on a snapshot, or find the run that did, and judge it against what is released now."""
    releases = Registry(registry)
    current = releases.current(use_case.name)
    champion: FittedModel | None = None
    if current is not None:
        champion = framework(current.manifest.framework).load(releases.fetch(current, scratch / "releases"))
    snapshot = open_snapshot(objects, use_case.name, version)
    return train_candidate(
        use_case, snapshot, tracking=tracking, champion=champion, scratch=scratch / "candidates"
    )


def model_asset(use_case: UseCase) -> dg.AssetsDefinition:
    """``<use_case>/model``: training, or the answer of the run that exists, and the gate."""
    key = dg.AssetKey([use_case.name, "model"])
    dataset = dg.AssetKey([use_case.name, "dataset"])
    declared = use_case.model()
    gate = gate_checks(declared)
    advisory = {check.name for check in declared.gate.checks if not check.blocking}
    history = {"enough_history": "The history reaches all the training days and folds that are declared."}
    checks = Checks(key, {**gate, **history}, blocking=frozenset(gate) - advisory)

    @dg.asset(
        key=key,
        deps=[dataset],
        code_version=_recipe(use_case),
        description="A candidate: trained, tracked in MLflow, judged by the gate. Training reads the snapshot alone.",
        check_specs=checks.specs,
        automation_condition=when_stale(),
        **common(use_case, declared.framework, "mlflow"),
    )
    def model(
        context: dg.AssetExecutionContext,
        objects: dg.ResourceParam[ObjectStore],
        registry: dg.ResourceParam[ObjectStore],
        tracking: dg.ResourceParam[Tracking],
        scratch: dg.ResourceParam[Path],
        mlflow_ui: dg.ResourceParam[str],
    ) -> Materialized:
        recording = Recording(context)
        found = candidate_of(use_case, recording.version_of(dataset), objects, registry, tracking, scratch)
        recording.finish(key, digest(files_digest(found.folder), found.key))
        return dg.MaterializeResult(
            metadata={
                "MLflow run": dg.MetadataValue.url(mlflow_ui.rstrip("/") + found.run_path),
                "plots": pictures(found.plots),
                "trained": "now" if found.created else "before: answered from the run that exists",
                **_facts(found),
            },
            check_results=checks.results(found.gates),
        )

    return model


def _recipe(use_case: UseCase) -> str:
    """Everything beside the data that decides what is trained and how it is judged."""
    model = use_case.model()
    kind = framework(model.framework)
    return digest(
        training_parameters(use_case, model),
        code_version(*own_functions(model), evaluate_folds, type(task(model.task)), kind),
        library_versions(kind),
        model.gate.model_dump(mode="json", exclude={"checks": {"__all__": {"function"}}}),
    )[:16]


def _facts(found: Candidate) -> dict[str, Any]:
    (train_start, train_end), (test_start, test_end) = found.train_window, found.test_window
    return {
        "figures": dg.MetadataValue.md(_table(found)),
        "training window": f"{train_start:%Y-%m-%d} to {train_end:%Y-%m-%d}",
        "test window": f"{test_start:%Y-%m-%d} to {test_end:%Y-%m-%d}",
        "run_id": found.run_id,
        "candidate version": found.model_version,
        "evaluation": dg.MetadataValue.json(
            {
                "metrics": dict(found.metrics),
                "spread over folds": found.report["spread"],
                "baselines": {name: dict(values) for name, values in found.baselines.items()},
            }
        ),
        **{name: float(value) for name, value in found.metrics.items()},
    }


def _table(found: Candidate) -> str:
    """The model's metrics beside its baselines', as Markdown."""
    spread = {name: figures["std"] for name, figures in found.report["spread"].items()}
    columns = {"model": found.metrics, "± folds": spread, **found.baselines}
    lines = ["| metric | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name in found.metrics:
        cells = [f"{figures[name]:.4f}" if name in figures else "" for figures in columns.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
