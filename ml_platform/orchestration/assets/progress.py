"""Progress of a step: in Dagster's log of the run, and for whoever watches the process."""

import logging
from collections.abc import Callable

import dagster as dg

__all__ = ["PROGRESS", "progress_of"]

PROGRESS = logging.getLogger("ml_platform.progress")
"""Records of what the step that runs in this process is doing; whoever watches sees the newest."""


def progress_of(context: dg.AssetExecutionContext) -> Callable[[str], None]:
    """The function that a step tells its progress to."""

    def say(text: str) -> None:
        context.log.info(text)
        PROGRESS.info(text)

    return say
