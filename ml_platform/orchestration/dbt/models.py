"""All dbt models as one asset definition."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtProject, dbt_assets

from ml_platform.errors import MLPlatformError
from ml_platform.orchestration.dbt.project import dbt_environment, target_path
from ml_platform.orchestration.dbt.resource import QuickDbtCliResource
from ml_platform.orchestration.dbt.translator import VIEW, Translator
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.settings import Settings
from ml_platform.warehouse.base import Warehouse

__all__ = ["dbt_models", "ranges"]


def dbt_models(folder: Path, manifest: Path, settings: Settings) -> dg.AssetsDefinition:
    """Every model, daily; a range of days is one dbt invocation, and a day's tests cost a day.

    Args:
        folder: the dbt project.
        manifest: as :func:`~ml_platform.orchestration.dbt.project.manifest_path` gives it.
        settings: where the warehouse is, and what dbt writes goes.
    """
    target = target_path(settings)
    project = DbtProject(folder, target_path=target, profiles_dir=folder)

    @dbt_assets(
        manifest=manifest,
        project=project,
        dagster_dbt_translator=Translator(),
        name="dbt",
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="warehouse",
    )
    def models(
        context: dg.AssetExecutionContext, dbt: QuickDbtCliResource, warehouse: dg.ResourceParam[Warehouse]
    ) -> Iterator[Any]:
        recording = Recording(context)
        # Waits for whoever holds the warehouse, and says so; dbt itself would wait silently.
        warehouse.table("SELECT 1")
        results = target / "build" / "run_results.json"
        results.unlink(missing_ok=True)
        variables = {
            "ML_PLATFORM_PARTITIONS": " ".join(ranges(recording.days)),
            "ML_PLATFORM_WAREHOUSE_PATH": str(settings.warehouse_path),
            "ML_PLATFORM_WAREHOUSE_MEMORY": settings.warehouse_memory,
            # From here dagster-dbt copies what is parsed already, so that the build need not parse it again.
            "DBT_TARGET_PATH": str(target),
            "DO_NOT_TRACK": "1",
        }
        with dbt_environment(variables):
            build = dbt.cli(
                ["build", "--exclude-resource-type", "unit_test"],
                context=context,
                target_path=results.parent,
                raise_on_error=False,
            )
            events = list(build.stream())
        built = {name for event in events if isinstance(event, dg.Output) for name in [event.output_name]}
        _record(context, recording, warehouse, _keys(context, built))
        yield from events
        log = results.with_name("dbt.log")
        if not results.exists():  # dbt writes it last: it was killed, or failed before it began
            raise MLPlatformError(f"dbt ended before it was done; the log is {log}; {build.get_error()}")
        if problems := _errors(build.get_artifact("run_results.json")):
            raise MLPlatformError(f"dbt could not build {', '.join(problems)}; the log is {log}")

    return models


def ranges(days: Iterable[str]) -> list[str]:
    """Days (``YYYY-MM-DD``) as few inclusive ranges ``first..last``, as ``ML_PLATFORM_PARTITIONS`` takes them."""
    found: list[tuple[date, date]] = []
    for day in sorted(map(date.fromisoformat, days)):
        if found and day - found[-1][1] == timedelta(days=1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return [f"{first}..{last}" for first, last in found]


def _keys(context: dg.AssetExecutionContext, outputs: set[str]) -> set[dg.AssetKey]:
    by_output = context.assets_def.keys_by_output_name
    return {by_output[name] for name in outputs if name in by_output}


def _record(
    context: dg.AssetExecutionContext, recording: Recording, warehouse: Warehouse, built: set[dg.AssetKey]
) -> None:
    """Record the versions, upstream first: the inputs of a model are the versions of those built with it."""
    days = [date.fromisoformat(day) for day in recording.days]
    specs = {spec.key: spec for spec in context.assets_def.specs}
    for key in _upstream_first(specs):
        if key not in built:
            continue
        if specs[key].metadata.get(VIEW):
            recording.finish(key, {day: recording.derived_version(key, day) for day in recording.days})
            continue
        found = warehouse.partition_versions(".".join(key.path), "day", days)
        recording.finish(
            key,
            {day.isoformat(): version for day, (version, _) in found.items()},
            rows={day.isoformat(): rows for day, (_, rows) in found.items()},
        )


def _upstream_first(specs: Mapping[dg.AssetKey, dg.AssetSpec]) -> list[dg.AssetKey]:
    order = TopologicalSorter(
        {key: {dep.asset_key for dep in spec.deps} & set(specs) for key, spec in specs.items()}
    )
    return list(order.static_order())


def _errors(results: Mapping[str, Any]) -> list[str]:
    """Models that failed: a failed test is a failed check, and stops nothing by itself."""
    failed = [r for r in results["results"] if r["status"] in {"error", "runtime error"}]
    return [f"{r['unique_id']} ({r['message']})" for r in failed]
