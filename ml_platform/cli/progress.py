"""Shows, on a console, what an update is doing."""

import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import dagster as dg
from dagster import DagsterEventType
from rich.console import Console
from rich.status import Status
from rich.text import Text

from ml_platform.orchestration.assets.progress import PROGRESS

__all__ = ["RunProgress"]


_MOST_SHOWN = 60


class _Now:
    """The step that runs, the newest that it said, and the time that it has taken; reckoned whenever it is drawn."""

    def __init__(self) -> None:
        self.tell("planning")

    def tell(self, step: str) -> None:
        """Begin with another step."""
        self.step, self.detail, self._since = step, "", time.monotonic()

    def __rich__(self) -> Text:
        detail = f": {self.detail}" if self.detail else ""
        return Text(f"{self.step}{detail} … {time.monotonic() - self._since:.0f} s")


class RunProgress:
    """A line for each finished step and a spinner for the one that runs; where nobody watches, the lines alone.

    The spinner says what the step is doing (of a training, its fold), and for how long it has run.

    What the library warns of (a lock that is waited for) is shown as it happens.

    Attributes:
        nouns: what a partition of an asset is called: hour, day or week.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self.nouns: Mapping[dg.AssetKey, str] = {}
        self._partitions: dict[str, int] = {}
        self._names: dict[str, dict[dg.AssetKey, None]] = {}
        self._log, self._now = _Shown(self), _Now()
        self._detail = _Detail(self._now)

    def __enter__(self) -> Self:
        logging.getLogger("ml_platform").addHandler(self._log)
        if self._console.is_terminal:
            self._status = self._console.status(self._now)
            self._status.start()
            PROGRESS.addHandler(self._detail)
            PROGRESS.setLevel(logging.INFO)
            PROGRESS.propagate = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("ml_platform").removeHandler(self._log)
        if self._status is not None:
            self._status.stop()
            PROGRESS.removeHandler(self._detail)
            PROGRESS.setLevel(logging.NOTSET)
            PROGRESS.propagate = True

    def say(self, text: str) -> None:
        """Show what is going on now."""
        if self._status is not None:
            self._now.tell(text)
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
            self._partitions[step], self._names[step] = 0, {}
            if self._status is not None:
                self._now.tell(name)
        elif event.event_type == DagsterEventType.ASSET_MATERIALIZATION and event.asset_key is not None:
            self._names[step][event.asset_key] = None
            self._partitions[step] += event.partition is not None
        elif event.event_type == DagsterEventType.STEP_SUCCESS and self._names[step]:
            seconds = event.step_success_data.duration_ms / 1000
            self._console.print(f"  [green]✓[/] {self._label(step):<52} {seconds:>7.1f} s", highlight=False)
        elif event.event_type == DagsterEventType.STEP_FAILURE:
            self._console.print(f"  [red]✗[/] {name}", highlight=False)

    def _label(self, step: str) -> str:
        keys = list(self._names[step])
        one = keys[-1]
        shown = one.to_user_string() if len(keys) == 1 else f"{len(keys)} assets of {one.path[0]}"
        count = self._partitions[step] // len(keys)
        noun = self.nouns.get(one, "partition")
        return f"{shown}, {count} {noun}{'s' * (count != 1)}" if count else shown


class _Detail(logging.Handler):
    """Shows in the spinner what the step says."""

    def __init__(self, now: _Now) -> None:
        super().__init__()
        self._now = now

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().splitlines()[0]
        self._now.detail = text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


class _Shown(logging.Handler):
    """Shows log records between the lines of progress."""

    def __init__(self, progress: RunProgress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        self._progress.tell(record.getMessage(), "yellow" if record.levelno >= logging.WARNING else "dim")
