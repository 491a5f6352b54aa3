"""What Dagster's pages show of definitions beside what the definitions say themselves."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import dagster as dg
from dagster._core.definitions.metadata.metadata_value import ObjectMetadataValue

from ml_platform.models.training.tracking import tracked_name
from ml_platform.use_case import UseCase

__all__ = ["for_pages"]

_PLANNING = "ml_platform/"
"""Begins the names of metadata that the planner reads, and nobody else."""


def for_pages(definitions: dg.Definitions, use_cases: Sequence[UseCase], mlflow_ui: str) -> dg.Definitions:
    """The definitions, without the planner's own metadata on the pages, and with links to where MLflow is now.

    Args:
        definitions: the whole graph.
        use_cases: whose models have pages in MLflow.
        mlflow_ui: address of MLflow's pages. A link in the metadata of a run would lead to where they were then.
    """
    links = {
        dg.AssetKey([one.name, model.name]): _model_page(mlflow_ui, tracked_name(one.name, model.name))
        for one in use_cases
        for model in one.models
    }

    def shown(spec: dg.AssetSpec) -> dg.AssetSpec:
        metadata = {name: _hidden(name, value) for name, value in spec.metadata.items()}
        if spec.key in links:
            metadata["MLflow"] = dg.MetadataValue.url(links[spec.key])
        return spec.replace_attributes(metadata=metadata)

    return definitions.map_asset_specs(func=shown)


def _hidden(name: str, value: Any) -> Any:  # noqa: ANN401 (any metadata)
    """The planner's metadata as a value that only this process reads; pages leave such values out."""
    if not name.startswith(_PLANNING) or isinstance(value, ObjectMetadataValue):
        return value
    return ObjectMetadataValue(name, instance=value)


def _model_page(mlflow_ui: str, name: str) -> str:
    return f"{mlflow_ui.rstrip('/')}/?workflowType=machine_learning#/models/{quote(name)}"
