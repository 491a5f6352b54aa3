"""Sensors of what comes from outside the graph: files that land, failures that somebody must hear of."""

import dagster as dg

from ml_platform.orchestration.platform import Platform
from sensors.automation import automation_sensor
from sensors.failures import check_failure_sensor, run_failure_sensor
from sensors.landing import landing_sensor
from sensors.releases import releases_sensor

__all__ = ["sensors_for"]


def sensors_for(platform: Platform) -> list[dg.SensorDefinition]:
    """The sensors of the whole project; those of a use case come with it."""
    return [
        landing_sensor(platform),
        automation_sensor(),
        run_failure_sensor(platform),
        check_failure_sensor(platform),
        releases_sensor(platform),
    ]
