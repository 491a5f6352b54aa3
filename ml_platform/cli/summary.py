"""The summary that `ml-platform run` gives at its end: what there is now, what was done, and where the time went."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from rich.console import Console, RenderableType
from rich.markup import escape

from ml_platform.cli.console import heading, table_of
from ml_platform.full_disk import explain_full_disk
from ml_platform.models.releases.manifest import AuditEntry
from ml_platform.models.tasks.checking import metric_directions
from ml_platform.orchestration.assets.checks import NOT_EVALUATED, was_evaluated
from ml_platform.orchestration.assets.model import EVALUATION
from ml_platform.orchestration.planning.up_to_date import Report, Updater
from ml_platform.orchestration.platform import Platform
from ml_platform.orchestration.pointers import champion_key
from ml_platform.use_case import BatchPrediction, FeatureView, Model, UseCase

__all__ = ["print_failures", "print_summary"]

_NEARLY_ALL = 0.995
_MOST_METRICS = 10


def print_failures(console: Console, report: Report, root: Path) -> None:
    """Say what failed and what waits for it; ``root`` is the project's state, whose disk may be full."""
    failed: dict[str, list[str]] = defaultdict(list)
    for key, error in sorted(report.failed.items()):
        failed[explain_full_disk([error], [root]) or error.strip()].append(key.to_user_string())
    for error, names in failed.items():
        console.print(f"\n[red]{', '.join(names)} failed[/]: ", end="", soft_wrap=True)
        console.print(error, markup=False, highlight=False, soft_wrap=True)
    for check in report.checks:
        if not check.passed and was_evaluated(check):
            is_error = check.severity == dg.AssetCheckSeverity.ERROR
            colour, what = ("red", "failed") if is_error else ("yellow", "warns")
            console.print(
                f"[{colour}]check {check.check_name} of {check.asset_key.to_user_string()} {what}[/]: ",
                end="",
            )
            console.print(_said(check), markup=False, highlight=False, soft_wrap=True)
    for key, reason in sorted(report.waiting.items()):
        console.print(f"[yellow]{key.to_user_string()}[/] {reason}", soft_wrap=True)
    if report.stopped:
        console.print("[red]stopped[/]: nothing more was tried, as it would have waited for the same lock")


def _ended(check: dg.AssetCheckEvaluation) -> str:
    if check.passed:
        return "passed"
    if not was_evaluated(check):
        return NOT_EVALUATED
    return "failed" if check.severity == dg.AssetCheckSeverity.ERROR else "with a warning"


def _said(check: dg.AssetCheckEvaluation) -> str:
    """A check's description; dbt's tests have none, but say how many rows they found."""
    rows = check.metadata.get("dagster_dbt/failed_row_count")
    return check.description or (f"{rows.value} rows" if rows else "see its metadata in the UI")


def print_summary(
    console: Console,
    platform: Platform,
    updater: Updater,
    report: Report,
    serving: Mapping[dg.AssetKey, AuditEntry],
    notes: Sequence[str],
    seconds: tuple[float, float],
) -> None:
    """Print the state of every use case that was updated, and what this update did; its seconds before and in it."""
    if not report.steps:
        state = (
            "Not everything is up to date, but nothing can be done"
            if report.waiting
            else "Everything is up to date"
        )
        console.print(f"\n{state}: nothing was loaded, exported, trained, predicted or synced.")
    for use_case in platform.use_cases:
        lines = list(_use_case(use_case, updater, report, serving))
        if lines:
            heading(console, use_case.name)
            for line in lines:
                console.print(line, highlight=False)
    for note in notes:
        console.print(note, highlight=False)
    if report.checks:
        ended = Counter(map(_ended, report.checks))
        others = "".join(f", {ended[how]} {how}" for how in ("with a warning", NOT_EVALUATED) if ended[how])
        console.print(f"\nchecks      {ended['passed']} passed, {ended['failed']} failed{others}")
    _times(console, report, seconds)
    home = platform.settings.home
    console.print(
        "\nnext        [bold]make ui[/]                      the graph, its checks and plots, on http://127.0.0.1:3000\n"
        "            [bold]ml-platform status[/]           every asset, how fresh it is\n"
        "            [bold]ml-platform run[/]              what landed since (the simulated bank's:\n"
        "                                         [bold]ml-platform simulate --days 1[/])\n"
        f"            state lives in {home}; ml-platform is in .venv/bin",
        highlight=False,
    )


def _use_case(
    use_case: UseCase, updater: Updater, report: Report, serving: Mapping[dg.AssetKey, AuditEntry]
) -> Iterator[RenderableType]:
    if dg.AssetKey([use_case.name, "dataset"]) in updater.nodes:
        yield from _dataset(use_case, updater, report)
    for model in use_case.models:
        if dg.AssetKey([use_case.name, model.name]) in updater.nodes:
            yield from _model(use_case, model, updater, report)
            yield from _champion(champion_key(use_case.name, model.name), report, serving)
    for prediction in use_case.batch_predictions:
        yield from _predictions(use_case, prediction, updater, report)
    for view in use_case.feature_views:
        yield from _online(view, updater, report)


def _facts(updater: Updater, report: Report, *path: str) -> tuple[Mapping[str, Any], bool]:
    """Metadata of the newest materialisation, and whether this update made it; empty when there is none."""
    key = dg.AssetKey(path)
    made = report.made.get(key)
    return (made.metadata, True) if made else (updater.ledger.metadata(key), False)


def _dataset(use_case: UseCase, updater: Updater, report: Report) -> Iterator[RenderableType]:
    facts, now = _facts(updater, report, use_case.name, "dataset")
    if facts:
        what = f"exported {facts['exported']}" if now else "not exported again"
        yield (
            f"data        {facts['version'][:16]}  {facts['dagster/row_count']:,} rows{_labels(facts)}, "
            f"labels as of {facts['as_of'][:10]}  ({what})"
        )


def _labels(facts: Mapping[str, Any]) -> str:
    if "positives" in facts:
        return f", {facts['positives']:,} positives"
    return f", {facts['labels']:,} labels" if "labels" in facts else ""


def _model(use_case: UseCase, model: Model, updater: Updater, report: Report) -> Iterator[RenderableType]:
    facts, now = _facts(updater, report, use_case.name, model.name)
    if facts:
        failed = dg.AssetKey([use_case.name, model.name]) in report.failed
        before = "the one before: training failed" if failed else "not trained again"
        what = f"trained {facts['trained']}" if now else before
        yield f"{model.name:<12}run {facts['run_id'][:12]}, {model.task} by {model.framework}  ({what})"
        yield from _metrics(facts[EVALUATION], model)
    key = dg.AssetKey([use_case.name, model.name])
    gate = [check for check in report.checks if check.asset_key == key and check.blocking]
    if gate:
        passed = [check.check_name for check in gate if check.passed]
        yield f"gate        [green]✓[/] {', '.join(passed)}" if passed else "gate"
        for check in gate:
            if not check.passed:
                yield f"            [red]✗[/] {check.check_name}: {check.description}"


def _champion(
    key: dg.AssetKey, report: Report, serving: Mapping[dg.AssetKey, AuditEntry]
) -> Iterator[RenderableType]:
    """The release that serves, as the registry's pointer has it now, and how that came to be."""
    entry = serving.get(key)
    if entry is None:
        return
    what = "unchanged"
    if entry.action == "rollback":
        what = f"rolled back to by {entry.who}: {entry.why}"
    elif entry.action == "assign":
        what = f"named by {entry.who}: {entry.why}"
    if key in report.made:
        said = report.made[key].metadata
        if said.get("changed"):
            what = "released now"
        elif not said.get("promoted"):
            what = f"{what}; the candidate was not promoted"
    yield f"champion    {escape(f'{entry.version}  ({what})')}"


def _predictions(
    use_case: UseCase, prediction: BatchPrediction, updater: Updater, report: Report
) -> Iterator[RenderableType]:
    model = prediction.model.rpartition("/")[2]
    for name, what in (("predictions", "written"), ("prediction_events", "published")):
        key = dg.AssetKey([use_case.name, model, name])
        if key in updater.nodes:
            calendar, made = updater.nodes[key].calendar, report.made.get(key)
            noun = f"{calendar.cadence.noun}s" if calendar else "partitions"
            title = name.removeprefix("prediction_")
            rows, parts = (made.rows, made.partitions) if made else (0, 0)
            total = len(updater.ledger.built(key))
            yield f"{title:<12}{rows:,} {what} for {parts} {noun} ({total} {noun} in all)"


def _online(view: FeatureView, updater: Updater, report: Report) -> Iterator[RenderableType]:
    facts, now = _facts(updater, report, "online", view.name)
    if facts and now:
        counts = [
            f"{facts[f'rows {what}']:,} {what}" for what in ("added", "changed", "deleted", "unchanged")
        ]
        yield f"online      {view.name}: {', '.join(counts)}"
    elif facts:
        yield f"online      {view.name}: {facts['rows']:,} rows, nothing synced"


def _metrics(found: Mapping[str, Any], model: Model) -> Iterator[RenderableType]:
    """The metrics that the gate and the use case name, and the first few of the task's."""
    metrics, baselines, spread = found["metrics"], found["baselines"], found["spread over folds"]
    known, ripe = found.get("share of labels known"), found.get("ripe", {})
    order = {name: place for place, name in enumerate(metric_directions(model, ()))}
    names = sorted(metrics, key=lambda name: order.get(name, len(order)))
    wanted = {*model.gate.limits, *(metric.name for metric in model.metrics), *names[:5]}
    shown = [name for name in names if name in wanted][:_MOST_METRICS]
    # Of one fold there is no spread, and 0.000 would say that it is certain.
    several = any(figures["std"] for figures in spread.values())
    judged = {*model.gate.limits, model.gate.beats_baselines_on, model.gate.beats_champion_on}
    columns = {"model": metrics}
    if several:
        columns |= {
            what: {name: figures[part] for name, figures in spread.items()}
            for what, part in (("mean of folds", "mean"), ("± folds", "std"))
        }
    columns |= {"all labels, est.": ripe} if known is not None and known < _NEARLY_ALL and ripe else {}
    columns |= baselines
    table = table_of("", *columns, padding=(0, 2))
    for name in shown:
        cells = [f"{c[name]:.3f}" if c.get(name) is not None else "" for c in columns.values()]
        table.add_row(f"  {name}{' *' if name in judged else ''}", *cells)
    yield table
    if known is not None and known < _NEARLY_ALL:
        yield f"  by about {known:.1%} of the labels of these days: the others are still to come"
    if any(name in judged for name in shown):
        yield "  * judged by the gate"
    if len(metrics) > len(shown):
        yield f"  and {len(metrics) - len(shown)} more on the page of {model.name}"


def _times(console: Console, report: Report, seconds: tuple[float, float]) -> None:
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
        f"\ntime        {sum(seconds):.1f} s in all: {seconds[0]:.1f} s to load the project, {compute:.1f} s in "
        f"{len(report.steps)} steps, {max(seconds[1] - compute, 0):.1f} s to plan them and to record what they did"
        + (f"\n            {shown}" if shown else ""),
        highlight=False,
    )
