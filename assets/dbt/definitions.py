"""The dbt models of the graph."""

import dagster as dg

from ml_platform.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """One definition of all models, and the dbt command line that builds them."""
    from assets.dbt.models import dbt_models, dbt_resource

    return dg.Definitions(assets=[dbt_models(Settings())], resources={"dbt": dbt_resource()})
