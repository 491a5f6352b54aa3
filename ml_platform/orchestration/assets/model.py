"""The candidate: a tracked, judged and registered model of the dataset's newest snapshot."""

from pathlib import Path
from typing import Any

import dagster as dg

from ml_platform.compute.base import Compute, TrainingJob
from ml_platform.errors import NotFoundError
from ml_platform.models.evaluation.gates import gate_checks
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.candidates import Candidate, open_candidate, training_recipe
from ml_platform.models.training.tracking import Tracking
from ml_platform.models.training.versions import files_digest
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.figures import figure, figure_text
from ml_platform.orchestration.assets.naming import Materialized, common
from ml_platform.orchestration.assets.pictures import pictures
from ml_platform.orchestration.assets.progress import progress_of
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.staleness import digest
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import Model, UseCase

__all__ = ["EVALUATION", "RECORD", "model_asset"]

EVALUATION = "evaluation"
"""Metadata of the asset: metrics, their spread over folds, and the baselines' metrics, as JSON."""

RECORD = "candidate"
"""Metadata of the asset: the :class:`~ml_platform.models.training.candidate.CandidateRecord`, as JSON."""


def model_asset(use_case: UseCase, declared: Model) -> dg.AssetsDefinition:
    """``<use_case>/<model>``: training, or the answer of the run that exists, and the gate.

    Training is a job: :class:`~ml_platform.compute.base.Compute` says where it runs. The asset records the run that the
    gate judged, and that one is what ``<use_case>/<model>/champion`` releases.
    """
    key = dg.AssetKey([use_case.name, declared.name])
    dataset = dg.AssetKey([use_case.name, "dataset"])
    gate = gate_checks(declared)
    advisory = {check.name for check in declared.gate.checks if not check.blocking}
    before = {
        "enough_history": "The history reaches all the training days and folds that are declared.",
        "labels_known": "Of the labels of the test window no more are still to come than `Label.max_late_share`.",
    }
    checks = Checks(key, {**gate, **before}, blocking=frozenset(gate) - advisory)

    @dg.asset(
        key=key,
        deps=[dataset],
        code_version=digest(training_recipe(use_case, declared))[:16],
        description="A candidate: trained, tracked in MLflow, judged by the gate. Training reads the snapshot alone.",
        check_specs=checks.specs,
        automation_condition=when_stale(),
        **common(use_case, declared.framework, "mlflow"),
    )
    @explained
    def model(
        context: dg.AssetExecutionContext,
        registry: dg.ResourceParam[ObjectStore],
        tracking: dg.ResourceParam[Tracking],
        compute: dg.ResourceParam[Compute],
        scratch: dg.ResourceParam[Path],
    ) -> Materialized:
        recording = Recording(context)
        snapshot = recording.version_of(dataset)
        if not snapshot:
            raise NotFoundError(
                f"{use_case.name} has no snapshot to train on; materialise {use_case.name}/dataset"
            )
        champion = Registry(registry).promotion(use_case.name, declared.name)
        job = TrainingJob(
            use_case=use_case.name,
            model=declared.name,
            snapshot=snapshot,
            champion=champion.version if champion else None,
            parameters=dict(declared.parameters),
            seed=declared.seed,
        )
        result = compute.run(job, progress_of(context))
        found = open_candidate(
            use_case,
            declared,
            result.run_id,
            result.judgement,
            tracking=tracking,
            scratch=scratch / "candidates",
        )
        recording.finish(
            key,
            digest(files_digest(found.folder), found.key),
            metadata={RECORD: found.record.model_dump_json()},
        )
        return dg.MaterializeResult(
            metadata={
                "plots": pictures(found.plots),
                "trained": "now" if result.created else "before: answered from the run that exists",
                **_facts(found),
            },
            check_results=checks.results(found.gates),
        )

    return model


def _facts(found: Candidate) -> dict[str, Any]:
    (train_start, train_end), (test_start, test_end) = found.train_window, found.test_window
    return {
        "figures": dg.MetadataValue.md(_table(found)),
        "training window": f"{train_start:%Y-%m-%d} to {train_end:%Y-%m-%d}",
        "test window": f"{test_start:%Y-%m-%d} to {test_end:%Y-%m-%d}",
        "run_id": found.run_id,
        "candidate version": found.model_version,
        "judged against": found.judgement.champion or "nothing: there was no champion",
        EVALUATION: dg.MetadataValue.json(
            {
                "metrics": dict(found.metrics),
                "spread over folds": found.report["spread"],
                "share of labels known": found.report["folds"][0].get("share_known"),
                "ripe": found.report["folds"][0].get("ripe") or {},
                "baselines": {name: dict(values) for name, values in found.baselines.items()},
            }
        ),
        **{name: figure(value) for name, value in found.metrics.items()},
    }


def _table(found: Candidate) -> str:
    """The model's metrics beside its baselines', as Markdown."""
    spread = {name: figures["std"] for name, figures in found.report["spread"].items()}
    spreads = {"± folds": spread} if any(spread.values()) else {}  # of one fold there is none
    columns = {"model": found.metrics, **spreads, **found.baselines}
    lines = ["| metric | " + " | ".join(columns) + " |", "|---|" + "---:|" * len(columns)]
    for name in found.metrics:
        cells = [figure_text(figures[name]) if name in figures else "" for figures in columns.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
