"""The dbt models as asset definitions: one for each calendar, and one for what has no partitions."""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtProject, dbt_assets

from ml_platform.cadence import Cadence
from ml_platform.errors import MLPlatformError
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.dbt.calendars import RelationCalendars
from ml_platform.orchestration.dbt.project import target_path
from ml_platform.orchestration.dbt.resource import QuickDbtCliResource
from ml_platform.orchestration.dbt.translator import Translator
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.stores import note_written
from ml_platform.settings import Settings
from ml_platform.warehouse.base import Warehouse

__all__ = ["dbt_models", "key_ranges"]


def dbt_models(folder: Path, calendars: RelationCalendars, settings: Settings) -> list[dg.AssetsDefinition]:
    """Every model. Those of one calendar are built by one dbt invocation for a range, and a partition's tests cost one.

    Args:
        folder: the dbt project.
        calendars: of its models, and of the sources that they read.
        settings: where the warehouse is, and what dbt writes goes.
    """
    groups: dict[Calendar | None, list[str]] = defaultdict(list)
    for unique_id, props in calendars.manifest["nodes"].items():
        if props["resource_type"] == "model":
            groups[calendars.partitions_of(unique_id)].append(props["name"])
    project = DbtProject(folder, target_path=target_path(settings), profiles_dir=folder)
    return [
        _models(calendar, names, project, calendars, settings)
        for calendar, names in sorted(groups.items(), key=lambda item: item[0].name if item[0] else "")
    ]


def _models(
    calendar: Calendar | None,
    names: Sequence[str],
    project: DbtProject,
    calendars: RelationCalendars,
    settings: Settings,
) -> dg.AssetsDefinition:
    target = target_path(settings)

    @dbt_assets(
        manifest=calendars.manifest,
        project=project,
        dagster_dbt_translator=Translator(calendars),
        name=f"dbt_{calendar.name}" if calendar else "dbt",
        select=" ".join(sorted(names)),
        backfill_policy=dg.BackfillPolicy.single_run() if calendar else None,
        pool="warehouse",
    )
    @explained
    def models(
        context: dg.AssetExecutionContext, dbt: QuickDbtCliResource, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        recording = Recording(context)
        # A source of which nothing landed is an empty table; asking also waits for whoever holds the file.
        for source in calendars.sources:
            if not warehouse.exists(source.relation):
                warehouse.create(source.relation, source.schema)
        # What was tested before is not tested again: of what has no partitions, only what is newer than it.
        keys = {calendar.cadence: recording.keys} if calendar else _news(context, recording)
        results = target / "build" / "run_results.json"
        _begin(results, target)
        variables = {
            "ML_PLATFORM_PARTITIONS": " ".join(
                one for cadence, some in keys.items() for one in key_ranges(cadence, some)
            ),
            "ML_PLATFORM_WAREHOUSE_PATH": str(settings.warehouse_path),
            "ML_PLATFORM_WAREHOUSE_MEMORY": settings.warehouse_memory,
            "DO_NOT_TRACK": "1",
        }
        build = dbt.with_environment(variables).cli(
            ["build", "--exclude-resource-type", "unit_test"],
            context=context,
            target_path=results.parent,
            raise_on_error=False,
        )
        events = list(build.stream())
        built = {event.output_name for event in events if isinstance(event, dg.Output)}
        _record(context, recording, warehouse, calendars, calendar, _keys(context, built))
        yield from _upstream_first_of(context, events)
        log = results.with_name("dbt.log")
        if not results.exists():  # dbt writes it last: it was killed, or failed before it began
            raise MLPlatformError(f"dbt ended before it was done; the log is {log}; {build.get_error()}")
        if problems := _errors(build.get_artifact("run_results.json")):
            raise MLPlatformError(f"dbt could not build {', '.join(problems)}; the log is {log}")

    return models


def key_ranges(cadence: Cadence, keys: Sequence[str]) -> list[str]:
    """Keys as few inclusive ranges ``first..last``, as ``ML_PLATFORM_PARTITIONS`` takes them."""
    found: list[tuple[str, str]] = []
    for key in sorted(keys):
        if found and cadence.start(key) == cadence.end(found[-1][1]):
            found[-1] = (found[-1][0], key)
        else:
            found.append((key, key))
    return [f"{first}..{last}" if first != last else first for first, last in found]


def _begin(results: Path, target: Path) -> None:
    """Leave no results of an earlier build, and what was parsed already, so that dbt need not parse it again."""
    results.parent.mkdir(parents=True, exist_ok=True)
    results.unlink(missing_ok=True)
    parsed = target / "partial_parse.msgpack"
    if parsed.exists():
        shutil.copyfile(parsed, results.parent / parsed.name)


def _news(context: dg.AssetExecutionContext, recording: Recording) -> dict[Cadence, list[str]]:
    """Partitions that what has none of its own reads, and that were made after it was."""
    news: dict[Cadence, set[str]] = defaultdict(set)
    for key in context.selected_asset_keys:
        before = recording.ledger.newest(key) or 0.0
        for dep in recording.nodes[key].inputs:
            calendar = recording.nodes[dep].calendar if dep in recording.nodes else None
            if calendar is not None:
                built = recording.ledger.built(dep)
                news[calendar.cadence] |= {p for p, b in built.items() if p and b.timestamp > before}
    return {cadence: sorted(keys) for cadence, keys in news.items()}


def _keys(context: dg.AssetExecutionContext, outputs: set[str]) -> set[dg.AssetKey]:
    by_output = context.assets_def.keys_by_output_name
    return {by_output[name] for name in outputs if name in by_output}


def _record(
    context: dg.AssetExecutionContext,
    recording: Recording,
    warehouse: Warehouse,
    calendars: RelationCalendars,
    calendar: Calendar | None,
    built: set[dg.AssetKey],
) -> None:
    """Record the versions, upstream first: the inputs of a model are the versions of those built with it."""
    note_written(context.instance, "warehouse", warehouse)
    specs = {spec.key: spec for spec in context.assets_def.specs}
    for key in _upstream_first(specs):
        if key not in built:
            continue
        if calendar is None:
            view = recording.nodes[key].view
            recording.finish(
                key, recording.view_version(key) if view else recording.derived_version(key, None)
            )
            continue
        cadence = calendar.cadence
        values = [cadence.column_value(one) for one in recording.keys]
        relation = ".".join(key.path)
        found = warehouse.partition_versions(relation, calendars.column_of(relation, cadence), values)
        recording.finish(
            key,
            {cadence.key_of(value): version for value, (version, _) in found.items()},
            rows={cadence.key_of(value): rows for value, (_, rows) in found.items()},
        )


def _upstream_first(specs: Mapping[dg.AssetKey, dg.AssetSpec]) -> list[dg.AssetKey]:
    order = TopologicalSorter(
        {key: {dep.asset_key for dep in spec.deps} & set(specs) for key, spec in specs.items()}
    )
    return list(order.static_order())


def _upstream_first_of(context: dg.AssetExecutionContext, events: Iterable[Any]) -> list[Any]:
    """Events as Dagster takes them: outputs upstream first, by what tests read too, which dbt does not wait for."""
    by_output = context.assets_def.keys_by_output_name
    order = {
        key: place
        for place, key in enumerate(_upstream_first({spec.key: spec for spec in context.assets_def.specs}))
    }
    return sorted(
        events,
        key=lambda event: (
            order[by_output[event.output_name]]
            if isinstance(event, dg.Output) and event.output_name in by_output
            else len(order)
        ),
    )


def _errors(results: Mapping[str, Any]) -> list[str]:
    """Models that failed: a failed test is a failed check, and stops nothing by itself."""
    failed = [r for r in results["results"] if r["status"] in {"error", "runtime error"}]
    return [f"{r['unique_id']} ({r['message']})" for r in failed]
