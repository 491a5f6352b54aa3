"""The dbt models of the graph."""

from pathlib import Path

import dagster as dg

from ml_platform.settings import Settings

PROJECT = Path(__file__).parents[2] / "dbt_project"


@dg.definitions
def defs() -> dg.Definitions:
    """One definition of all models, and the dbt command line that builds them."""
    from ml_platform.orchestration.dbt.models import dbt_models
    from ml_platform.orchestration.dbt.resource import dbt_resource

    return dg.Definitions(assets=[dbt_models(PROJECT, Settings())], resources={"dbt": dbt_resource(PROJECT)})
