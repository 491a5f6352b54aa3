"""The entry point of ``ml-platform``."""

import atexit
import contextlib
import errno
import importlib.metadata
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from ml_platform.cli.events import events
from ml_platform.cli.features import features
from ml_platform.cli.releases import releases
from ml_platform.cli.run import run
from ml_platform.cli.status import status
from ml_platform.cli.ui import ui
from ml_platform.damaged_database import explain_damaged_database
from ml_platform.declaration import declaration_error
from ml_platform.errors import MLPlatformError
from ml_platform.full_disk import explain_full_disk, texts_of

__all__ = ["app", "console", "main"]

_OF_DISK = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENOSPC, errno.EDQUOT}

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
    """Here for the help; :func:`main` looks for it, and must know of it when parsing itself fails."""


app.command()(run)
app.command()(status)
app.command()(ui)
app.add_typer(features, name="features")
app.add_typer(events, name="events")
app.add_typer(releases, name="releases")
for _command in importlib.metadata.entry_points(group="ml_platform.commands"):
    app.command(_command.name)(_command.load())


def main() -> None:
    """Run a command; what goes wrong is one line on standard error, and a non-zero exit.

    ``--traceback`` is taken anywhere, for a person adds it behind the command that has just failed.
    """
    traceback = "--traceback" in sys.argv
    try:
        app(args=[argument for argument in sys.argv[1:] if argument != "--traceback"])
    except Exception as error:
        if traceback:
            raise
        print(f"error: {_one_line(error)}", file=sys.stderr)  # noqa: T201 (this is the command line)
        sys.exit(1)


def console() -> NoReturn:
    """The console script: :func:`main`, and then the end, without freeing each object that an update made.

    Python would take one to two seconds for that.
    """
    status: object = 0
    try:
        main()
    except SystemExit as exit_:
        status = exit_.code
    atexit._run_exitfuncs()  # noqa: SLF001 (what Python itself calls at its end)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


def _places() -> list[Path]:
    """Folders that are written to; settings that cannot be read name none."""
    from ml_platform.settings import Settings

    try:
        settings = Settings()
    except (ValidationError, MLPlatformError):
        return []
    return [settings.root, settings.landing_path]


def _one_line(error: BaseException) -> str:
    if full := explain_full_disk(texts_of(error), _places()):
        return full
    for root in _places()[:1]:
        if damaged := explain_damaged_database(texts_of(error), root):
            return damaged
    chain, cause = [error], error.__cause__
    while cause is not None:
        chain, cause = [*chain, cause], cause.__cause__
    for ours in chain:  # Dagster wraps what is raised while it loads definitions
        if isinstance(ours, MLPlatformError):
            return str(ours)
    for wrong in chain:
        if isinstance(wrong, ValidationError):
            return str(declaration_error(wrong, wrong.title))
    if isinstance(error, OSError) and error.errno in _OF_DISK:
        return (
            f"{error.filename or 'a file'}: {error.strerror}; ML_PLATFORM_HOME and ML_PLATFORM_LANDING must "
            "name folders that can be written, with space left (--traceback shows where)"
        )
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first} (this is not expected; --traceback shows where)"
