"""``ml-platform status``: what is there, how fresh it is, and what its checks say."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column

from ml_platform.cli.console import console_for, shown_version, table_of
from ml_platform.cli.project import load_platform
from ml_platform.models.releases.registry import Registry
from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.planning.state import AssetState, asset_states
from ml_platform.orchestration.pointers import champions
from ml_platform.orchestration.stores import compare_stores

__all__ = ["status"]

_COLOURS = {"fresh": "green", "late": "yellow", "overdue": "red"}


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for scripts.")] = False,
) -> None:
    """Show each asset: version, last materialisation, freshness, checks, and whether it is stale.

    With --json, "assets" lists of each: asset, version, materialized_at (null: never), partitions (null: it has none),
    freshness, checks_passed (a number), checks_failed and checks_warned (names), stale (why; empty: up to date), and
    failed (the error of the last attempt; empty: none).

    Example: ml-platform status --json
    """
    platform = load_platform()
    with open_instance(platform.settings) as instance, platform.backends() as backends:
        lost = compare_stores(platform, instance)
        serving = {
            key: str(entry.version)
            for key, entry in champions(Registry(backends.registry), platform.use_cases).items()
        }
        states = asset_states(platform, instance, datetime.now(UTC), serving)
    if as_json:
        print(json.dumps({"assets": [asdict(state) for state in states]}, indent=2))  # noqa: T201 (for scripts: no markup)
        return
    columns = ("version", "parts", "made (UTC)", "fresh", "checks")
    table = table_of("asset", *(Column(name, no_wrap=True) for name in columns), "state")
    for state in states:
        table.add_row(*_row(state))
    console = console_for()
    console.print(table)
    for state in states:
        if state.failed:
            console.print(f"[red]✗[/] {state.asset} failed: {escape(state.failed)}")
    for line in lost:
        console.print(f"[red]✗[/] {line}")
    for state in states:
        if state.checks_failed:
            console.print(f"[red]✗[/] {state.asset}: {', '.join(state.checks_failed)}")
        if state.checks_warned:
            console.print(f"[yellow]![/] {state.asset}: {', '.join(state.checks_warned)}")


def _row(state: AssetState) -> tuple[str, ...]:
    failed = f" [red]{len(state.checks_failed)} ✗[/]" if state.checks_failed else ""
    warned = f" [yellow]{len(state.checks_warned)} ![/]" if state.checks_warned else ""
    return (
        state.asset,
        shown_version(state.version),
        "" if state.partitions is None else str(state.partitions),
        (state.materialized_at or "     never")[5:16].replace("T", " "),
        f"[{_COLOURS.get(state.freshness, 'dim')}]{state.freshness}[/]",
        f"[green]{state.checks_passed} ✓[/]{failed}{warned}",
        "[red]failed[/]" if state.failed else f"[yellow]{state.stale}[/]" if state.stale else "ok",
    )
