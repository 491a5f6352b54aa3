"""The part of feature views that models need, and whether a view still gives it to those that are released."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from ml_platform.checks import CheckOutcome
from ml_platform.errors import MLPlatformError
from ml_platform.features.online.columns import kind_of
from ml_platform.models.releases.manifest import Release, ViewInput
from ml_platform.models.releases.registry import Registry
from ml_platform.use_case import Dataset, FeatureView
from ml_platform.warehouse.base import Warehouse

__all__ = ["RELEASED_MODELS", "released_models", "view_inputs"]

RELEASED_MODELS = "released_models"


def view_inputs(dataset: Dataset, schema: pa.Schema, features: Collection[str]) -> list[dict[str, Any]]:
    """The fields of a :class:`ViewInput` for each view that a model reads.

    Args:
        dataset: that the model was trained on.
        schema: Arrow schema of its snapshot.
        features: the model's, named as in the snapshot.
    """
    found = []
    for joined in dataset.views:
        view = joined.view
        columns = {f: f"{view.name}__{f}" for f in joined.features if f"{view.name}__{f}" in features}
        if columns:
            columns = {key: key for key in view.entity if key in schema.names} | columns
            kinds = {name: kind_of(schema.field(column).type) for name, column in columns.items()}
            found.append({"view": view.name, "entity": view.entity, "columns": kinds})
    return found


def released_models(
    view: FeatureView, warehouse: Warehouse, registry: Registry, use_cases: Iterable[str]
) -> CheckOutcome:
    """A precondition of syncs: no model that serves loses a column of the view, or gets another type.

    Args:
        view: as it is declared now.
        warehouse: that holds its relation; a relation that is not there is not judged.
        registry: whose champions and shadows count.
        use_cases: all that there are, whether their declarations still read the view or not.
    """
    present = {name: kind_of(kind) for name, kind in warehouse.columns(view.relation).items()}
    lacking: list[str] = []
    readers: dict[str, list[str]] = {}
    unknown: list[str] = []
    for use_case in use_cases:
        try:
            releases = _in_use(registry, use_case)
        except MLPlatformError as error:
            lacking.append(f"what {use_case}'s releases need is not known: {error}")
            continue
        for release in releases:
            if release.manifest.views is None:
                unknown.append(_named(release))
            for needed in release.manifest.views or ():
                if needed.view == view.name:
                    readers[_named(release)] = sorted(needed.columns)
                    lacking += [f"{_named(release)} {text}" for text in _lacking(view, present, needed)]
    return _outcome(view, lacking, readers, unknown)


def _in_use(registry: Registry, use_case: str) -> list[Release]:
    """The releases that stages of a use case's models name, each once."""
    named = {
        (model, entry.version): registry.current(use_case, model, stage)
        for model in registry.models(use_case)
        for stage, entry in registry.stages(use_case, model).items()
    }
    return [release for release in named.values() if release is not None]


def _outcome(
    view: FeatureView, lacking: list[str], readers: Mapping[str, list[str]], unknown: list[str]
) -> CheckOutcome:
    if lacking:
        text = (
            f"{'; '.join(lacking)}. Keep the column as it was, or release a model that does not need it;"
            " if this is meant, override the check for one run"
            f" (ml-platform features sync {view.name} --override {RELEASED_MODELS})"
        )
    elif readers:
        text = f"{', '.join(readers)}: all that is needed of {view.name} is there"
    else:
        text = f"no release is known to need anything of {view.name}"
    if unknown:
        text += f"; not judged, as they were trained before this was recorded: {', '.join(unknown)}"
    metadata = {"needed by": dict(readers), "lacking": lacking}
    return CheckOutcome(RELEASED_MODELS, not lacking, text, metadata, blocking=True)


def _lacking(view: FeatureView, present: Mapping[str, str], needed: ViewInput) -> Iterator[str]:
    if needed.entity != view.entity:
        yield (
            f"reads {view.name} by the key ({', '.join(needed.entity)}), which is ({', '.join(view.entity)}) now"
        )
    for name, kind in needed.columns.items():
        what = f"needs {view.name}.{name} ({kind})"
        if name not in (*view.entity, *view.features):
            yield f"{what}, which the view declares no more"
        elif present and name not in present:
            yield f"{what}, which {view.relation} has no more"
        elif present and not _same(kind, present[name]):
            yield f"{what}, which is {present[name]} in {view.relation} now"


def _same(trained_on: str, found: str) -> bool:
    # DuckDB writes a HUGEINT, which a SUM of integers is, to a snapshot's Parquet files as a double.
    return trained_on == found or (trained_on, found) == ("double", "decimal(38,0)")


def _named(release: Release) -> str:
    return f"release {release.version} of {release.name}"
