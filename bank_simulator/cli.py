"""The command `simulate`, which the platform's command line finds by its entry point."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bank_simulator.bank import Bank
from bank_simulator.calendar import days_of_existing_bank, days_of_new_bank
from bank_simulator.landing import WrittenDays, recall, simulated_days, write_days
from bank_simulator.sources import SOURCES, sources_of
from ml_platform.cli.options import within_time
from ml_platform.settings import Settings

__all__ = ["simulate"]


def simulate(
    days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=36_500,
            help="How many days; for a folder that holds some, how many more.",
            show_default="90",
        ),
    ] = None,
    start: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=within_time,
            help="First day (UTC).",
            show_default="the day after the last",
        ),
    ] = None,
    end: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=within_time,
            help="Last day (UTC), inclusive.",
            show_default="yesterday",
        ),
    ] = None,
    customers: Annotated[
        int | None,
        typer.Option(min=1, max=2_000_000, help="Customers; each pays 1.5 times a day.", show_default="5000"),
    ] = None,
    terminals: Annotated[
        int | None, typer.Option(min=1, max=2_000_000, help="Payment terminals.", show_default="5000")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Another seed is another bank.", show_default="0")
    ] = None,
    drift_from: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            callback=within_time,
            help="First day (UTC) on which customers write of new things, in new words.",
            show_default="never",
        ),
    ] = None,
    landing: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Folder to write to.", show_default="the platform's"),
    ] = None,
) -> None:
    """Simulate a bank into the landing folder: its customers, terminals, payments, frauds and messages.

    Without options an empty folder gets the 90 days up to yesterday, and a folder that holds simulated days
    those since its last. The same options give the same data, and a longer run continues a shorter one.

    Example: ml-platform simulate

    Example: ml-platform simulate --start 2025-01-01 --days 30 --customers 500

    Example: ml-platform simulate --days 7

    Example: ml-platform simulate --start 2025-01-01 --days 120 --drift-from 2025-04-01
    """
    console = Console()
    folder = landing.expanduser().absolute() if landing is not None else Settings().landing_path
    bank, chosen = _plan(
        folder,
        days=days,
        start=start.date() if start else None,
        end=end.date() if end else None,
        options={
            "customers": customers,
            "terminals": terminals,
            "seed": seed,
            "drift_from": drift_from.date() if drift_from else None,
        },
        yesterday=datetime.now(UTC).date() - timedelta(days=1),
    )
    with console.status("Simulating…") as status:
        summary = write_days(bank, chosen, folder, progress=status.update)
    console.print(_report(summary, bank, folder), highlight=False, soft_wrap=True)


def _plan(
    landing: Path,
    *,
    days: int | None,
    start: date | None,
    end: date | None,
    options: Mapping[str, int | date | None],
    yesterday: date,
) -> tuple[Bank, list[date]]:
    """The bank that is meant, and the days to write; changes nothing.

    Args:
        landing: The landing folder; the bank that it belongs to is continued.
        days: How many days.
        start: First day.
        end: Last day, inclusive.
        options: Fields of the bank that were asked for; None for those that were not.
        yesterday: The last whole UTC day.

    Raises:
        ConfigurationError: The days cannot be simulated, or the folder's memory of its bank cannot be read.
    """
    asked = {name: value for name, value in options.items() if value is not None}
    memory = recall(landing)
    if memory is None:
        chosen = days_of_new_bank(days, start, end, yesterday=yesterday)
        return Bank.model_validate({"opened": chosen[0], **asked}), chosen
    present = simulated_days(landing)
    chosen = days_of_existing_bank(
        days,
        start,
        end,
        opened=memory.bank.opened,
        next_day=present[-1] + timedelta(days=1) if present else memory.bank.opened,
        through=memory.through,
        yesterday=yesterday,
    )
    # Options that differ from the remembered ones are refused where the folder is claimed.
    return memory.bank.model_copy(update=asked), chosen


def _report(summary: WrittenDays, bank: Bank, landing: Path) -> str:
    size = f"{bank.customers:,} customers, {bank.terminals:,} terminals, seed {bank.seed}"
    if bank.drift_from:
        size += f", drift from {bank.drift_from}"
    lines = []
    if summary.written:
        first, last = summary.written[0], summary.written[-1]
        lines.append(
            f"Simulated {len(summary.written)} days, {first} to {last}: {_counts(summary)} of a bank with {size}."
        )
        if left := [source.name for source in SOURCES if source not in sources_of(bank)]:
            lines.append(
                f"An earlier version began this folder, so it has no {' and no '.join(left)}; docs/landing.md says "
                "how to add them."
            )
    if summary.unchanged:
        lines.append(f"{len(summary.unchanged)} days were there already and were not touched.")
    if not lines:
        lines.append("Up to date: every day asked for is there. Further days are added with --days.")
    return "\n".join([*lines, f"Landing folder: {landing}"])


def _counts(summary: WrittenDays) -> str:
    *others, payments = [source.name for source in SOURCES if source.counted and source.name in summary.rows]
    *first, last = [f"{summary.rows[name]:,} {name.replace('_', ' ')}" for name in (payments, *others)]
    return f"{', '.join(first)} and {last}"
