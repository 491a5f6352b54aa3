"""The description of a feature view, as plain data for a command line or a page."""

from typing import Any

from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.columns import kind_of, micros, timestamp
from ml_platform.features.online.records import Table
from ml_platform.features.views.usage import consumers
from ml_platform.use_case import FeatureView, UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["describe"]


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
    columns = warehouse.columns(view.relation) if warehouse is not None else {}
    online = record.last.newest_us if record.last else None
    offline = _newest(view, warehouse) if warehouse is not None and columns else None
    last = record.last
    return {
        "name": view.name,
        "owner": view.owner,
        "description": view.description,
        "relation": view.relation,
        "entity": list(view.entity),
        "ttl_seconds": view.ttl.total_seconds() if view.ttl is not None else None,
        "offline": {
            name: kind_of(columns[name]) if name in columns else None
            for name in (*view.entity, *view.features)
        }
        if columns
        else None,
        "online": _columns(record.serving),
        "table": record.serving.name if record.serving else None,
        "complete": record.complete,
        "building": record.building.name if record.building else None,
        "retired": list(record.retired),
        "paused": record.paused,
        "last_sync": last.sync if last else None,
        "last_sync_at": last.at if last else None,
        "rows": last.rows if last else None,
        "newest_event": timestamp(online).isoformat() if online is not None else None,
        "seconds_behind_offline": (offline - online) / 1e6
        if offline is not None and online is not None
        else None,
        "consumers": consumers(view, use_cases or []),
    }


def _newest(view: FeatureView, warehouse: Warehouse) -> int | None:
    quoted = warehouse.dialect.quoted
    sql = f"SELECT MAX({quoted(view.event_timestamp)}) FROM {quoted(view.relation)}"
    newest = warehouse.scalar(sql)
    return micros(newest) if newest is not None else None


def _columns(table: Table | None) -> dict[str, str] | None:
    return {column.name: column.kind for column in (*table.keys, *table.features)} if table else None
