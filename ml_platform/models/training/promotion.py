"""From a candidate to a release: the files, figures and plots that its run holds, given to a stage."""

import shutil
import tempfile
from pathlib import Path

from ml_platform.models.releases.manifest import CARD, Release
from ml_platform.models.releases.registry import CHAMPION, Registry
from ml_platform.models.training.candidate import Candidate

__all__ = ["release_candidate", "version_of"]


def version_of(registry: Registry, candidate: Candidate) -> str:
    """The version that a release of the candidate has, or would have."""
    name = (candidate.use_case.name, candidate.declared.name)
    return registry.candidate(*name, candidate.folder, candidate.manifest()).version


def release_candidate(
    registry: Registry,
    candidate: Candidate,
    *,
    stage: str = CHAMPION,
    who: str,
    why: str,
    force: bool = False,
    judged_against: str | None = "any",
) -> Release:
    """Give a stage to a candidate as its gate judged it; see :meth:`Registry.release`, which says what is raised."""
    with tempfile.TemporaryDirectory() as draft:
        folder = Path(draft) / "release"
        shutil.copytree(candidate.folder, folder)
        (folder / CARD).mkdir()
        for name, png in candidate.plots.items():
            (folder / CARD / f"{name}.png").write_bytes(png)
        return registry.release(
            candidate.use_case.name,
            candidate.declared.name,
            folder,
            candidate.manifest(),
            stage=stage,
            who=who,
            why=why,
            force=force,
            judged_against=judged_against,
        )
