"""The backends of :mod:`ml_platform.backends` as Dagster resources."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from pydantic import BaseModel, Field, SecretStr

from ml_platform.backends import PORTS, open_port
from ml_platform.settings import Settings

__all__ = ["BackendResource", "resources_for"]


class BackendResource(dg.ConfigurableResource[Any]):
    """The backend of one port, opened when a run first asks for it and closed when the run has ended.

    Secrets are no part of the configuration, which Dagster stores and shows: they are read from the environment where
    the backend is opened.
    """

    port: str = Field(description="Name of the port.")
    settings: dict[str, Any] = Field(description="Settings that differ from the defaults, without secrets.")

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Any]:  # noqa: ARG002 (Dagster's signature)
        """The backend, for the length of the context."""
        with open_port(self.port, Settings(**self.settings)) as backend:
            yield backend


def resources_for(settings: Settings) -> dict[str, dg.ConfigurableResource[Any]]:
    """The backend of every port, by the name that assets ask for."""
    told = {**_without_secrets(settings), "home": str(settings.root), "landing": str(settings.landing_path)}
    return {port: BackendResource(port=port, settings=told) for port in PORTS}


def _without_secrets(settings: BaseModel) -> dict[str, Any]:
    """The settings that were set, as JSON has them."""
    found: dict[str, Any] = {}
    for name, value in settings.model_dump(mode="json", exclude_unset=True).items():
        held = getattr(settings, name)
        if isinstance(held, BaseModel):
            found[name] = _without_secrets(held)
        elif not isinstance(held, SecretStr):
            found[name] = value
    return found
