"""``ml-platform events``: what was published."""

import threading
from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from ml_platform.cli.console import console_for
from ml_platform.cli.project import load_platform
from ml_platform.errors import NotFoundError
from ml_platform.events.base import EventLog, LoggedEvent

__all__ = ["events"]

events = typer.Typer(no_args_is_help=True, help="Published events.")


@events.command("tail")
def tail(
    topic: Annotated[str | None, typer.Argument(help="Topic; left out, topics are listed.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="How many events.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with those to come.")] = False,
) -> None:
    """Print the last events of a topic, one JSON object a line.

    Example: ml-platform events tail card_fraud.predictions -n 3
    """
    console = console_for(soft_wrap=True, highlight=False, markup=False)
    with load_platform().backends() as backends:
        _tail(backends.events, console, topic, lines, follow=follow)


def _tail(log: EventLog, console: Console, topic: str | None, lines: int, *, follow: bool) -> None:
    topics = log.topics()
    if topic is None:
        for name, count in topics.items():
            console.print(f"{name}  {count:,} events")
        if not topics:
            console.print("nothing has been published yet; `ml-platform run` publishes predictions")
        return
    if not follow and topic not in topics:
        raise NotFoundError(f"there is no topic {topic!r}; there are: {', '.join(topics) or 'none yet'}")
    last = log.tail(topic, lines)
    _print(console, last)
    if follow:
        stop = threading.Event()
        for logged in log.follow(topic, last[-1].offset if last else 0, wait=partial(stop.wait, 1.0)):
            _print(console, [logged])


def _print(console: Console, logged: list[LoggedEvent]) -> None:
    for one in logged:
        console.print(one.event.to_json())
