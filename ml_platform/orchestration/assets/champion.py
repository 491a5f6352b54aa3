"""The release: the candidate that passed its gate becomes what serves."""

import shutil
import tempfile
from pathlib import Path

import dagster as dg

from ml_platform.checks import CheckOutcome
from ml_platform.models.releases.manifest import CARD, Release
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.candidates import Candidate
from ml_platform.models.training.tracking import Tracking
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.model import candidate_of
from ml_platform.orchestration.assets.naming import Materialized, common
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.nodes import READS
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import UseCase

__all__ = ["champion_asset", "mirror_alias"]


def champion_asset(use_case: UseCase) -> dg.AssetsDefinition:
    """``<use_case>/champion``: materialising it promotes the candidate if its gate passed."""
    key = dg.AssetKey([use_case.name, "champion"])
    model, dataset = dg.AssetKey([use_case.name, "model"]), dg.AssetKey([use_case.name, "dataset"])
    checks = Checks(
        key,
        {
            "artifacts_intact": "Every file of the release has the digest that its manifest names.",
            "alias_agrees": "MLflow's alias `champion` names the run of the release that serves.",
        },
    )

    @dg.asset(
        key=key,
        deps=[model, dataset],
        metadata={READS: {dataset.to_user_string(): "order"}},
        code_version="1",
        description=(
            "What serves: an immutable folder in the production registry, and the pointer to it. A candidate whose "
            "gate failed, or that was rolled back away from, is not promoted."
        ),
        check_specs=checks.specs,
        automation_condition=when_stale(),
        **common(use_case, use_case.model().framework, "release"),
    )
    def champion(
        context: dg.AssetExecutionContext,
        objects: dg.ResourceParam[ObjectStore],
        registry: dg.ResourceParam[ObjectStore],
        tracking: dg.ResourceParam[Tracking],
        scratch: dg.ResourceParam[Path],
    ) -> Materialized:
        recording = Recording(context)
        found = candidate_of(use_case, recording.version_of(dataset), objects, registry, tracking, scratch)
        releases = Registry(registry)
        release = _promote(use_case, releases, found, why=f"run {context.run.run_id}")
        outcomes = [_intact(releases, release, scratch), mirror_alias(use_case.name, tracking, release)]
        window = release.manifest.test_window
        recording.finish(
            key,
            release.version,
            metadata={"first_day": f"{window.start:%Y-%m-%d}", "release": release.version},
        )
        return dg.MaterializeResult(
            metadata={
                "promoted": release.manifest.run_id == found.run_id,
                "data version": release.manifest.data_version,
                "code version": release.manifest.code_version,
                "model card": dg.MetadataValue.md(releases.card(use_case.name, release.version)),
            },
            check_results=checks.results(outcomes),
        )

    return champion


def _promote(use_case: UseCase, releases: Registry, found: Candidate, why: str) -> Release:
    with tempfile.TemporaryDirectory() as draft:
        folder = Path(draft) / "release"
        shutil.copytree(found.folder, folder)
        (folder / CARD).mkdir()
        for name, png in found.plots.items():
            (folder / CARD / f"{name}.png").write_bytes(png)
        manifest = found.manifest()
        return releases.release(use_case.name, folder, manifest, who="champion asset", why=why)


def _intact(releases: Registry, release: Release, scratch: Path) -> CheckOutcome:
    releases.fetch(release, scratch / "releases")  # it refuses what was tampered with
    return CheckOutcome(
        "artifacts_intact", True, f"{len(release.files)} files of {release.version} have their digests"
    )


def mirror_alias(use_case: str, tracking: Tracking, release: Release) -> CheckOutcome:
    """Let MLflow's alias follow the pointer, which is the truth of what serves."""
    run = release.manifest.run_id
    expected = tracking.version_of_run(use_case, run) if run is not None else None
    if expected is not None:
        tracking.set_alias(use_case, "champion", expected)
    named = tracking.alias(use_case, "champion")
    return CheckOutcome(
        "alias_agrees",
        named == expected,
        f"alias champion names version {named}"
        + ("" if named == expected else f"; {release.version} is version {expected}"),
    )
