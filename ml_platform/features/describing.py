"""What there is to say of a feature view, as plain data for a command line or a page."""

from typing import Any

from ml_platform.features.newest import source_of
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.columns import timestamp
from ml_platform.features.online.records import Table
from ml_platform.use_case import FeatureView, UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["consumers", "describe"]


def consumers(view: FeatureView, use_cases: list[UseCase]) -> dict[str, list[str]]:
    """Use case to the features of the view that its model reads, for use cases that read any."""
    found = {}
    for use_case in use_cases:
        names = [
            name
            for joined in use_case.dataset.views
            if joined.view.name == view.name
            for name in joined.features
        ]
        if names:
            found[use_case.name] = names
    return found


def describe(
    view: FeatureView, warehouse: Warehouse | None, store: OnlineStore, use_cases: list[UseCase] | None = None
) -> dict[str, Any]:
    """Owner, model, schema, freshness and consumers of a view; JSON-able.

    Args:
        view: to describe.
        warehouse: whose relation's types are shown; None: only those of the online table.
        store: whose record of the view is shown.
        use_cases: among which consumers are looked for.
    """
    record = store.record(view.name)
    source = source_of(view, warehouse) if warehouse is not None else None
    last = record.last
    return {
        "name": view.name,
        "owner": view.owner,
        "description": view.description,
        "relation": view.relation,
        "entity": list(view.entity),
        "ttl_seconds": view.ttl.total_seconds() if view.ttl is not None else None,
        "offline": {c.name: c.kind for c in (*source.keys, *source.features)} if source else None,
        "online": _columns(record.serving),
        "table": record.serving.name if record.serving else None,
        "complete": record.complete,
        "building": record.building.name if record.building else None,
        "retired": list(record.retired),
        "paused": record.paused,
        "last_sync": last.sync if last else None,
        "last_sync_at": last.at if last else None,
        "rows": last.rows if last else None,
        "newest_event": timestamp(last.newest_us).isoformat()
        if last and last.newest_us is not None
        else None,
        "consumers": consumers(view, use_cases or []),
    }


def _columns(table: Table | None) -> dict[str, str] | None:
    return {column.name: column.kind for column in (*table.keys, *table.features)} if table else None
