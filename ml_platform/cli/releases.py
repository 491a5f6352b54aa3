"""``ml-platform releases``: what serves, what served, and the way back."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from ml_platform.cli.project import load_platform
from ml_platform.errors import NotFoundError
from ml_platform.models.releases.registry import Registry
from ml_platform.orchestration.assets.champion import mirror_alias
from ml_platform.orchestration.platform import Platform

__all__ = ["releases"]

releases = typer.Typer(no_args_is_help=True, help="Released models.")

UseCaseOption = Annotated[
    str | None, typer.Option("--use-case", help="Whose; needed when there are several.")
]


@contextmanager
def _registry(platform: Platform) -> Iterator[Registry]:
    with platform.backends() as backends:
        yield Registry(backends.registry)


@releases.command("list")
def list_releases(use_case: UseCaseOption = None) -> None:
    """List every release and every change of the champion, newest last.

    Example: ml-platform releases list
    """
    platform = load_platform()
    name = platform.use_case(use_case).name
    with _registry(platform) as registry:
        current, history = registry.promotion(name), list(registry.history(name))
    table = Table(
        "when (UTC)", "version", "what", "who", "why", "", title=f"releases of {name}", title_justify="left"
    )
    for entry in history:
        serves = current is not None and entry.sequence == current.sequence
        table.add_row(
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            entry.version,
            entry.action,
            entry.who,
            entry.why,
            "serves now" if serves else "",
        )
    Console().print(table if table.row_count else f"{name} has no release yet; run `ml-platform run`")


@releases.command()
def show(
    version: Annotated[str | None, typer.Argument(help="Which; left out, the one that serves.")] = None,
    use_case: UseCaseOption = None,
) -> None:
    """Print a release's model card: data, code, metrics, gates, who released it and why.

    Example: ml-platform releases show
    """
    platform = load_platform()
    name = platform.use_case(use_case).name
    with _registry(platform) as registry:
        current = registry.promotion(name)
        if version is None and current is None:
            raise NotFoundError(f"{name} has no release yet; run `ml-platform run`")
        wanted = version or (current.version if current else "")
        Console().print(Markdown(registry.card(name, wanted)))


@releases.command()
def rollback(
    why: Annotated[str, typer.Option("--why", help="The reason, for the audit trail.")],
    to: Annotated[
        str | None, typer.Option("--to", help="Version to go back to; left out, the one that served before.")
    ] = None,
    who: Annotated[
        str | None, typer.Option("--who", help="Who asks for it; left out, the account that runs this.")
    ] = None,
    use_case: UseCaseOption = None,
) -> None:
    """Make an earlier release serve again. The version that is left is not promoted again by itself.

    Example: ml-platform releases rollback --why "alerts doubled since noon"
    """
    platform = load_platform()
    name = platform.use_case(use_case).name
    console = Console()
    with platform.backends() as backends:
        registry = Registry(backends.registry)
        release = registry.rollback(name, to=to, who=who or getpass.getuser(), why=why)
        console.print(f"{name}: {release.version} serves now")
        mirrored = mirror_alias(name, backends.tracking, release)
    console.print(f"MLflow: {mirrored.description}", style="" if mirrored.passed else "yellow")
