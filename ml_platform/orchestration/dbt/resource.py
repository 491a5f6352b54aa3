"""dbt's command line as a Dagster resource."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from dagster_dbt import DbtCliResource
from packaging import version

from ml_platform.orchestration.dbt.project import dbt_executable

__all__ = ["QuickDbtCliResource", "dbt_resource"]

_FLAGS = ("--no-use-colors", "--no-version-check", "--no-send-anonymous-usage-stats")


class QuickDbtCliResource(DbtCliResource):
    """dbt as a subprocess, and nothing before it.

    dagster-dbt first starts another dbt to ask for its version, and loads dbt into this process for metadata that we do
    not ask it for: together they take longer than starting the dbt that does the work.
    """

    def with_environment(self, variables: Mapping[str, str]) -> Self:
        """The same with environment variables for the subprocess alone, none of them secret.

        dbt reads them itself; as ``--vars`` they would make it parse the whole project anew.
        """
        said = [f"{name}={value}" for name, value in variables.items()]
        return self.model_copy(
            update={
                "dbt_executable": "env",
                "global_config_flags": [*said, self.dbt_executable, *self.global_config_flags],
            }
        )

    @cached_property
    def _cli_version(self) -> version.Version:
        return version.parse(importlib.metadata.version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:  # noqa: ANN401, ARG002 (dagster-dbt's signature)
        return None


def dbt_resource(project: Path) -> DbtCliResource:
    """The dbt command line on a project."""
    return QuickDbtCliResource(
        project_dir=str(project),
        profiles_dir=str(project),
        dbt_executable=dbt_executable(),
        global_config_flags=list(_FLAGS),
    )
