"""A feature view's rows in the online store."""

from collections.abc import Iterator, Sequence

import dagster as dg
from pydantic import Field

from ml_platform.cadence import Cadence
from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError
from ml_platform.features.online.base import OnlineStore
from ml_platform.features.sync.parity import parity
from ml_platform.features.sync.run import SyncRefusedError, SyncResult, sync_view
from ml_platform.features.views.usage import consumers, synced_views
from ml_platform.models.releases.registry import Registry
from ml_platform.models.releases.view_inputs import RELEASED_MODELS, released_models
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.naming import (
    Materialized,
    asset_key,
    common,
    declaration_version,
    freshness_of,
)
from ml_platform.orchestration.assets.progress import progress_of
from ml_platform.orchestration.assets.view_usage import column_descriptions, used_by
from ml_platform.orchestration.dbt.calendars import RelationCalendars
from ml_platform.orchestration.planning.conditions import when_stale
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.stores import note_written
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import FeatureView, UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["SyncConfig", "online_asset", "online_definitions"]


class SyncConfig(dg.Config):
    """The options that a person may set for one sync."""

    override: list[str] = Field(default=[], description="Names of preconditions that may fail in this run.")
    full: bool = Field(default=False, description="Fill a new table with everything, and switch to it.")
    rows_per_second: float | None = Field(default=None, gt=0, description="Most rows to write a second.")


def online_definitions(
    use_cases: Sequence[UseCase], place: str, calendars: RelationCalendars
) -> dg.Definitions:
    """``online/<view>`` for each view that any use case syncs: one asset, however many declare it.

    Args:
        use_cases: all that there are.
        place: names the online store; in another one, everything is stale.
        calendars: of the views' relations: the end of the data that a view's age is measured against.

    Raises:
        ConfigurationError: two declarations of one name differ.
    """
    views = synced_views(use_cases)
    return dg.Definitions(
        assets=[online_asset(view, owners, use_cases, place, calendars) for view, owners in views]
    )


def online_asset(
    view: FeatureView,
    declared_by: Sequence[UseCase],
    use_cases: Sequence[UseCase],
    place: str,
    calendars: RelationCalendars,
) -> dg.AssetsDefinition:
    """``online/<view>``: the newest row of each entity, shipped by difference.

    Args:
        view: to sync.
        declared_by: the use cases that sync it; the first gives the group and the tags.
        use_cases: all that there are, among which those that read the view are found.
        place: names the online store.
        calendars: of the view's relation.
    """
    key = dg.AssetKey(["online", view.name])
    source = asset_key(view.relation)
    checks, calendar = _checks(key, view), calendars.of(view.relation)
    shared = common(declared_by[0], "featureview")
    shared["owners"] = [view.owner] if view.owner else sorted({use_case.owner for use_case in declared_by})

    @dg.asset(
        key=key,
        deps=[source],
        code_version=declaration_version(view, place, leave_out={"owner", "description", "guard"}),
        description=view.description or f"The newest row of each entity of {view.relation}.",
        metadata={
            "entity": ", ".join(view.entity),
            "used by": used_by(consumers(view, use_cases), use_cases),
            "time to live": str(view.ttl).removesuffix(", 0:00:00") if view.ttl else "for ever",
        },
        check_specs=checks.specs,
        freshness_policy=freshness_of(calendar.cadence if calendar else Cadence.DAILY),
        automation_condition=when_stale(),
        pool="warehouse",
        **shared,
    )
    @explained
    def sync(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        warehouse: dg.ResourceParam[Warehouse],
        online_store: dg.ResourceParam[OnlineStore],
        objects: dg.ResourceParam[ObjectStore],
        registry: dg.ResourceParam[ObjectStore],
    ) -> Iterator[Materialized | dg.AssetCheckResult]:
        if unknown := sorted(set(config.override) - checks.blocking):
            raise ConfigurationError(
                f"{view.name} has no preconditions {unknown} to override; it has {sorted(checks.blocking)}"
            )
        recording = Recording(context)
        end = recording.calendars.as_of(calendar) if calendar else None
        needed = released_models(view, warehouse, Registry(registry), [u.name for u in use_cases])
        try:
            _require(view, needed, config.override)
            done = sync_view(
                view,
                warehouse,
                online_store,
                objects,
                data_end=end,
                override=config.override,
                full=config.full,
                rows_per_second=config.rows_per_second,
                progress=progress_of(context),
            )
        except SyncRefusedError as refused:
            yield from checks.results([needed, *refused.outcomes])
            raise
        if not done.completed:
            raise dg.Failure(
                f"view {view.name} is paused: what was shipped stays, and the first sync after it was resumed"
                f" (ml-platform features resume {view.name}) ships the rest"
            )
        note_written(context.instance, "online_store", online_store)
        compared = parity(view, warehouse, online_store)
        recording.finish(key, recording.derived_version(key, None))
        yield dg.MaterializeResult(
            metadata={**_facts(done), **_columns(context, view, source, online_store)},
            check_results=checks.results([*_accepted((needed, *done.checks), config.override), compared]),
        )

    return sync


def _checks(key: dg.AssetKey, view: FeatureView) -> Checks:
    before = {
        RELEASED_MODELS: "No model that serves would lose a column that it needs, or get it with another type.",
        "keys": "Every row has its key and time, and no two rows of an entity tie for newest.",
        "rows": "There are enough entities, and not many fewer than in the last sync.",
        "blast_radius": "Not more of what is stored would change or be deleted than is allowed.",
        **{f"nulls_{name}": f"Not too many nulls in {name}." for name in view.guard.max_null_share},
        **{f"range_{name}": f"{name} lies within its legal range." for name in view.guard.ranges},
    }
    if view.guard.max_age is not None:
        before["freshness"] = (
            f"The newest row is at most {view.guard.max_age} older than the end of the data."
        )
    after = {"parity": "A sample of keys, read back from the online store, equals the warehouse bit for bit."}
    return Checks(key, before | after, blocking=frozenset(before))


def _require(view: FeatureView, needed: CheckOutcome, override: list[str]) -> None:
    if not needed.passed and needed.name not in override:
        raise SyncRefusedError(
            f"view {view.name} was not synced, nothing was shipped: {needed.name}: {needed.description}",
            [needed],
        )


def _accepted(outcomes: tuple[CheckOutcome, ...], override: list[str]) -> list[CheckOutcome]:
    """A precondition that a person overrode stays red, as a warning: it must not block what they asked for."""
    return [
        CheckOutcome(o.name, o.passed, o.description, o.metadata, "WARN", o.blocking)
        if o.name in override
        else o
        for o in outcomes
    ]


def _facts(done: SyncResult) -> dict[str, float | int | str]:
    facts: dict[str, float | int | str | None] = {
        "rows": done.rows,
        "rows added": done.added,
        "rows changed": done.changed,
        "rows deleted": done.deleted,
        "rows unchanged": done.unchanged,
        "bytes": done.bytes,
        "rows a second": round(done.rows_per_second),
        "staleness before (s)": done.staleness_before,
        "staleness after (s)": done.staleness_after,
        "plan": done.plan,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _columns(
    context: dg.AssetExecutionContext, view: FeatureView, source: dg.AssetKey, store: OnlineStore
) -> dict[str, dg.TableSchema | dg.TableColumnLineage]:
    """The columns that are online now, and those that they come from."""
    table = store.record(view.name).serving
    columns = (*table.keys, *table.features) if table else ()
    lineage = dg.TableColumnLineage(
        {c.name: [dg.TableColumnDep(asset_key=source, column_name=c.name)] for c in columns}
    )
    described = column_descriptions(context, lineage)
    return {
        "dagster/column_schema": dg.TableSchema(
            [dg.TableColumn(c.name, c.kind, described.get(c.name)) for c in columns]
        ),
        "dagster/column_lineage": lineage,
    }
