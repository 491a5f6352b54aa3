"""The console that commands print to: nothing that they say is ever cut."""

import re
import sys
from typing import Any

from rich.console import Console
from rich.table import Column, Table

__all__ = ["console_for", "heading", "shown_version", "table_of"]

_UNBOUNDED = 10_000
_RULE = 80
_HEX_DIGITS = 12


def console_for(**options: Any) -> Console:  # noqa: ANN401 (rich's own options)
    """A console on standard output; into a file or pipe, lines are as long as they are."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    return Console(file=sys.stdout, width=width, **options)


def table_of(*columns: str | Column, **options: Any) -> Table:  # noqa: ANN401 (rich's own options)
    """A table without borders whose cells go on in the next line where the window is too narrow."""
    table = Table(*columns, **{"box": None, "pad_edge": False, **options})
    for column in table.columns:
        column.overflow = "fold"
    return table


def heading(console: Console, text: str) -> None:
    """Print the title of a section."""
    if console.is_terminal:
        console.rule(f"[bold]{text}", align="left")
    else:
        console.print(f"{text} {'─' * (_RULE - len(text) - 1)}")


def shown_version(version: str | None) -> str:
    """A version as tables show it: a digest by its first twelve digits; a name, as of a release, is never cut."""
    if version is None:
        return "-"
    return version[:_HEX_DIGITS] if re.fullmatch(r"[0-9a-f]{32,}", version) else version
