"""Watches the landing folder: new days extend the calendar, new or changed files are loaded."""

from collections import defaultdict

import dagster as dg

from ml_platform.orchestration.calendar import calendar, extend_calendar
from ml_platform.orchestration.ledger import Ledger
from ml_platform.orchestration.nodes import nodes_of
from ml_platform.orchestration.platform import Platform
from ml_platform.orchestration.staleness import Staleness, digest

__all__ = ["landing_sensor"]


def landing_sensor(platform: Platform) -> dg.SensorDefinition:
    """Requests a run for each day whose files are new or changed since they were loaded."""
    raw = list(platform.externals)

    @dg.sensor(
        name="landing",
        asset_selection=dg.AssetSelection.assets(*raw),
        minimum_interval_seconds=30,
        description="Loads what lands: new days, and days whose files changed.",
    )
    def landing(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        added = extend_calendar(context.instance, platform.landing_days())
        externals = platform.externals
        definitions = platform.definitions.resolve_asset_graph().assets_defs
        nodes = {
            key: node for key, node in nodes_of(list(definitions), externals).items() if key in externals
        }
        stale = Staleness(nodes, Ledger(context.instance), calendar(context.instance)).stale
        wanted: dict[str, dict[dg.AssetKey, str]] = defaultdict(dict)
        for key, days in stale.items():
            for day in days:
                if day is not None:
                    wanted[day][key] = externals[key](day) or ""
        if not wanted:
            return dg.SkipReason("every day that landed is loaded")
        requests = [
            dg.RunRequest(
                # The same files are asked for once: a day that was refused waits for other files.
                run_key=f"{day} {digest(sorted((k.to_user_string(), f) for k, f in files.items()))}",
                asset_selection=sorted(files),
                partition_key=day,
            )
            for day, files in sorted(wanted.items())
        ]
        context.log.info("%d days added to the calendar, %d to load", len(added), len(requests))
        return dg.SensorResult(run_requests=requests)

    return landing
