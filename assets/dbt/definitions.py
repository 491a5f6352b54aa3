"""The dbt models of the graph."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg

from ml_platform.settings import Settings

PROJECT = Path(__file__).parents[2] / "dbt_project"


@dg.definitions
def defs() -> dg.Definitions:
    """One definition of all models, and the dbt command line that builds them."""
    from ml_platform.orchestration.dbt.project import manifest_path

    settings = Settings()
    with ThreadPoolExecutor(1) as parsing:  # dbt parses in a process of its own while dagster-dbt is imported
        manifest = parsing.submit(manifest_path, PROJECT, settings)
        from ml_platform.orchestration.dbt.models import dbt_models
        from ml_platform.orchestration.dbt.resource import dbt_resource

    return dg.Definitions(
        assets=[dbt_models(PROJECT, manifest.result(), settings)], resources={"dbt": dbt_resource(PROJECT)}
    )
