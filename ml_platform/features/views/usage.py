"""Use cases that sync a feature view, and those that read it and what of it: from the declarations of all of them."""

from collections.abc import Iterable, Sequence

from ml_platform.errors import ConfigurationError
from ml_platform.use_case import FeatureView, UseCase

__all__ = ["consumers", "synced_views"]


def consumers(view: FeatureView, use_cases: Iterable[UseCase]) -> dict[str, list[str]]:
    """Use case to the features of the view that its dataset joins, for use cases that join any."""
    found = {
        use_case.name: [
            name
            for joined in use_case.joined_views
            if joined.view.name == view.name
            for name in joined.features
        ]
        for use_case in use_cases
    }
    return {name: features for name, features in found.items() if features}


def synced_views(use_cases: Sequence[UseCase]) -> list[tuple[FeatureView, list[UseCase]]]:
    """Every view that is synced, once, with the use cases that declare it, in the order given.

    Raises:
        ConfigurationError: two declarations of one name, synced or joined by a dataset, differ.
    """
    declared: dict[str, tuple[FeatureView, UseCase]] = {}
    synced: dict[str, tuple[FeatureView, list[UseCase]]] = {}
    for use_case in use_cases:
        for view in (*use_case.feature_views, *(joined.view for joined in use_case.joined_views)):
            first, other = declared.setdefault(view.name, (view, use_case))
            if first != view:
                raise ConfigurationError(_differ(first, view, other.name, use_case.name))
        for view in use_case.feature_views:
            users = synced.setdefault(view.name, (view, []))[1]
            if use_case not in users:
                users.append(use_case)
    return list(synced.values())


def _differ(one: FeatureView, two: FeatureView, of_one: str, of_two: str) -> str:
    fields = [name for name in FeatureView.model_fields if getattr(one, name) != getattr(two, name)]
    where = of_one if of_one == of_two else f"{of_one} and {of_two}"
    return (
        f"feature view {one.name} is declared twice, with another {', '.join(fields)} (in {where});"
        " declare it in one place and import it from there, or give one of them another name"
    )
