"""The plan of what a sync will do to the tables of a view, said before it is done."""

import re
from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

from ml_platform.features.online.base import OnlineStore
from ml_platform.features.online.columns import Column
from ml_platform.features.online.records import Record, Table
from ml_platform.features.sync.newest import ViewColumns
from ml_platform.use_case import FeatureView

__all__ = ["Plan", "apply_plan", "plan_schema", "prepare"]

_NUMBERED = re.compile(r"__v(\d+)$")


@dataclass(frozen=True)
class Plan:
    """The schema change of a sync.

    ``action``: ``none``; ``add`` (columns added to the table in place, null until filled); ``create`` (a
    first table) or ``rebuild`` (a new table, filled and then switched to; the old one is kept until told to
    be dropped); ``resume`` (the filling of a new table that was cut off goes on). ``sentence`` says so for a
    person.
    """

    view: str
    action: Literal["none", "add", "create", "rebuild", "resume"]
    sentence: str
    table: Table
    added: tuple[Column, ...] = ()

    @property
    def builds(self) -> bool:
        """Tell whether the table is not yet the one that is served."""
        return self.action in ("create", "rebuild", "resume")


def plan_schema(record: Record, source: ViewColumns, *, rebuild: str = "") -> Plan:
    """Plan the tables for a source; no side effect.

    Args:
        record: what the store knows of the view.
        source: the view's relation as it is now.
        rebuild: why a new table is wanted although the columns allow the old one; empty when it is not.
    """
    view, old = source.view, record.serving
    ttl = view.ttl.total_seconds() if view.ttl is not None else None
    wanted = Table(f"{view.name}__v{_next_number(record)}", source.keys, source.features, ttl_seconds=ttl)
    building = record.building
    if building is not None and _same_columns(building, wanted) and not _forgets_before(building, ttl):
        sentence = f"view {view.name}: go on filling table {building.name}"
        return Plan(view.name, "resume", sentence, _with_ttl(building, ttl))
    if old is None:
        return Plan(view.name, "create", f"view {view.name}: create table {wanted.name}", wanted)
    before = {column.name: column for column in old.features}
    after = {column.name: column for column in source.features}
    added = tuple(column for name, column in after.items() if name not in before)
    reasons = [f"{name} was dropped" for name in before if name not in after]
    reasons += [
        f"{n} is now {c.kind} (was {before[n].kind})"
        for n, c in after.items()
        if n in before and before[n] != c
    ]
    reasons += ["the key changed"] if old.keys != source.keys else []
    reasons += ["values are kept for longer than before"] if _forgets_before(old, ttl) else []
    reasons += [rebuild] if rebuild else []
    if reasons:
        sentence = (
            f"view {view.name}: {', '.join(reasons)}; table {wanted.name} will be filled and then take the"
            " place of"
            f" {old.name}, which is kept until you drop it"
        )
        return Plan(view.name, "rebuild", sentence, wanted)
    if added:
        names = ", ".join(column.name for column in added)
        table = replace(_with_ttl(old, ttl), features=old.features + added)
        return Plan(
            view.name,
            "add",
            f"view {view.name}: add {names} to table {old.name}, null until this sync has filled it",
            table,
            added,
        )
    sentence = f"view {view.name}: table {old.name} stays as it is"
    return Plan(view.name, "none", sentence, _with_ttl(old, ttl))


def apply_plan(store: OnlineStore, plan: Plan) -> None:
    """Make the table as planned; harmless to repeat."""
    if plan.builds:
        store.create_table(plan.table)
    elif plan.added:
        store.add_columns(plan.table, plan.added)


def prepare(store: OnlineStore, view: FeatureView, schema: pa.Schema) -> Plan:
    """Make the table of a view that its producer writes directly, and have readers read it.

    Args:
        store: that will hold it.
        view: whose entity and features to hold.
        schema: Arrow types of (at least) those columns.
    """
    source = ViewColumns(view, {field.name: field.type for field in schema})
    record = store.record(view.name)
    plan = plan_schema(record, source)
    apply_plan(store, plan)
    if plan.action != "none":
        retired = (*record.retired, record.serving.name) if record.serving and plan.builds else record.retired
        table = replace(plan.table, ttl_seconds=None)  # what is written directly has no lifetime
        store.replace_record(record, replace(record, serving=table, retired=retired))
    return plan


def _same_columns(one: Table, other: Table) -> bool:
    return one.keys == other.keys and set(one.features) == set(other.features)


def _forgets_before(table: Table, ttl: float | None) -> bool:
    """Tell whether the store may forget rows of the table before ``ttl`` seconds have passed."""
    return table.ttl_seconds is not None and (ttl is None or ttl > table.ttl_seconds)


def _with_ttl(table: Table, ttl: float | None) -> Table:
    """The table after rows were written that are kept for ``ttl`` seconds."""
    both = [seconds for seconds in (table.ttl_seconds, ttl) if seconds is not None]
    return replace(table, ttl_seconds=min(both, default=None))


def _next_number(record: Record) -> int:
    names = [table.name for table in (record.serving, record.building) if table] + list(record.retired)
    return max((int(found[1]) for name in names if (found := _NUMBERED.search(name))), default=0) + 1
