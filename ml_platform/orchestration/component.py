"""A use case as a Dagster component, so that `dg` finds, checks and lists it."""

from typing import Annotated, Any

import dagster as dg
from pydantic import Field, ImportString, TypeAdapter

from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.assets.use_case import use_case_definitions
from ml_platform.use_case import UseCase

__all__ = ["UseCaseComponent"]

_FROM_IMPORT: TypeAdapter[Any] = TypeAdapter(ImportString)


class UseCaseComponent(dg.Component, dg.Model, dg.Resolvable):
    """The assets, checks and conditions of one use case.

    Either names a :class:`~ml_platform.use_case.UseCase` that Python code declares, or holds one whole, in which case
    functions are named as ``package.module.function``.
    """

    declared_in: Annotated[
        str | None, Field(description="Where the UseCase is, as `package.module.name`.")
    ] = None
    use_case: Annotated[dict[str, Any] | None, Field(description="The fields of a UseCase.")] = None

    @property
    def declaration(self) -> UseCase:
        """The use case.

        Raises:
            ConfigurationError: neither or both ways of naming it were taken, or what is named is no use case.
        """
        if (self.declared_in is None) == (self.use_case is None):
            raise ConfigurationError("a use case component takes exactly one of declared_in and use_case")
        if self.use_case is not None:
            return UseCase.model_validate(self.use_case)
        found = _FROM_IMPORT.validate_python(self.declared_in)
        if not isinstance(found, UseCase):
            raise ConfigurationError(f"{self.declared_in} is a {type(found).__name__}, not a UseCase")
        return found

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:  # noqa: ARG002 (Dagster's signature)
        """See :func:`~ml_platform.orchestration.assets.use_case.use_case_definitions`."""
        return use_case_definitions(self.declaration)
