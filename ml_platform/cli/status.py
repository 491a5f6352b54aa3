"""``ml-platform status``: what is there, how fresh it is, and what its checks say."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ml_platform.cli.project import load_platform
from ml_platform.orchestration.home import open_instance
from ml_platform.orchestration.state import AssetState, asset_states

__all__ = ["status"]

_COLOURS = {"fresh": "green", "late": "yellow", "overdue": "red"}


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Show each asset: version, last materialisation, freshness, checks, and whether it is stale.

    With --json, "assets" lists of each: asset, version, materialized_at (null: never), days (null: it has none),
    freshness, checks_passed (a number), checks_failed (their names), and stale (why; empty: up to date).

    Example: ml-platform status --json
    """
    platform = load_platform()
    with open_instance(platform.settings) as instance:
        states = asset_states(platform, instance, datetime.now(UTC))
    if as_json:
        print(json.dumps({"assets": [asdict(state) for state in states]}, indent=2))  # noqa: T201 (for scripts: no markup)
        return
    table = Table("asset", "version", "last materialised (UTC)", "freshness", "checks", "state", box=None)
    for state in states:
        table.add_row(*_row(state))
    Console().print(table)


def _row(state: AssetState) -> tuple[str, ...]:
    checks = f"{state.checks_passed} passed"
    if state.checks_failed:
        checks += f", [red]{len(state.checks_failed)} failed: {', '.join(state.checks_failed)}[/]"
    freshness = f"[{_COLOURS.get(state.freshness, 'dim')}]{state.freshness}[/]"
    days = f" ({state.days} days)" if state.days is not None else ""
    return (
        state.asset,
        (state.version or "-")[:12] + days,
        (state.materialized_at or "never")[:19].replace("T", " "),
        freshness,
        checks if state.checks_passed or state.checks_failed else "-",
        f"[yellow]{state.stale}[/]" if state.stale else "up to date",
    )
