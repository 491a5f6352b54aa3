"""The work of a training job, wherever it runs: train, or find the run that did, and judge what it left."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ml_platform.compute.base import TrainingJob, TrainingResult
from ml_platform.datasets.snapshot import open_snapshot
from ml_platform.errors import NotFoundError
from ml_platform.models.frameworks.base import framework
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.candidates import Champion, train_candidate
from ml_platform.models.training.tracking import Tracking
from ml_platform.settings import Settings
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import UseCase

__all__ = ["load_champion", "train_here", "train_job"]


def train_job(
    job: TrainingJob,
    progress: Callable[[str], None],
    *,
    use_cases: Mapping[str, UseCase],
    objects: ObjectStore,
    registry: ObjectStore,
    tracking: Tracking,
    scratch: Path,
) -> TrainingResult:
    """Run a job with these backends.

    Args:
        job: what to train.
        progress: told what is being done.
        use_cases: those of the project, by name.
        objects: where snapshots are.
        registry: where releases are.
        tracking: where runs are.
        scratch: folder for files on their way.

    Raises:
        NotFoundError: the project has no such use case or model, or there is no such snapshot or release.
    """
    if job.use_case not in use_cases:
        raise NotFoundError(
            f"there is no use case {job.use_case!r} to train; there are: {', '.join(sorted(use_cases)) or 'none'}"
        )
    use_case = use_cases[job.use_case]
    declared = use_case.model(job.model)
    model = declared.model_copy(update={"parameters": dict(job.parameters), "seed": job.seed})
    found = train_candidate(
        use_case,
        open_snapshot(objects, job.use_case, job.snapshot),
        model=model,
        tracking=tracking,
        champion=load_champion(Registry(registry), job.use_case, job.model, job.champion, scratch),
        scratch=scratch / "candidates",
        progress=progress,
    )
    return TrainingResult(
        run_id=found.run_id, key=found.key, created=found.created, judgement=found.judgement.path
    )


def load_champion(
    registry: Registry, use_case: str, model: str, version: str | None, scratch: Path
) -> Champion | None:
    """A release to judge candidates against; None for None. Raises NotFoundError, ArtifactTamperedError."""
    if version is None:
        return None
    release = registry.get(use_case, model, version)
    files = registry.fetch(release, scratch / "releases")
    return Champion(version, framework(release.manifest.framework).load(files))


def train_here(
    job: TrainingJob, progress: Callable[[str], None], *, settings: Settings | None = None
) -> TrainingResult:
    """Run a job of the project in the current folder.

    Args:
        job: what to train.
        progress: told what is being done.
        settings: whose backends; None: those of the environment.
    """
    from ml_platform.backends import backends_for
    from ml_platform.project import load_use_cases

    with backends_for(settings or Settings()) as backends:
        return train_job(
            job,
            progress,
            use_cases={use_case.name: use_case for use_case in load_use_cases(Path.cwd())},
            objects=backends.objects,
            registry=backends.registry,
            tracking=backends.tracking,
            scratch=backends.scratch,
        )
