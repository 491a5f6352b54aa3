"""What `ml-platform run` says at its end: what there is now, what was done, and where the time went."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from rich.console import Console
from rich.table import Table

from ml_platform.orchestration.ledger import Built
from ml_platform.orchestration.platform import Platform
from ml_platform.orchestration.up_to_date import Report, Updater
from ml_platform.use_case import UseCase

__all__ = ["print_failures", "print_summary"]


def print_failures(console: Console, report: Report) -> None:
    """Say what failed and what waits for it."""
    for key, error in sorted(report.failed.items()):
        console.print(f"\n[red]{key.to_user_string()} failed[/]: ", end="")
        console.print(error.strip(), markup=False, highlight=False)
    for check in report.checks:
        if not check.passed and "not evaluated" not in (check.description or ""):
            colour = "red" if check.severity == dg.AssetCheckSeverity.ERROR else "yellow"
            console.print(f"[{colour}]check {check.check_name} of {check.asset_key.to_user_string()} failed[/]: ", end="")
            console.print(check.description or "", markup=False, highlight=False)
    for key, reason in sorted(report.waiting.items()):
        console.print(f"[yellow]{key.to_user_string()}[/] {reason}")


def print_summary(console: Console, platform: Platform, updater: Updater, report: Report, notes: Sequence[str], seconds: float) -> None:
    """Print the state of every use case, and what this update did."""
    if not report.steps:
        console.print("\nEverything is up to date: nothing was loaded, exported, trained, predicted or synced.")
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
        "            [bold]ml-platform simulate --days 1[/] && [bold]ml-platform run[/]   a new day\n"
        f"            state lives in {home}; ml-platform is in .venv/bin",
        highlight=False,
    )


def _use_case(console: Console, use_case: UseCase, updater: Updater, report: Report) -> None:
    def newest(*path: str) -> Built | None:
        return updater.ledger.latest(dg.AssetKey(path)).get(None) if dg.AssetKey(path) in updater.nodes else None

    done = {key.to_user_string() for step in report.steps for key in step.keys}
    console.rule(f"[bold]{use_case.name}", align="left")
    dataset, model, champion = (newest(use_case.name, part) for part in ("dataset", "model", "champion"))
    if dataset:
        exported = "exported now" if f"{use_case.name}/dataset" in done else "not exported again"
        console.print(
            f"data        {dataset.version[:16]}  {dataset.metadata['dagster/row_count']:,} rows, "
            f"{dataset.metadata['positives']:,} positives, labels as of {dataset.metadata['as_of'][:10]}  ({exported})",
            highlight=False,
        )
    if model:
        trained = model.metadata["trained"] if f"{use_case.name}/model" in done else "not trained again"
        console.print(f"model       run {model.metadata['run_id'][:12]}  ({trained})", highlight=False)
        console.print(_metrics(model.metadata))
        gates = [c for c in report.checks if c.asset_key == dg.AssetKey([use_case.name, "model"]) and c.blocking]
        for gate in gates:
            console.print(f"  [{'green' if gate.passed else 'red'}]{'✓' if gate.passed else '✗'}[/] {gate.check_name}: {gate.description}", highlight=False)
    if champion:
        console.print(f"champion    {champion.version}  ({'released now' if f'{use_case.name}/champion' in done else 'unchanged'})", highlight=False)
    for line in _written(use_case, updater, report):
        console.print(line, highlight=False)


def _metrics(metadata: Mapping[str, Any]) -> Table:
    metrics, baselines, spread = metadata["metrics"], metadata["baselines"], metadata["spread over folds"]
    table = Table("", "model", "± folds", *baselines, box=None, padding=(0, 2), pad_edge=False)
    for name, value in metrics.items():
        cells = [f"{figures[name]:.3f}" if name in figures else "" for figures in baselines.values()]
        table.add_row(f"  {name}", f"{value:.3f}", f"{spread[name]['std']:.3f}" if name in spread else "", *cells)
    return table


def _written(use_case: UseCase, updater: Updater, report: Report) -> list[str]:
    """Predictions, events and online rows of this update."""
    runs = set(report.run_ids)
    lines = []
    for name, what in (("predictions", "predictions"), ("prediction_events", "events")):
        key = dg.AssetKey([use_case.name, name])
        if key not in updater.nodes:
            continue
        made = {day: b for day, b in updater.ledger.latest(key).items() if b.run_id in runs}
        rows = sum(int(b.metadata.get("dagster/partition_row_count", 0)) for b in made.values())
        total = len(updater.ledger.latest(key))
        verb = "written" if name == "predictions" else "published"
        lines.append(f"{what:<12}{rows:,} {verb} for {len(made)} days ({total} days in all)")
    for view in use_case.feature_views:
        built = updater.ledger.latest(dg.AssetKey(["online", view.name])).get(None)
        if built and built.run_id in runs:
            parts = ", ".join(f"{built.metadata[f'rows {what}']:,} {what}" for what in ("added", "changed", "deleted", "unchanged"))
            lines.append(f"online      {view.name}: {parts}")
        elif built:
            lines.append(f"online      {view.name}: {built.metadata['rows']:,} rows, nothing synced")
    return lines


def _times(console: Console, report: Report, seconds: float) -> None:
    by_group: dict[str, float] = defaultdict(float)
    for step in report.steps:
        names = sorted({key.path[0] for key in step.keys}) if len(step.keys) > 1 else [k.to_user_string() for k in step.keys]
        by_group[" and ".join(names) or "failed steps"] += step.seconds
    compute = sum(by_group.values())
    top = sorted(by_group.items(), key=lambda item: -item[1])[:6]
    shown = ", ".join(f"{name} {value:.1f} s" for name, value in top)
    console.print(f"\ntime        {seconds:.1f} s in all, {compute:.1f} s of it in {len(report.steps)} steps" + (f": {shown}" if shown else ""), highlight=False)
