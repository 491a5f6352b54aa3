"""A composed project, as the command line and the sensors see it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import dagster as dg

from ml_platform.backends import Backends, backends_for
from ml_platform.cadence import Cadence
from ml_platform.errors import NotFoundError
from ml_platform.features.views.usage import synced_views
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.source import RawSource
from ml_platform.orchestration.assets.raw import fingerprints
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
        """What the raw assets read outside the graph."""
        return fingerprints(self.sources, self._landing)

    def landing_days(self) -> list[date]:
        """The days that the landing folder holds."""
        daily = [source for source in self.sources if source.cadence is Cadence.DAILY]
        return sorted({date.fromisoformat(key) for s in daily for key in self._landing.partitions(s)})

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
            raise NotFoundError(f"{what}; there are: {', '.join(sorted(known)) or 'none'}")
        return known[name]
