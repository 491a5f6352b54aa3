"""``ml-platform features``: what the online store holds, and a person's hand on its syncs."""

import csv
import json
import logging
import math
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from ml_platform.cli.console import console_for, table_of
from ml_platform.cli.options import within_time
from ml_platform.cli.progress import RunProgress
from ml_platform.cli.project import load_platform
from ml_platform.cli.summary import print_failures
from ml_platform.errors import DataError, NotFoundError
from ml_platform.features.online.base import Key, OnlineStore
from ml_platform.features.online.columns import parse_text, timestamp
from ml_platform.features.online.records import Record
from ml_platform.features.sync.parity import diff as compare
from ml_platform.features.views.describing import describe as describe_view
from ml_platform.orchestration.assets.online import SyncConfig
from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.planning.sync_run import sync_now
from ml_platform.use_case import FeatureView

__all__ = ["features"]

features = typer.Typer(no_args_is_help=True, help="Feature views in the online store.")

PARTS = "for a composite key its parts joined by ',' (a part with a comma in double quotes)."
View = Annotated[str, typer.Argument(help="Name of the view.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for scripts.")]


@features.command("get")
def get(
    view: View,
    keys: Annotated[list[str], typer.Argument(help=f"Entities; {PARTS}")],
    as_of: Annotated[
        datetime | None,
        typer.Option(
            callback=within_time,
            help="Moment (UTC) against which values expire; left out, the newest event's.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the features of entities as a service would read them at a moment.

    Example: ml-platform features get customer_daily C104504 C109233
    """
    platform = load_platform()
    declared = platform.view(view)
    with platform.backends() as backends:
        _get(backends.online_store, declared, keys, as_of, as_json=as_json)


def _get(
    store: OnlineStore, declared: FeatureView, keys: list[str], as_of: datetime | None, *, as_json: bool
) -> None:
    record = store.record(declared.name)
    wanted = [_key(declared, record, key) for key in keys]
    now = as_of or _newest(record)
    found = []
    for key, row in zip(wanted, store.read(declared, wanted, now=now), strict=True):
        age = row.age(now)
        found.append(
            {
                **dict(zip(declared.entity, key, strict=True)),
                "status": row.status,
                "event_timestamp": row.event_timestamp,
                "age_seconds": age.total_seconds() if age is not None else None,
                **dict(zip(declared.features, row.values, strict=True)),
            }
        )
    if as_json:
        _print_json(found)
        return
    table = table_of("", *[""] * len(found), show_header=False)
    for name in found[0]:
        table.add_row(name, *(_shown(row[name]) for row in found))
    _print(table, f"as of {now.isoformat()}")


@features.command()
def describe(view: View, as_json: AsJson = False) -> None:
    """Print a view's owner, model, schema, freshness and consumers.

    Example: ml-platform features describe customer_daily
    """
    platform = load_platform()
    with platform.backends() as backends:
        told = describe_view(
            platform.view(view), backends.warehouse, backends.online_store, list(platform.use_cases)
        )
    if as_json:
        _print_json(told)
        return
    table = table_of("", "", show_header=False)
    for name, value in told.items():
        lines = [f"{key}: {_shown(of)}" for key, of in value.items()] if isinstance(value, dict) else [value]
        table.add_row(name, "\n".join(map(_shown, lines)) or "-")
    _print(table)


@features.command()
def diff(
    view: View,
    key: Annotated[str, typer.Argument(help=f"Entity; {PARTS}")],
    as_json: AsJson = False,
) -> None:
    """Print one entity's features offline and online, side by side, expired or not; fails when they differ.

    Example: ml-platform features diff customer_daily C104504
    """
    platform = load_platform()
    declared = platform.view(view)
    with platform.backends() as backends:
        store = backends.online_store
        wanted = _key(declared, store.record(view), key)
        found = compare(declared, wanted, backends.warehouse, store)
    times = (found.offline_event_timestamp, found.online_event_timestamp)
    if times == (None, None):
        raise NotFoundError(f"{view} has no entity {key}, neither offline nor online")
    rows = [("event_timestamp", *times, times[0] == times[1])]
    rows += [(feature.feature, feature.offline, feature.online, feature.equal) for feature in found.features]
    if as_json:
        _print_json([dict(zip(("name", "offline", "online", "equal"), row, strict=True)) for row in rows])
    else:
        table = table_of("", "offline", "online", "")
        for name, offline, online, equal in rows:
            table.add_row(name, _shown(offline), _shown(online), "" if equal else "differs")
        _print(table)
    if not found.equal:
        raise typer.Exit(1)


@features.command()
def sync(
    view: View,
    override: Annotated[
        list[str] | None, typer.Option(help="A precondition that may fail in this run; may be repeated.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Fill a new table with everything, and switch to it.")
    ] = False,
    rows_per_second: Annotated[
        float | None, typer.Option(min=1, max=1e9, help="Most rows to write a second.")
    ] = None,
) -> None:
    """Sync one view now, whether it is stale or not; recorded like any other run.

    Example: ml-platform features sync customer_daily --override blast_radius
    """
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    platform, console = load_platform(), console_for()
    platform.view(view)
    config = SyncConfig(override=override or [], full=full, rows_per_second=rows_per_second)
    with RunProgress(console) as progress, open_instance(platform.settings) as instance:
        report, said = sync_now(platform.definitions, instance, view, config, progress)
    for name, value in said.items():
        _print(f"  {name}: {value:,.1f}" if isinstance(value, float) else f"  {name}: {value}")
    print_failures(console, report, platform.settings.root)
    if not report.ok:
        raise typer.Exit(1)


@features.command()
def pause(view: View) -> None:
    """Stop the syncs of a view, one under way within about a second; reading goes on.

    Example: ml-platform features pause customer_daily
    """
    _pause(view, paused=True)


@features.command()
def resume(view: View) -> None:
    """Let a paused view be synced again; the next sync ships what is missing.

    Example: ml-platform features resume customer_daily
    """
    _pause(view, paused=False)


def _pause(view: str, *, paused: bool) -> None:
    platform = load_platform()
    name = platform.view(view).name
    with platform.backends() as backends:
        backends.online_store.pause(name, paused=paused)
    _print(f"{view} is {'paused: nothing is shipped until it is resumed' if paused else 'not paused'}")


@features.command("drop-retired")
def drop_retired(view: View) -> None:
    """Drop the tables of a view that newer ones have replaced.

    Example: ml-platform features drop-retired customer_daily
    """
    platform = load_platform()
    name = platform.view(view).name
    with platform.backends() as backends:
        dropped = backends.online_store.drop_retired(name)
    _print(f"dropped: {', '.join(dropped) or 'there was nothing to drop'}")


def _key(view: FeatureView, record: Record, text: str) -> Key:
    if record.serving is None:
        raise NotFoundError(f"{view.name} was never synced; materialise online/{view.name} (ml-platform run)")
    columns = record.serving.keys
    parts = [text] if len(columns) == 1 else next(csv.reader([text]), [])
    if len(parts) != len(columns):
        raise DataError(f"{text!r} has {len(parts)} parts; the key of {view.name} is {','.join(view.entity)}")
    return tuple(parse_text(column, part) for column, part in zip(columns, parts, strict=True))


def _newest(record: Record) -> datetime:
    """The data's own clock: old data is not expired because it is old."""
    newest = record.last.newest_us if record.last else None
    return timestamp(newest) if newest is not None else datetime.now(UTC)


def _plain(value: object) -> object:
    """The value as strict JSON has it: no NaN, times in ISO 8601, bytes in hexadecimal."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _plain(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(of) for of in value]
    if (
        value is None
        or isinstance(value, bool | int | str)
        or (isinstance(value, float) and math.isfinite(value))
    ):
        return value
    return str(value)


def _shown(value: object) -> str:
    plain = _plain(value)
    if isinstance(plain, list):
        return ", ".join(map(str, plain)) or "-"
    return "-" if plain is None else str(plain)


def _print(*what: Table | str) -> None:
    console = console_for(highlight=False, markup=False)
    for one in what:
        console.print(one)


def _print_json(value: Any) -> None:  # noqa: ANN401 (any JSON)
    print(json.dumps(_plain(value), indent=2, allow_nan=False))  # noqa: T201 (for scripts: no markup)
