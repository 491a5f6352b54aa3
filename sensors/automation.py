"""Evaluates the automation conditions: what follows from the graph."""

import dagster as dg

__all__ = ["automation_sensor"]


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """One sensor for the whole graph; its condition reads versions, so it runs in the code location."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all(include_sources=False),
        use_user_code_server=True,
        minimum_interval_seconds=10,
        description="Materialises what became stale: a new day flows from raw files to predictions by itself.",
    )
