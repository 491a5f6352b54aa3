"""The models that use each feature, where a person looks for them: on the assets."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from ml_platform.orchestration.assets.naming import asset_key
from ml_platform.use_case import Dataset, UseCase

__all__ = ["column_descriptions", "column_lineage", "say_who_uses", "used_by"]


def used_by(consumers: Mapping[str, Sequence[str]], use_cases: Iterable[UseCase]) -> str:
    """Features by model, as ``<use_case>/<model>: <features>``; of a use case without one, ``<use_case>/dataset``."""
    named = {one.name: [model.name for model in one.models] or ["dataset"] for one in use_cases}
    return "; ".join(
        f"{use_case}/{reader}: {', '.join(features)}"
        for use_case, features in consumers.items()
        for reader in named[use_case]
    )


def say_who_uses(definitions: dg.Definitions, use_cases: Sequence[UseCase]) -> dg.Definitions:
    """Note on the relation of each view which models read which of its columns."""
    found: dict[dg.AssetKey, dict[str, Sequence[str]]] = defaultdict(dict)
    for use_case in use_cases:
        for joined in use_case.joined_views:
            found[asset_key(joined.view.relation)][use_case.name] = joined.features

    def noted(spec: dg.AssetSpec) -> dg.AssetSpec:
        users = found.get(spec.key)
        return spec.merge_attributes(metadata={"used by": used_by(users, use_cases)}) if users else spec

    return definitions.map_asset_specs(func=noted)


def column_lineage(dataset: Dataset) -> dg.TableColumnLineage:
    """The column that each feature of a dataset is taken from."""
    origins = {name: (dataset.events, name) for name in dataset.event_features}
    for joined in dataset.views:
        for name in joined.features:
            origins[f"{joined.view.name}__{name}"] = (joined.view.relation, name)
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=asset_key(relation), column_name=name)]
            for column, (relation, name) in origins.items()
        }
    )


def column_descriptions(context: dg.AssetExecutionContext, lineage: dg.TableColumnLineage) -> dict[str, str]:
    """Column to what the column that it is taken from is described as, where that is declared."""
    graph, found = context.job_def.asset_layer.asset_graph, {}
    for column, (origin, *_) in lineage.deps_by_column.items():
        metadata = graph.get(origin.asset_key).metadata if graph.has(origin.asset_key) else {}
        schema = metadata.get("dagster/column_schema")
        for declared in schema.columns if isinstance(schema, dg.TableSchema) else ():
            if declared.name == origin.column_name and declared.description:
                found[column] = declared.description
    return found
