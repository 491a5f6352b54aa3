"""What `ml-platform run` says at its end: what there is now, what was done, and where the time went."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from rich.console import Console, RenderableType
from rich.table import Table

from ml_platform.orchestration.planning.ledger import Built
from ml_platform.orchestration.planning.up_to_date import Report, Updater
from ml_platform.orchestration.platform import Platform
from ml_platform.use_case import UseCase

__all__ = ["print_failures", "print_summary"]


def print_failures(console: Console, report: Report) -> None:
    """Say what failed and what waits for it."""
    failed: dict[str, list[str]] = defaultdict(list)
    for key, error in sorted(report.failed.items()):
        failed[error.strip()].append(key.to_user_string())
    for error, names in failed.items():
        console.print(f"\n[red]{', '.join(names)} failed[/]: ", end="", soft_wrap=True)
        console.print(error, markup=False, highlight=False, soft_wrap=True)
    for check in report.checks:
        if not check.passed and "not evaluated" not in (check.description or ""):
            colour = "red" if check.severity == dg.AssetCheckSeverity.ERROR else "yellow"
            console.print(
                f"[{colour}]check {check.check_name} of {check.asset_key.to_user_string()} failed[/]: ",
                end="",
            )
            console.print(_said(check), markup=False, highlight=False, soft_wrap=True)
    for key, reason in sorted(report.waiting.items()):
        console.print(f"[yellow]{key.to_user_string()}[/] {reason}", soft_wrap=True)
    if report.stopped:
        console.print("[red]stopped[/]: nothing more was tried, as it would have waited for the same lock")


def _said(check: dg.AssetCheckEvaluation) -> str:
    """A check's description; dbt's tests have none, but say how many rows they found."""
    rows = check.metadata.get("dagster_dbt/failed_row_count")
    return check.description or (f"{rows.value} rows" if rows else "see its metadata in the UI")


def print_summary(
    console: Console,
    platform: Platform,
    updater: Updater,
    report: Report,
    notes: Sequence[str],
    seconds: float,
) -> None:
    """Print the state of every use case, and what this update did."""
    if not report.steps:
        state = (
            "Not everything is up to date, but nothing can be done"
            if report.waiting
            else "Everything is up to date"
        )
        console.print(f"\n{state}: nothing was loaded, exported, trained, predicted or synced.")
    for use_case in platform.use_cases:
        _use_case(console, use_case, updater, report)
    for note in notes:
        console.print(note, highlight=False)
    passed = Counter(check.passed for check in report.checks)
    if report.checks:
        console.print(f"\nchecks      {passed[True]} passed, {passed[False]} failed")
    _times(console, report, seconds)
    home = platform.settings.home
    console.print(
        "\nnext        [bold]make ui[/]                      the graph, its checks and plots, on http://127.0.0.1:3000\n"
        "            [bold]ml-platform status[/]           every asset, how fresh it is\n"
        "            [bold]ml-platform run[/]              a new day, once it has landed (the simulated bank's:\n"
        "                                         [bold]ml-platform simulate --days 1[/])\n"
        f"            state lives in {home}; ml-platform is in .venv/bin",
        highlight=False,
    )


def _use_case(console: Console, use_case: UseCase, updater: Updater, report: Report) -> None:
    console.rule(f"[bold]{use_case.name}", align="left")
    for show in (_dataset, _model, _champion, _daily, _online):
        for line in show(use_case, updater, report):
            console.print(line, highlight=False)


def _newest(updater: Updater, *path: str) -> Built | None:
    key = dg.AssetKey(path)
    return updater.ledger.latest(key).get(None) if key in updater.nodes else None


def _was_made(report: Report, *path: str) -> bool:
    return any(dg.AssetKey(path) in step.keys for step in report.steps)


def _dataset(use_case: UseCase, updater: Updater, report: Report) -> Iterator[RenderableType]:
    made = _newest(updater, use_case.name, "dataset")
    if made:
        facts = made.metadata
        what = (
            f"exported {facts['exported']}"
            if _was_made(report, use_case.name, "dataset")
            else "not exported again"
        )
        yield (
            f"data        {made.version[:16]}  {facts['dagster/row_count']:,} rows{_labels(facts)}, "
            f"labels as of {facts['as_of'][:10]}  ({what})"
        )


def _labels(facts: Mapping[str, Any]) -> str:
    if "positives" in facts:
        return f", {facts['positives']:,} positives"
    return f", {facts['labels']:,} labels" if "labels" in facts else ""


def _model(use_case: UseCase, updater: Updater, report: Report) -> Iterator[RenderableType]:
    made = _newest(updater, use_case.name, "model")
    if made:
        what = (
            f"trained {made.metadata['trained']}"
            if _was_made(report, use_case.name, "model")
            else "not trained again"
        )
        yield f"model       run {made.metadata['run_id'][:12]}  ({what})"
        yield _metrics(made.metadata)
    for check in report.checks:
        if check.asset_key == dg.AssetKey([use_case.name, "model"]) and check.blocking:
            mark = "[green]✓[/]" if check.passed else "[red]✗[/]"
            yield f"  {mark} {check.check_name}: {check.description}"


def _champion(use_case: UseCase, updater: Updater, report: Report) -> Iterator[RenderableType]:
    made = _newest(updater, use_case.name, "champion")
    if made:
        what = "unchanged"
        if _was_made(report, use_case.name, "champion"):
            what = "released now" if made.metadata["promoted"] else "the candidate was not promoted"
        yield f"champion    {made.metadata['release']}  ({what})"


def _daily(use_case: UseCase, updater: Updater, report: Report) -> Iterator[RenderableType]:
    for name, what in (("predictions", "written"), ("prediction_events", "published")):
        built = updater.ledger.latest(dg.AssetKey([use_case.name, name]))
        now = [made for made in built.values() if made.run_id in report.run_ids]
        rows = sum(int(made.metadata.get("dagster/partition_row_count", 0)) for made in now)
        title = name.removeprefix("prediction_")
        yield f"{title:<12}{rows:,} {what} for {len(now)} days ({len(built)} days in all)"


def _online(use_case: UseCase, updater: Updater, report: Report) -> Iterator[RenderableType]:
    for view in use_case.feature_views:
        made = _newest(updater, "online", view.name)
        if made and made.run_id in report.run_ids:
            counts = [
                f"{made.metadata[f'rows {what}']:,} {what}"
                for what in ("added", "changed", "deleted", "unchanged")
            ]
            yield f"online      {view.name}: {', '.join(counts)}"
        elif made:
            yield f"online      {view.name}: {made.metadata['rows']:,} rows, nothing synced"


def _metrics(metadata: Mapping[str, Any]) -> Table:
    found = metadata["evaluation"]
    metrics, baselines, spread = found["metrics"], found["baselines"], found["spread over folds"]
    table = Table("", "model", "± folds", *baselines, box=None, padding=(0, 2), pad_edge=False)
    for name, value in metrics.items():
        cells = [f"{figures[name]:.3f}" if name in figures else "" for figures in baselines.values()]
        table.add_row(
            f"  {name}", f"{value:.3f}", f"{spread[name]['std']:.3f}" if name in spread else "", *cells
        )
    return table


def _times(console: Console, report: Report, seconds: float) -> None:
    by_group: dict[str, float] = defaultdict(float)
    for step in report.steps:
        names = (
            sorted({key.path[0] for key in step.keys})
            if len(step.keys) > 1
            else [k.to_user_string() for k in step.keys]
        )
        by_group[" and ".join(names) or ("failed steps" if step.error else "checks alone")] += step.seconds
    compute = sum(by_group.values())
    top = sorted(by_group.items(), key=lambda item: -item[1])[:6]
    shown = ", ".join(f"{name} {value:.1f} s" for name, value in top)
    console.print(
        f"\ntime        {seconds:.1f} s in all, {compute:.1f} s of it in {len(report.steps)} steps"
        + (f": {shown}" if shown else ""),
        highlight=False,
    )
