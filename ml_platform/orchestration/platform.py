"""A composed project, as the command line and the sensors see it."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from ml_platform.backends import Backends, backends_for
from ml_platform.errors import NotFoundError
from ml_platform.features.views.usage import synced_views
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.source import RawSource
from ml_platform.orchestration.assets.raw import calendar_of, fingerprints
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.settings import Settings
from ml_platform.use_case import FeatureView, UseCase

__all__ = ["Platform"]


@dataclass(frozen=True)
class Platform:
    """Everything that a project's composer put together.

    Attributes:
        settings: where and how it runs.
        use_cases: all that are declared.
        sources: the sources of the landing folder.
        load: makes the Dagster definitions; called when they are first asked for.
    """

    settings: Settings
    use_cases: Sequence[UseCase]
    sources: Sequence[RawSource]
    load: Callable[[], dg.Definitions]

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The Dagster definitions."""
        return self.load()

    @property
    def externals(self) -> dict[dg.AssetKey, Callable[[str], str | None]]:
        """Fingerprints of what the raw assets read outside the graph."""
        return fingerprints(self.sources, self._landing)

    def landed(self, sources: Iterable[RawSource] | None = None) -> dict[Calendar, list[str]]:
        """The partitions that the landing folder holds, by the calendars of their sources (None: of all)."""
        chosen = self.sources if sources is None else sources
        return {calendar_of(source): self._landing.partitions(source) for source in chosen}

    def selection(self, use_case: str) -> frozenset[dg.AssetKey]:
        """The assets of a use case, and all that they are made from."""
        graph, declared = self.definitions.resolve_asset_graph(), self.use_case(use_case)
        own = dg.AssetSelection.groups(declared.name)
        views = dg.AssetSelection.assets(*[["online", view.name] for view in declared.feature_views])
        raw = dg.AssetSelection.assets(*[source.relation.split(".") for source in declared.sources])
        return frozenset((own | views | raw).upstream().resolve(graph))

    def without(self, use_cases: Sequence[UseCase]) -> frozenset[dg.AssetKey] | None:
        """The assets of the project but those that only these use cases need; None: all there are."""
        if not use_cases:
            return None
        every = self.definitions.resolve_asset_graph().get_all_asset_keys()
        left_out = {key for one in use_cases for key in self.selection(one.name)}
        kept = {key for one in self.use_cases if one not in use_cases for key in self.selection(one.name)}
        return frozenset(every - (left_out - kept))

    @cached_property
    def _landing(self) -> LandingFolder:
        return LandingFolder(self.settings.landing_path, self.settings.digests_path)

    def backends(self) -> AbstractContextManager[Backends]:
        """Every port, for use outside of Dagster; see :func:`~ml_platform.backends.backends_for`."""
        return backends_for(self.settings)

    def view(self, name: str) -> FeatureView:
        """A feature view by its name.

        Raises:
            NotFoundError: no use case declares it.
            ConfigurationError: two declarations of one name differ.
        """
        views = {view.name: view for view, _ in synced_views(self.use_cases)}
        if name not in views:
            raise NotFoundError(
                f"there is no feature view {name!r}; there are: {', '.join(sorted(views)) or 'none'}"
            )
        return views[name]

    def use_case(self, name: str | None) -> UseCase:
        """A use case by its name; None names the only one.

        Raises:
            NotFoundError: there is no such use case, or several and none was named.
        """
        known = {use_case.name: use_case for use_case in self.use_cases}
        if name is None and len(known) == 1:
            return next(iter(known.values()))
        if name not in known:
            what = "which use case is meant" if name is None else f"there is no use case {name!r}"
            said = " (say --use-case NAME)" if name is None and known else ""
            raise NotFoundError(f"{what}; there are: {', '.join(sorted(known)) or 'none'}{said}")
        return known[name]
