"""The entry point of ``ml-platform``."""

import importlib.metadata
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from ml_platform.cli.events import events
from ml_platform.cli.features import features
from ml_platform.cli.releases import releases
from ml_platform.cli.run import run
from ml_platform.cli.status import status
from ml_platform.cli.ui import ui
from ml_platform.errors import MLPlatformError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="One Dagster asset graph for data and machine learning, from the command line.",
)


@app.callback()
def _options(
    _traceback: Annotated[
        bool, typer.Option("--traceback", help="Show Python's traceback when a command fails.")
    ] = False,
) -> None:
    """``--traceback`` is looked for by :func:`main`, which must know of it when parsing itself fails."""


app.command()(run)
app.command()(status)
app.command()(ui)
app.add_typer(features, name="features")
app.add_typer(events, name="events")
app.add_typer(releases, name="releases")
for _command in importlib.metadata.entry_points(group="ml_platform.commands"):
    app.command(_command.name)(_command.load())


def main() -> None:
    """Run a command; what goes wrong is one line on standard error, and a non-zero exit."""
    try:
        app()
    except (MLPlatformError, ValidationError) as error:
        if "--traceback" in sys.argv:
            raise
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 (this is the command line)
        sys.exit(1)
