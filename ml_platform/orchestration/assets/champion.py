"""The release: the candidate that passed its gate becomes what serves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from ml_platform.checks import CheckOutcome
from ml_platform.compute.training import load_champion
from ml_platform.datasets.snapshot import open_snapshot
from ml_platform.errors import NotFoundError
from ml_platform.models.releases.manifest import Release
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.aliases import mirror_aliases
from ml_platform.models.training.candidate import Candidate, CandidateRecord
from ml_platform.models.training.candidates import judge_again, open_recorded
from ml_platform.models.training.promotion import release_candidate, version_of
from ml_platform.models.training.tracking import Tracking
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.model import RECORD
from ml_platform.orchestration.assets.naming import Materialized, common
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.pointers import (
    JUDGED,
    champion_checks,
    champion_key,
    intact,
    release_facts,
    stages_facts,
)
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import Model, UseCase

__all__ = ["champion_asset", "promote"]


def champion_asset(use_case: UseCase, declared: Model, predicted: Sequence[Calendar]) -> dg.AssetsDefinition:
    """``<use_case>/<model>/champion``: the run that the model asset recorded, and no other, is promoted.

    Nothing is trained here. When the champion changed since the gate judged, the candidate is judged again.

    Args:
        use_case: whose model.
        declared: the model.
        predicted: the calendars of the predictions by it: they begin with the days that it was tested on.
    """
    key = champion_key(use_case.name, declared.name)
    model = dg.AssetKey([use_case.name, declared.name])
    checks = champion_checks(use_case.name, declared.name)

    @dg.asset(
        key=key,
        deps=[model],
        code_version="2",
        description=(
            "What serves: an immutable folder in the production registry, and the pointer to it. A candidate whose "
            "gate failed, or that was rolled back away from, is not promoted."
        ),
        check_specs=checks.specs,
        automation_condition=when_stale(),
        **common(use_case, declared.framework, "release"),
    )
    @explained
    def champion(
        context: dg.AssetExecutionContext,
        objects: dg.ResourceParam[ObjectStore],
        registry: dg.ResourceParam[ObjectStore],
        tracking: dg.ResourceParam[Tracking],
        scratch: dg.ResourceParam[Path],
    ) -> Materialized:
        recording = Recording(context)
        record = _recorded(recording.metadata_of(model), model)
        candidate = open_recorded(
            use_case, declared, record, tracking=tracking, scratch=scratch / "candidates"
        )
        releases = Registry(registry)
        why = f"run {context.run.run_id}"
        before = releases.promotion(use_case.name, declared.name)
        release, judged = promote(candidate, releases, objects, tracking, scratch, why=why)
        outcomes = [
            intact(releases, release, scratch),
            judged,
            mirror_aliases(releases, tracking, use_case.name, declared.name),
        ]
        for calendar in predicted:
            recording.calendars.begin(calendar, release.manifest.test_window.start)
        recording.finish(
            key,
            release.version,
            metadata={**release_facts(releases, release), **stages_facts(releases, release)},
        )
        return dg.MaterializeResult(
            metadata={
                "promoted": release.manifest.run_id == candidate.run_id,
                "changed": before is None or before.version != release.version,
            },
            check_results=checks.results(outcomes),
        )

    return champion


def promote(
    candidate: Candidate,
    releases: Registry,
    objects: ObjectStore,
    tracking: Tracking,
    scratch: Path,
    *,
    why: str,
) -> tuple[Release, CheckOutcome]:
    """Make a candidate the champion, if the gate holds against the champion as it is now.

    Returns:
        The champion, and what it was compared with.

    Raises:
        GateNotPassedError: a gate failed, perhaps only against the champion that there is now.
        ConflictError: the champion was changed while this went on.
    """
    name, model = candidate.use_case.name, candidate.declared.name
    serving = releases.promotion(name, model)
    current = serving.version if serving else None
    against, said = candidate.judgement.champion, "the gate compared it with what serves"
    if current not in (against, version_of(releases, candidate)):
        champion = load_champion(releases, name, model, current, scratch)
        snapshot = open_snapshot(objects, name, candidate.record.snapshot)
        candidate = judge_again(candidate, snapshot, champion, tracking=tracking)
        said = f"the champion changed from {against or 'nothing'} to {current}, so it was judged again"
    release = release_candidate(
        releases, candidate, who="champion asset", why=why, judged_against=candidate.judgement.champion
    )
    facts = {"judged against": candidate.judgement.champion or "nothing", "at first": against or "nothing"}
    return release, CheckOutcome(JUDGED, True, said, facts)


def _recorded(metadata: Mapping[str, Any], model: dg.AssetKey) -> CandidateRecord:
    if RECORD not in metadata:
        name = model.to_user_string()
        raise NotFoundError(f"there is no record of a candidate that was judged; materialise {name} first")
    return CandidateRecord.model_validate_json(str(metadata[RECORD]))
