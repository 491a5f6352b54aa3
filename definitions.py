"""The composer: everything under `assets/`, with the resources of these settings, and the sensors."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from ml_platform.orchestration.platform import Platform


@cache
def platform() -> "Platform":
    """The project, composed once in a process."""
    from ml_platform.ingestion.sources import sources_of
    from ml_platform.orchestration.platform import Platform
    from ml_platform.project import load_use_cases
    from ml_platform.settings import Settings
    from resources import resources_for

    settings = Settings()
    root = Path(__file__).parent
    use_cases = load_use_cases(root)
    sources = sources_of(use_cases)

    def load() -> dg.Definitions:
        from ml_platform.orchestration.assets.freshness import freshness_checks
        from ml_platform.orchestration.assets.online import online_definitions
        from ml_platform.orchestration.assets.pages import for_pages
        from ml_platform.orchestration.assets.raw import raw_asset
        from ml_platform.orchestration.assets.relations import require_relations
        from ml_platform.orchestration.assets.view_usage import say_who_uses
        from ml_platform.orchestration.dbt.calendars import relation_calendars
        from sensors import sensors_for

        graph = dg.Definitions.merge(
            dg.ComponentTree.for_project(root).build_defs(),
            online_definitions(composed.use_cases, settings.online_place, relation_calendars(root)),
            dg.Definitions(
                assets=[raw_asset(source, sources) for source in sources],
                resources=resources_for(settings),
                sensors=sensors_for(composed),
                executor=dg.in_process_executor,
            ),
        )
        graph = say_who_uses(graph, composed.use_cases)
        graph = for_pages(graph, composed.use_cases, settings.mlflow_ui_url)
        specs = graph.resolve_all_asset_specs()
        require_relations(specs, composed.use_cases)
        return dg.Definitions.merge(graph, dg.Definitions(asset_checks=freshness_checks(specs)))

    composed = Platform(settings, use_cases, sources, load)
    return composed


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that Dagster loads."""
    return platform().definitions
