"""MLflow's aliases as a mirror of the registry's stages, which are the truth of what serves."""

from ml_platform.checks import CheckOutcome
from ml_platform.errors import NotFoundError
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.tracking import CANDIDATE, Tracking, tracked_name

__all__ = ["ALIASES_AGREE", "compare_aliases", "mirror_aliases"]

ALIASES_AGREE = "aliases_agree"


def mirror_aliases(registry: Registry, tracking: Tracking, use_case: str, model: str) -> CheckOutcome:
    """Let each stage's alias follow its pointer, and return what :func:`compare_aliases` says then.

    The alias of a stage that was cleared is removed; other aliases that people set are left alone.
    """
    name = tracked_name(use_case, model)
    wanted, _ = _expected(registry, tracking, use_case, model)
    for stage, version in wanted.items():
        if version is None:
            tracking.delete_alias(name, stage)
        else:
            tracking.set_alias(name, stage, version)
    return compare_aliases(registry, tracking, use_case, model)


def compare_aliases(registry: Registry, tracking: Tracking, use_case: str, model: str) -> CheckOutcome:
    """Judge whether MLflow's aliases name the runs of the releases that the stages name; nothing is changed."""
    name = tracked_name(use_case, model)
    wanted, unknown = _expected(registry, tracking, use_case, model)
    found = tracking.aliases(name)
    differing = [
        f"alias {stage} names version {found.get(stage) or 'nothing'}, and the registry {version or 'nothing'}"
        for stage, version in wanted.items()
        if found.get(stage) != version
    ]
    if unknown:
        differing += [f"the run of the {stage} is not in MLflow: {why}" for stage, why in unknown.items()]
    agreed = ", ".join(f"{stage} is version {version}" for stage, version in wanted.items() if version)
    return CheckOutcome(
        ALIASES_AGREE,
        not differing,
        "; ".join([*differing, f"materialise {use_case}/{model}/champion, which mirrors them"])
        if differing
        else agreed or "no stage names a release",
        {"aliases": {alias: version for alias, version in sorted(found.items()) if alias != CANDIDATE}},
        severity="WARN",
    )


def _expected(
    registry: Registry, tracking: Tracking, use_case: str, model: str
) -> tuple[dict[str, str | None], dict[str, str]]:
    """Stage to the registered version of its release's run (None: cleared), and to why that is not known."""
    wanted: dict[str, str | None] = {}
    unknown: dict[str, str] = {}
    for stage in registry.stage_names(use_case, model):
        release = registry.current(use_case, model, stage)
        if release is None:
            wanted[stage] = None
        elif release.manifest.run_id is not None:
            try:
                wanted[stage] = tracking.version_of_run(
                    tracked_name(use_case, model), release.manifest.run_id
                )
            except NotFoundError as error:
                unknown[stage] = str(error)
    return wanted, unknown
