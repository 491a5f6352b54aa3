"""``ml-platform run``: bring everything that is stale up to date, in this process."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ml_platform.cli.console import console_for
from ml_platform.cli.progress import RunProgress
from ml_platform.cli.project import load_platform
from ml_platform.cli.summary import print_failures, print_summary
from ml_platform.errors import NotFoundError
from ml_platform.ingestion.sources import sources_of
from ml_platform.models.releases.registry import Registry
from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.local.run_lock import run_lock
from ml_platform.orchestration.planning.retraining import due_datasets
from ml_platform.orchestration.planning.up_to_date import Updater
from ml_platform.orchestration.pointers import champions, report_all_changes
from ml_platform.orchestration.stores import compare_stores

__all__ = ["run"]


def run(
    use_case: Annotated[
        str | None, typer.Option("--use-case", help="Only this one, and all that it is made from.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")] = False,
) -> None:
    """Bring everything that is stale up to date, and say what was done.

    Killed at any moment and run again, it ends as if it had not been. Two at once: the second waits for the first.

    Example: ml-platform run
    """
    console = console_for()
    _quiet(verbose)
    started = time.monotonic()
    platform = load_platform()
    chosen = [platform.use_case(use_case)] if use_case else list(platform.use_cases)
    sources = sources_of(chosen)
    resting = [one for one in chosen if one.sources and not any(platform.landed(one.sources).values())]
    if not any(platform.landed(sources).values()):
        raise NotFoundError(
            f"{platform.settings.landing_path} holds no data of {', '.join(source.name for source in sources)}; "
            "drop files there as docs/landing.md says, or run `ml-platform simulate`"
        )
    active = [one for one in chosen if one not in resting]
    lock = platform.settings.root / "run.lock"
    with (
        RunProgress(console) as progress,
        _without_output_of_tools(verbose),  # after the spinner, which shows what is printed
        run_lock(lock, platform.settings.run_timeout_seconds, progress.say),
        open_instance(platform.settings) as instance,
        platform.backends() as backends,
    ):
        for line in compare_stores(platform, instance):
            progress.tell(line, "yellow")
        report_all_changes(active, backends, instance)
        updater = Updater(
            platform.definitions,
            instance,
            platform.externals,
            progress,
            selection=platform.selection(use_case) if use_case else platform.without(resting),
            log_level="INFO" if verbose else "CRITICAL",
        )
        progress.nouns = {key: n.calendar.cadence.noun for key, n in updater.nodes.items() if n.calendar}
        notes = [
            f"{one.name} rests: nothing of {', '.join(source.name for source in one.sources)} has landed"
            for one in resting
        ]
        ready = time.monotonic()
        report = updater.update(
            platform.landed(sources),
            lambda _: due_datasets(active, instance, backends.warehouse, notes.append),
        )
        serving = champions(Registry(backends.registry), active)
        lost = compare_stores(platform, instance)
    seconds = (ready - started, time.monotonic() - ready)
    print_failures(console, report, platform.settings.root)
    print_summary(console, platform, updater, report, serving, notes, seconds)
    for line in lost:
        console.print(f"[red]while this run was at work[/]: {escape(line)} (by the next run)", soft_wrap=True)
    if lost or not report.ok:
        raise typer.Exit(1)


@contextmanager
def _without_output_of_tools(verbose: bool) -> Iterator[None]:
    """Dbt's log reaches standard output through Dagster; it is in dbt's log file anyway."""
    if verbose:
        yield
        return
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        yield


def _quiet(verbose: bool) -> None:
    level = logging.INFO if verbose else logging.CRITICAL
    logging.getLogger("dagster").setLevel(level)
    logging.getLogger("ml_platform").setLevel(logging.INFO if verbose else logging.WARNING)
