"""The scorers: the champion of a model, and the shadows beside it, loaded from the registry."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from ml_platform.errors import NotFoundError
from ml_platform.models.frameworks.base import FittedModel, framework
from ml_platform.models.releases.manifest import AuditEntry, Release
from ml_platform.models.releases.registry import CHAMPION, Registry

__all__ = ["Scorer", "Scorers", "load_scorers"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scorer:
    """A release that scores.

    Attributes:
        stage: that names it.
        promotion: number of the change that gave it the stage.
        release: stated on each row.
        model: what was loaded from the release.
    """

    stage: str
    promotion: int
    release: Release
    model: FittedModel


@dataclass(frozen=True)
class Scorers:
    """The champion, the shadows, and the shadows that could not be loaded: stage to what was wrong."""

    champion: Scorer
    shadows: tuple[Scorer, ...] = ()
    failed: dict[str, str] = field(default_factory=dict)


def load_scorers(registry: Registry, use_case: str, model: str, cache: Path) -> Scorers:
    """Load what the stages of a model name. A shadow that names the champion's release is left out.

    Args:
        registry: where releases are.
        use_case: whose model.
        model: which of its models.
        cache: folder for the files.

    Raises:
        NotFoundError: there is no champion.
        ArtifactTamperedError: the champion's files are not those that were released.
    """
    stages = registry.stages(use_case, model)
    if CHAMPION not in stages:
        raise NotFoundError(
            f"{use_case}/{model} has no release to predict with; materialise {use_case}/{model}/champion first"
        )
    champion = _load(registry, stages.pop(CHAMPION), cache)
    shadows: dict[str, Scorer] = {}
    failed: dict[str, str] = {}
    for stage, entry in stages.items():
        if entry.version in (champion.release.version, *shadows):
            continue
        try:
            shadows[str(entry.version)] = _load(registry, entry, cache)
        except Exception as error:  # noqa: BLE001 (whatever ails a shadow must not stop the champion)
            _log.warning("%s/%s: the shadow %s cannot be loaded: %s", use_case, model, stage, error)
            failed[stage] = f"{entry.version} cannot be loaded: {error}"
    return Scorers(champion, tuple(shadows.values()), failed)


def _load(registry: Registry, entry: AuditEntry, cache: Path) -> Scorer:
    release = registry.current(entry.use_case, entry.model, entry.stage)
    if release is None or release.version != entry.version:  # it was changed while this was reading
        release = registry.get(entry.use_case, entry.model, str(entry.version))
    loaded = framework(release.manifest.framework).load(registry.fetch(release, cache))
    return Scorer(entry.stage, entry.sequence, release, loaded)
