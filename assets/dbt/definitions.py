"""The dbt models of the graph."""

from pathlib import Path

import dagster as dg

from ml_platform.settings import Settings

ROOT = Path(__file__).parents[2]


@dg.definitions
def defs() -> dg.Definitions:
    """The models, and the dbt command line that builds them."""
    from ml_platform.orchestration.dbt.calendars import relation_calendars
    from ml_platform.orchestration.dbt.models import dbt_models
    from ml_platform.orchestration.dbt.resource import dbt_resource

    project = ROOT / "dbt_project"
    return dg.Definitions(
        assets=dbt_models(project, relation_calendars(ROOT), Settings()),
        resources={"dbt": dbt_resource(project)},
    )
