"""A use case as a Dagster component, so that `dg` finds, checks, lists and scaffolds it."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Annotated, Any

import dagster as dg
from dagster.components import Scaffolder, ScaffoldRequest, scaffold_with

from ml_platform.declaration import NAME
from ml_platform.errors import ConfigurationError
from ml_platform.project import declared_use_case

__all__ = ["UseCaseComponent", "UseCaseScaffolder"]

_DECLARED_IN = "Import path of a UseCase that Python code declares, `package.module.name`."
_EXAMPLES = ["assets.card_fraud.use_case"]
_USE_CASE = "The fields of a UseCase, instead; functions and declarations are named by their import paths."


class UseCaseScaffolder(Scaffolder[Any]):
    """Writes the folder of a new use case: a declaration that loads, and the `defs.yaml` that names it."""

    def scaffold(self, request: ScaffoldRequest[Any]) -> None:
        """Fill the folder from ``ml_platform/templates/use_case``.

        Raises:
            ConfigurationError: the folder's name cannot name a use case.
        """
        name = request.target_path.name
        if not re.fullmatch(NAME, name):
            raise ConfigurationError(
                f"{name!r} cannot name a use case; use lower-case letters, digits and _, starting with a letter"
            )
        for template in sorted(
            (files("ml_platform.templates") / "use_case").iterdir(), key=lambda one: one.name
        ):
            if template.name.endswith(".tmpl"):
                text = Template(template.read_text(encoding="utf-8")).substitute(
                    name=name, module=_module(request)
                )
                (request.target_path / template.name.removesuffix(".tmpl")).write_text(text, encoding="utf-8")


def _module(request: ScaffoldRequest[Any]) -> str:
    """The Python package that the folder is."""
    root = request.project_root or Path.cwd()
    return ".".join(request.target_path.resolve().relative_to(root.resolve()).parts)


@scaffold_with(UseCaseScaffolder)
class UseCaseComponent(dg.Component, dg.Model, dg.Resolvable):
    """One use case: `declared_in` names the UseCase that Python code declares, or `use_case` holds its fields."""

    declared_in: Annotated[str | None, dg.Resolver.default(description=_DECLARED_IN, examples=_EXAMPLES)] = (
        None
    )
    use_case: Annotated[dict[str, Any] | None, dg.Resolver.default(description=_USE_CASE)] = None

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The assets, checks and conditions of the use case.

        Raises:
            ConfigurationError: the declaration is wrong; see :func:`~ml_platform.project.declared_use_case`.
        """
        from ml_platform.orchestration.assets.use_case import use_case_definitions
        from ml_platform.orchestration.dbt.calendars import relation_calendars
        from ml_platform.project import load_use_cases

        attributes = {"declared_in": self.declared_in, "use_case": self.use_case}
        declared, root = declared_use_case(attributes, _where(context)), context.project_root
        others = {use_case.name: use_case for use_case in load_use_cases(root)}
        calendars = relation_calendars(root)
        return use_case_definitions(declared, calendars.of, calendars.origins, others)


def _where(context: dg.ComponentLoadContext) -> str:
    file = Path(context.path) / "defs.yaml"
    return (
        file.relative_to(context.project_root).as_posix()
        if file.is_relative_to(context.project_root)
        else str(file)
    )
