"""Relations that declarations name must be made by something: a slip in a name is told when the project is loaded."""

import difflib
from collections.abc import Iterable, Iterator, Sequence

import dagster as dg

from ml_platform.errors import ConfigurationError
from ml_platform.use_case import UseCase

__all__ = ["require_relations"]

_ONLY_NAMED = "dagster/auto_created_stub_asset"
"""Metadata of what Dagster adds to a graph because an asset names it as its upstream."""


def require_relations(specs: Iterable[dg.AssetSpec], use_cases: Sequence[UseCase]) -> None:
    """Refuse a relation that a use case names and that no asset makes.

    Args:
        specs: of every asset of the project.
        use_cases: the project's.

    Raises:
        ConfigurationError: names the use case, the field, the relation, and those that it may mean.
    """
    made: set[str] = set()
    for spec in specs:
        if not spec.metadata.get(_ONLY_NAMED):
            made.add(".".join(spec.key.path))
            made.add(str(spec.metadata.get("dagster/relation_identifier", "")))
    for use_case in use_cases:
        for field, relation in _named(use_case):
            if relation not in made:
                close = difflib.get_close_matches(relation, sorted(made), n=2)
                meant = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
                raise ConfigurationError(
                    f"use case {use_case.name}: {field} is {relation!r}, which nothing makes; {meant}name a dbt model, "
                    "or a source that a use case declares"
                )


def _named(use_case: UseCase) -> Iterator[tuple[str, str]]:
    if use_case.dataset is not None:
        yield "dataset.events", use_case.dataset.events
        if use_case.dataset.label is not None:
            yield "dataset.label.relation", use_case.dataset.label.relation
    for view in (*(joined.view for joined in use_case.joined_views), *use_case.feature_views):
        yield f"relation of the view {view.name}", view.relation
