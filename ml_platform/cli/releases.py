"""``ml-platform releases``: what serves, what served, what is on trial, and the way back."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.markdown import Markdown

from ml_platform.backends import Backends
from ml_platform.cli.console import console_for
from ml_platform.cli.project import load_platform
from ml_platform.errors import NotFoundError
from ml_platform.models.releases.registry import CHAMPION, Registry
from ml_platform.models.training.aliases import mirror_aliases
from ml_platform.models.training.candidates import registered_candidate
from ml_platform.models.training.promotion import release_candidate
from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.platform import Platform
from ml_platform.orchestration.pointers import report_all_changes
from ml_platform.use_case import Model, UseCase

__all__ = ["releases"]

releases = typer.Typer(no_args_is_help=True, help="Released models.")

UseCaseOption = Annotated[
    str | None, typer.Option("--use-case", help="Whose; needed when there are several.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Which of its models; needed when it has several.")
]
StageOption = Annotated[str, typer.Option("--stage", help="The champion, or the name of a shadow.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, for the audit trail.")]
WhoOption = Annotated[
    str | None, typer.Option("--who", help="Who asks for it; left out, the account that runs this.")
]


@dataclass(frozen=True)
class _Chosen:
    """The model that a command is about, and the ports of its project."""

    platform: Platform
    use_case: UseCase
    model: Model
    backends: Backends

    @property
    def path(self) -> tuple[str, str]:
        return self.use_case.name, self.model.name

    @property
    def name(self) -> str:
        return "/".join(self.path)

    @property
    def registry(self) -> Registry:
        return Registry(self.backends.registry)


@contextmanager
def _chosen(use_case: str | None, model: str | None) -> Iterator[_Chosen]:
    platform = load_platform()
    owner = _owner(platform, use_case)
    with platform.backends() as backends:
        yield _Chosen(platform, owner, _model(owner, model), backends)


def _owner(platform: Platform, use_case: str | None) -> UseCase:
    with_models = [found for found in platform.use_cases if found.models]
    if use_case is None and len(with_models) == 1:
        return with_models[0]
    return platform.use_case(use_case)


def _model(use_case: UseCase, name: str | None) -> Model:
    if name is not None:
        return use_case.model(name)
    if len(use_case.models) == 1:
        return use_case.models[0]
    known = ", ".join(model.name for model in use_case.models)
    if not known:
        raise NotFoundError(f"{use_case.name} has no models, and so no releases; name another use case")
    raise NotFoundError(f"which model is meant; {use_case.name} has: {known} (say --model NAME)")


@releases.command("list")
def list_releases(use_case: UseCaseOption = None, model: ModelOption = None) -> None:
    """List every change of the champion and of the shadows, newest last.

    Example: ml-platform releases list
    """
    with _chosen(use_case, model) as chosen:
        registry, name = chosen.registry, chosen.name
        now = registry.stages(*chosen.path)
        changes = [
            entry
            for stage in registry.stage_names(*chosen.path)
            for entry in registry.history(*chosen.path, stage)
        ]
    console = console_for(highlight=False, markup=False)
    if not changes:
        console.print(f"{name} has no release yet; run `ml-platform run`")
        return
    console.print(f"releases of {name}, times in UTC")
    for entry in sorted(changes, key=lambda e: (e.at, e.stage, e.sequence)):
        newest = now.get(entry.stage)
        marked = ""
        if newest and entry.sequence == newest.sequence:
            marked = "   <- serves now" if entry.stage == CHAMPION else "   <- on trial now"
        # The version has a line of its own: it is what a person copies, however wide the window is.
        console.print(f"\n{entry.version or 'nobody'}{marked}", soft_wrap=True)
        console.print(f"  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.stage}: {entry.action} by {entry.who}")
        console.print(f"  {entry.why}")


@releases.command()
def show(
    version: Annotated[str | None, typer.Argument(help="Which; left out, the one that serves.")] = None,
    use_case: UseCaseOption = None,
    model: ModelOption = None,
) -> None:
    """Print a release's model card: data, code, metrics, gates, who released it and why.

    Example: ml-platform releases show
    """
    with _chosen(use_case, model) as chosen:
        current = chosen.registry.promotion(*chosen.path)
        wanted = version or (current.version if current else None)
        if wanted is None:
            raise NotFoundError(f"{chosen.name} has no release yet; run `ml-platform run`")
        card, console = chosen.registry.card(*chosen.path, wanted), console_for()
        # Into a file or pipe it goes as the Markdown that it is.
        console.print(Markdown(card) if console.is_terminal else card, markup=False, highlight=False)


@releases.command()
def rollback(
    why: WhyOption,
    to: Annotated[
        str | None, typer.Option("--to", help="Version to go back to; left out, the one that served before.")
    ] = None,
    stage: StageOption = CHAMPION,
    who: WhoOption = None,
    use_case: UseCaseOption = None,
    model: ModelOption = None,
) -> None:
    """Make an earlier release serve again. The version that is left is not promoted again by itself.

    Example: ml-platform releases rollback --why "alerts doubled since noon"
    """
    with _chosen(use_case, model) as chosen:
        release = chosen.registry.rollback(
            *chosen.path, stage=stage, to=to, who=who or getpass.getuser(), why=why
        )
        said = "serves now" if stage == CHAMPION else f"is the shadow {stage} now"
        _tell(chosen, f"{chosen.name}: {release.version} {said}")


@releases.command()
def shadow(
    version: Annotated[
        str,
        typer.Argument(
            help="A release's version; or `candidate`, or the number of a model version in MLflow."
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the shadow, e.g. `challenger`.")],
    why: WhyOption = "a trial beside the champion",
    who: WhoOption = None,
    force: Annotated[bool, typer.Option("--force", help="Even if its gate did not pass.")] = False,
    use_case: UseCaseOption = None,
    model: ModelOption = None,
) -> None:
    """Let a release or candidate predict beside the champion; its predictions are stored, and announced to nobody.

    Example: ml-platform releases shadow candidate --name challenger
    """
    asks = who or getpass.getuser()
    with _chosen(use_case, model) as chosen:
        if name == CHAMPION:
            raise NotFoundError(
                f"`{CHAMPION}` is no shadow; materialise {chosen.name}/{CHAMPION} to release a candidate, or roll back"
            )
        if version == "candidate" or version.isdigit():
            candidate = registered_candidate(
                chosen.use_case,
                chosen.model,
                version,
                tracking=chosen.backends.tracking,
                scratch=chosen.backends.scratch / "candidates",
            )
            release = release_candidate(
                chosen.registry, candidate, stage=name, who=asks, why=why, force=force
            )
        else:
            release = chosen.registry.assign(*chosen.path, name, version, who=asks, why=why, force=force)
        _tell(chosen, f"{chosen.name}: {release.version} is the shadow {name} now")


@releases.command()
def unshadow(
    name: Annotated[str, typer.Argument(help="Name of the shadow.")],
    why: WhyOption = "the trial is over",
    who: WhoOption = None,
    use_case: UseCaseOption = None,
    model: ModelOption = None,
) -> None:
    """End a shadow: it predicts no more. What it predicted stays.

    Example: ml-platform releases unshadow challenger
    """
    with _chosen(use_case, model) as chosen:
        registry = chosen.registry
        known = [stage for stage in registry.stage_names(*chosen.path) if stage != CHAMPION]
        if name not in (*known, CHAMPION):
            raise NotFoundError(f"{chosen.name} has no shadow {name!r}; it has: {', '.join(known) or 'none'}")
        registry.clear(*chosen.path, name, who=who or getpass.getuser(), why=why)
        _tell(chosen, f"{chosen.name}: {name} predicts no more")


def _tell(chosen: _Chosen, said: str) -> None:
    """Say what was done, and let follow what mirrors it: MLflow's aliases, and the champion's asset in Dagster."""
    console = console_for()
    console.print(said)
    mirrored = mirror_aliases(chosen.registry, chosen.backends.tracking, *chosen.path)
    console.print(f"MLflow: {mirrored.description}", style="" if mirrored.passed else "yellow")
    with open_instance(chosen.platform.settings) as instance:
        reported = report_all_changes([chosen.use_case], chosen.backends, instance)
    told = f"{len(reported)} change{'s' * (len(reported) != 1)} reported as events of {chosen.name}/champion"
    console.print(f"Dagster: {told if reported else f'{chosen.name}/champion knows it'}")
