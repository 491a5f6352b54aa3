"""Tells Dagster of every change of a pointer of the production registry, whoever made it.

The pointer is the truth of what serves, and it moves without a run: by a person's roll-back, by a shadow that begins or
ends. Each such change becomes an event of the champion's asset: a materialisation where the champion is another one, an
observation where a shadow is. Every event of that asset says up to which change of each stage it knows, so the changes
after it are those to report: a process that is killed between the change and the report leaves that to the next one.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster import AssetRecordsFilter, EventLogRecord
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from ml_platform.backends import Backends
from ml_platform.checks import CheckOutcome
from ml_platform.models.releases.manifest import AuditEntry, Release
from ml_platform.models.releases.registry import CHAMPION, Registry
from ml_platform.models.training.aliases import ALIASES_AGREE, mirror_aliases
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.planning.ledger import INPUTS, VERSION
from ml_platform.use_case import UseCase

__all__ = [
    "JUDGED",
    "champion_checks",
    "champion_key",
    "champions",
    "intact",
    "release_facts",
    "report_all_changes",
    "report_changes",
    "stages_facts",
]

STAGES = "stages"
"""Metadata of the asset: stage to its version, and the number of the change that made it so."""

INTACT = "artifacts_intact"
JUDGED = "judged_against_what_serves"

_DATA_VERSION = "dagster/data_version"


def champion_key(use_case: str, model: str) -> dg.AssetKey:
    """The asset of a model's champion."""
    return dg.AssetKey([use_case, model, "champion"])


def champions(registry: Registry, use_cases: Iterable[UseCase]) -> dict[dg.AssetKey, AuditEntry]:
    """The change that made each champion what it is, by the asset of the champion; without those that there are not."""
    found = {
        champion_key(one.name, model.name): registry.promotion(one.name, model.name)
        for one in use_cases
        for model in one.models
    }
    return {key: entry for key, entry in found.items() if entry is not None}


def release_facts(registry: Registry, release: Release) -> dict[str, Any]:
    """Metadata that every event of a champion states of its release."""
    window = release.manifest.test_window
    return {
        "first_day": f"{window.start:%Y-%m-%d}",
        "release": release.version,
        "data version": release.manifest.data_version,
        "code version": release.manifest.code_version,
        "model card": dg.MetadataValue.md(registry.card(release.use_case, release.model, release.version)),
    }


def stages_facts(registry: Registry, release: Release) -> dict[str, Any]:
    """Metadata that says up to which change of each stage an event of the champion knows.

    Args:
        registry: whose stages.
        release: the champion as the event states it: a change after it is one that is still to be reported.
    """
    name = (release.use_case, release.model)
    newest = registry.newest_changes(*name)
    newest[CHAMPION] = next(e for e in reversed(registry.history(*name)) if e.version == release.version)
    return _stages({stage: _place(entry) for stage, entry in newest.items()})


def champion_checks(use_case: str, model: str) -> Checks:
    """The checks of a champion's asset."""
    return Checks(
        champion_key(use_case, model),
        {
            INTACT: "Every file of the release has the digest that its manifest names.",
            JUDGED: "The gate compared the candidate with the champion that it would replace.",
            ALIASES_AGREE: "MLflow's aliases name the runs of the releases that the stages name.",
        },
    )


def intact(registry: Registry, release: Release, scratch: Path) -> CheckOutcome:
    """Judge that a release is as it was released.

    Raises:
        ArtifactTamperedError: it is not.
    """
    registry.fetch(release, scratch / "releases")
    return CheckOutcome(INTACT, True, f"{len(release.files)} files of {release.version} have their digests")


def report_all_changes(
    use_cases: Iterable[UseCase], backends: Backends, instance: dg.DagsterInstance
) -> list[AuditEntry]:
    """Report the changes of every model's stages; see :func:`report_changes`."""
    registry = Registry(backends.registry)

    def judged(release: Release) -> list[CheckOutcome]:
        said = f"{release.version} passed its gate when it was released; a person has it serve again"
        name = (release.use_case, release.model)
        return [
            intact(registry, release, backends.scratch),
            CheckOutcome(JUDGED, True, said),
            mirror_aliases(registry, backends.tracking, *name),
        ]

    return [
        entry
        for one in use_cases
        for model in one.models
        for entry in report_changes(registry, instance, one.name, model.name, judged)
    ]


def report_changes(
    registry: Registry,
    instance: dg.DagsterInstance,
    use_case: str,
    model: str,
    judged: Callable[[Release], Iterable[CheckOutcome]],
) -> list[AuditEntry]:
    """Report the changes of a model's stages that no event of its champion's asset knows; return them, oldest first.

    An asset that was never materialised is left alone: once it is, it knows the changes that there were.

    Args:
        registry: whose stages.
        instance: what is told.
        use_case: whose model.
        model: which of its models.
        judged: evaluates the checks of the asset for a release that serves now.

    Raises:
        ArtifactTamperedError: what a stage names is not what was released.
    """
    key = champion_key(use_case, model)
    made = instance.fetch_materializations(key, limit=1).records
    if not made:
        return []
    observed = instance.fetch_observations(
        AssetRecordsFilter(asset_key=key, after_storage_id=made[0].storage_id), limit=1
    ).records
    known = _known((observed or made)[0])
    pending = [
        entry
        for stage, newest in registry.newest_changes(use_case, model).items()
        if known.get(stage) != _place(newest)
        for entry in _after(known.get(stage), registry.history(use_case, model, stage))
    ]
    pending.sort(key=lambda entry: (entry.at, entry.stage, entry.sequence))
    latest = made[0]
    for entry in pending:
        known = {**known, entry.stage: _place(entry)}
        if entry.stage != CHAMPION:
            instance.report_runless_asset_event(_observation(key, entry, known))
            continue
        release = registry.get(use_case, model, str(entry.version))
        told = {**_told(entry), **release_facts(registry, release), **_stages(known)}
        instance.report_runless_asset_event(_materialization(key, latest, release, entry, told))
        serves = entry == registry.promotion(use_case, model)
        outcomes = judged(release) if serves else []
        (now,) = instance.fetch_materializations(key, limit=1).records
        target = AssetCheckEvaluationTargetMaterializationData(
            storage_id=now.storage_id, run_id=now.run_id, timestamp=now.timestamp
        )
        for evaluation in champion_checks(use_case, model).evaluations(outcomes, target):
            instance.report_runless_asset_event(evaluation)
    return pending


def _after(known: tuple[int, str] | None, history: tuple[AuditEntry, ...]) -> tuple[AuditEntry, ...]:
    """The changes of a stage that are not known; of another history than the known one, where it ends."""
    if known is None:
        return history
    number, version = known
    if len(history) < number or (history[number - 1].version or "") != version:
        return history[-1:]
    return history[number:]


def _materialization(
    key: dg.AssetKey,
    latest: EventLogRecord,
    release: Release,
    entry: AuditEntry,
    told: Mapping[str, Any],
) -> dg.AssetMaterialization:
    """The champion as it is now, made from what it was last made from: what is stale is as stale as before."""
    before = latest.asset_materialization
    assert before is not None  # noqa: S101 (it is the record of one)
    facts: dict[str, Any] = {VERSION: release.version}
    if INPUTS in before.metadata:
        facts[INPUTS] = before.metadata[INPUTS]
    return dg.AssetMaterialization(
        key,
        description=_said(entry),
        metadata={**told, **facts},
        tags={**(before.tags or {}), _DATA_VERSION: release.version},
    )


def _observation(
    key: dg.AssetKey, entry: AuditEntry, known: Mapping[str, tuple[int, str]]
) -> dg.AssetObservation:
    return dg.AssetObservation(key, description=_said(entry), metadata={**_told(entry), **_stages(known)})


def _said(entry: AuditEntry) -> str:
    of = "the champion" if entry.stage == CHAMPION else f"the shadow {entry.stage}"
    if entry.action == "clear":
        return f"{of} was ended by {entry.who}: {entry.why}"
    verb = {"release": "released", "assign": "named", "rollback": "rolled back to"}[entry.action]
    return f"{entry.version} was {verb} as {of} by {entry.who}: {entry.why}"


def _told(entry: AuditEntry) -> dict[str, Any]:
    return {
        "change": f"{entry.action} of {entry.stage}",
        "before": entry.previous or "nothing",
        "now": entry.version or "nothing",
        "who": entry.who,
        "why": entry.why,
        "when": dg.MetadataValue.timestamp(entry.at),
    }


def _place(entry: AuditEntry) -> tuple[int, str]:
    return entry.sequence, entry.version or ""


def _stages(known: Mapping[str, tuple[int, str]]) -> dict[str, Any]:
    stages = {stage: {"change": number, "version": version} for stage, (number, version) in known.items()}
    return {STAGES: dg.MetadataValue.json(stages)}


def _known(record: EventLogRecord) -> dict[str, tuple[int, str]]:
    event = record.asset_materialization or record.asset_observation
    told = event.metadata.get(STAGES) if event is not None else None
    stages = told.value if isinstance(told, dg.JsonMetadataValue) else None
    if not isinstance(stages, Mapping):
        return {}
    return {stage: (int(one["change"]), str(one["version"])) for stage, one in stages.items()}
