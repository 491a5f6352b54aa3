"""Use cases that read a feature view, and releases of their models."""

from pathlib import Path
from typing import Any

from samples import labelled
from samples.candidates import candidate_files, manifest

from ml_platform.models.releases.manifest import Release, ViewInput
from ml_platform.models.releases.registry import Registry
from ml_platform.use_case import FeatureView, UseCase, ViewFeatures


def reading(name: str, view: FeatureView, *features: str, syncs: bool = True) -> UseCase:
    """A use case whose dataset joins features of a view."""
    use_case = labelled.use_case()
    joined = (ViewFeatures(view=view, features=features),) if features else ()
    return use_case.model_copy(
        update={
            "name": name,
            "owner": f"team:{name}",
            "dataset": use_case.dataset.model_copy(update={"views": joined}),
            "feature_views": (view,) if syncs else (),
        }
    )


def release(registry: Registry, folder: Path, use_case: str, needed: dict[str, str] | None) -> Release:
    """Release a model that needs columns of the view ``customers``; None: a manifest that does not say."""
    views: Any = None
    if needed is not None:
        views = (ViewInput(view="customers", entity=("id",), columns=needed),)
    model = f"{use_case} {needed}".encode()
    files = candidate_files(folder / use_case / str(len(needed or ())), model)
    return registry.release(use_case, "model", files, manifest(views=views), who="ada", why="new data")
