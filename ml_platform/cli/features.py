"""``ml-platform features``: what the online store holds."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ml_platform.cli.project import load_platform
from ml_platform.errors import DataError, NotFoundError
from ml_platform.features.describing import describe as describe_view
from ml_platform.features.online.base import Key, OnlineStore
from ml_platform.features.online.columns import parse_text, timestamp
from ml_platform.features.online.records import Record
from ml_platform.features.parity import diff as compare
from ml_platform.use_case import FeatureView

__all__ = ["features"]

features = typer.Typer(no_args_is_help=True, help="Feature views in the online store.")

View = Annotated[str, typer.Argument(help="Name of the view.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for scripts.")]


@features.command("get")
def get(
    view: View,
    keys: Annotated[list[str], typer.Argument(help="Entities; for a composite key its parts joined by ','.")],
    as_of: Annotated[
        datetime | None,
        typer.Option(help="Moment (UTC) against which values expire; left out, the newest event's."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the features of entities as a service would read them.

    Example: ml-platform features get customer_daily C100001 C100002
    """
    platform = load_platform()
    declared = platform.view(view)
    store: OnlineStore = platform.port("online_store")
    record = store.record(view)
    wanted = [_key(declared, record, key) for key in keys]
    now = as_of.replace(tzinfo=UTC) if as_of else _newest(record)
    rows = store.read(declared, wanted, now=now)
    found = [
        {
            **dict(zip(declared.entity, key, strict=True)),
            "status": row.status,
            "event_timestamp": row.event_timestamp,
            **dict(zip(declared.features, row.values, strict=True)),
        }
        for key, row in zip(wanted, rows, strict=True)
    ]
    _print(found, as_json=as_json)


@features.command()
def describe(view: View, as_json: AsJson = False) -> None:
    """Print a view's owner, model, schema, freshness and consumers.

    Example: ml-platform features describe customer_daily
    """
    platform = load_platform()
    told = describe_view(
        platform.view(view),
        platform.port("warehouse"),
        platform.port("online_store"),
        list(platform.use_cases),
    )
    if as_json:
        _print_json(told)
        return
    table = Table(box=None, show_header=False)
    for name, value in told.items():
        table.add_row(name, json.dumps(value, default=str) if isinstance(value, dict | list) else str(value))
    Console().print(table)


@features.command()
def diff(
    view: View, key: Annotated[str, typer.Argument(help="Entity; a composite key's parts joined by ','.")]
) -> None:
    """Print one entity's features offline and online, side by side; fails when they differ.

    Example: ml-platform features diff customer_daily C100001
    """
    platform = load_platform()
    declared = platform.view(view)
    store: OnlineStore = platform.port("online_store")
    wanted = _key(declared, store.record(view), key)
    found = compare(declared, wanted, platform.port("warehouse"), store)
    table = Table("", "offline", "online", "", box=None)
    times = (found.offline_event_timestamp, found.online_event_timestamp)
    table.add_row("event_timestamp", *map(str, times), "" if times[0] == times[1] else "differs")
    for feature in found.features:
        table.add_row(
            feature.feature, str(feature.offline), str(feature.online), "" if feature.equal else "differs"
        )
    Console().print(table)
    if not found.equal:
        raise typer.Exit(1)


def _key(view: FeatureView, record: Record, text: str) -> Key:
    if record.serving is None:
        raise NotFoundError(f"{view.name} was never synced; materialise online/{view.name} (ml-platform run)")
    columns = record.serving.keys
    parts = [text] if len(columns) == 1 else text.split(",")
    if len(parts) != len(columns):
        raise DataError(
            f"{text!r} has {len(parts)} parts; the key of {view.name} is {', '.join(view.entity)}"
        )
    return tuple(parse_text(column, part) for column, part in zip(columns, parts, strict=True))


def _newest(record: Record) -> datetime:
    """The data's own clock: old data is not expired because it is old."""
    newest = record.last.newest_us if record.last else None
    return timestamp(newest) if newest is not None else datetime.now(UTC)


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        _print_json(rows)
        return
    table = Table("", *(str(next(iter(row.values()))) for row in rows), box=None)
    for name in rows[0]:
        table.add_row(name, *(str(row[name]) for row in rows))
    Console().print(table)


def _print_json(value: object) -> None:
    print(json.dumps(value, default=str, indent=2))  # noqa: T201 (for scripts: no markup)
