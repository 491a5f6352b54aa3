"""Additions to the definitions for Dagster's pages: links to where things are now."""

from collections.abc import Sequence
from urllib.parse import quote

import dagster as dg

from ml_platform.models.training.tracking import tracked_name
from ml_platform.use_case import UseCase

__all__ = ["for_pages"]


def for_pages(definitions: dg.Definitions, use_cases: Sequence[UseCase], mlflow_ui: str) -> dg.Definitions:
    """The definitions, with links to where MLflow is now.

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
        if spec.key not in links:
            return spec
        return spec.merge_attributes(metadata={"MLflow": dg.MetadataValue.url(links[spec.key])})

    return definitions.map_asset_specs(func=shown)


def _model_page(mlflow_ui: str, name: str) -> str:
    return f"{mlflow_ui.rstrip('/')}/?workflowType=machine_learning#/models/{quote(name)}"
