"""Shows, on a console, what an update is doing."""

import logging
from types import TracebackType
from typing import Self

import dagster as dg
from dagster import DagsterEventType
from rich.console import Console
from rich.status import Status

__all__ = ["RunProgress"]


class RunProgress:
    """A line for each finished step and a spinner for the one that runs; where nobody watches, the lines alone.

    What the library warns of (a lock that is waited for) is shown as it happens.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._days: dict[str, int] = {}
        self._names: dict[str, dict[str, None]] = {}
        self._log = _Shown(self)

    def __enter__(self) -> Self:
        logging.getLogger("ml_platform").addHandler(self._log)
        if self._console.is_terminal:
            self._status = self._console.status("planning …")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("ml_platform").removeHandler(self._log)
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        """Show what is going on now."""
        if self._status is not None:
            self._status.update(text)
        else:
            self._console.print(f"  {text}", style="dim", highlight=False, soft_wrap=True)

    def tell(self, text: str, style: str) -> None:
        """Show something that stays."""
        self._console.print(f"  {text}", style=style, markup=False, highlight=False, soft_wrap=True)

    def __call__(self, event: dg.DagsterEvent) -> None:
        """Take note of a Dagster event."""
        step = event.step_key or ""
        name = step.replace("__", "/")
        if event.event_type == DagsterEventType.STEP_START:
            self._days[step], self._names[step] = 0, {}
            if self._status is not None:
                self._status.update(f"{name} …")
        elif event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            self._names[step][event.asset_key.to_user_string()] = None
            self._days[step] += event.partition is not None
        elif event.event_type == DagsterEventType.STEP_SUCCESS and self._names[step]:
            seconds = event.step_success_data.duration_ms / 1000
            self._console.print(f"  [green]✓[/] {self._label(step):<52} {seconds:>7.1f} s", highlight=False)
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            self._console.print(f"  [red]✗[/] {name}", highlight=False)

    def _label(self, step: str) -> str:
        names = list(self._names[step])
        days = self._days[step] // max(len(names), 1)
        shown = (
            names[0]
            if len(names) == 1
            else f"{len(names)} assets of {names[-1].split('/')[0]}"
            if names
            else step
        )
        return f"{shown}, {days} day{'s' * (days != 1)}" if days else shown


class _Shown(logging.Handler):
    """Shows log records between the lines of progress."""

    def __init__(self, progress: RunProgress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.tell(record.getMessage(), "yellow" if record.levelno >= logging.WARNING else "dim")
