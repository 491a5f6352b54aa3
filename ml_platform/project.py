"""The use cases of a project, found by their ``defs.yaml`` and without Dagster."""

import difflib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError

from ml_platform.declaration import Declaration, readable_errors
from ml_platform.errors import ConfigurationError
from ml_platform.use_case import UseCase

__all__ = ["COMPONENT", "declared_use_case", "load_use_cases"]

COMPONENT = "ml_platform.orchestration.component.UseCaseComponent"
"""The ``type`` that a ``defs.yaml`` names, when it holds a use case."""

_FIELDS = ("declared_in", "use_case")


def load_use_cases(root: Path) -> list[UseCase]:
    """Every use case that a ``defs.yaml`` under ``assets/`` declares, ordered by folder.

    >>> [use_case.name for use_case in load_use_cases(Path.cwd())]  # doctest: +SKIP
    ['card_fraud', 'credit_limit', 'support_routing']

    Raises:
        ConfigurationError: a declaration is wrong, or two use cases have one name; it names file, field and value.
    """
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    found: dict[str, tuple[UseCase, str]] = {}
    for file in sorted(root.glob("assets/*/defs.yaml")):
        where = file.relative_to(root).as_posix()
        for document in _documents(file, where):
            if document.get("type") != COMPONENT:
                continue
            attributes = document.get("attributes")
            if not isinstance(attributes, Mapping):
                raise ConfigurationError(
                    f"{where}: attributes is {attributes!r}; allowed: {' or '.join(_FIELDS)}"
                )
            use_case = declared_use_case(attributes, where)
            if use_case.name in found:
                raise ConfigurationError(
                    f"{where}: name is {use_case.name!r}, which {found[use_case.name][1]} has; give it another name"
                )
            found[use_case.name] = (use_case, where)
    return [use_case for use_case, _ in found.values()]


def declared_use_case(attributes: Mapping[str, Any], where: str) -> UseCase:
    """The use case that the attributes of a component name or hold.

    Args:
        attributes: ``declared_in``, the import path of a UseCase, or ``use_case``, its fields; in the latter, functions
            and declarations may be named by their import paths.
        where: the file, for messages.

    Raises:
        ConfigurationError: naming file, field, value and what is allowed.
    """
    if unknown := sorted(set(attributes) - set(_FIELDS)):
        raise ConfigurationError(
            f"{where}: {unknown[0]} is not a field; {_meant(unknown[0], _FIELDS)}allowed: {' or '.join(_FIELDS)}"
        )
    declared_in, fields = (attributes.get(name) for name in _FIELDS)
    if (declared_in is None) == (fields is None):
        raise ConfigurationError(
            f"{where}: declared_in is {declared_in!r} and use_case {'missing' if fields is None else 'given'}; "
            f"allowed: exactly one of the two"
        )
    if declared_in is not None:
        named: UseCase = _imported(declared_in, "declared_in", where, UseCase)
        return named
    if not isinstance(fields, Mapping):
        raise ConfigurationError(f"{where}: use_case is {fields!r}; allowed: the fields of a UseCase")
    with readable_errors(f"{where}: use_case"):
        return UseCase.model_validate(_resolved(fields, UseCase, "use_case", where))


def _documents(file: Path, where: str) -> Iterable[Mapping[str, Any]]:
    import yaml

    try:
        documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{where} is not YAML: {' '.join(str(error).split())}; correct it"
        ) from error
    return [document for document in documents if isinstance(document, Mapping)]


def _resolved(value: Any, kind: Any, field: str, where: str) -> Any:  # noqa: ANN401 (any YAML, any annotation)
    """The value with the import paths replaced by what they name, where a field holds something that YAML cannot."""
    declarations = [part for part in _parts(kind) if isinstance(part, type) and issubclass(part, Declaration)]
    if isinstance(value, Mapping) and declarations:
        fields = declarations[0].model_fields
        return {
            name: _resolved(v, fields[name].annotation, f"{field}.{name}", where) if name in fields else v
            for name, v in value.items()
        }
    if isinstance(value, list):
        inner = [part for part in _parts(kind) if get_origin(part) is tuple]
        each = get_args(inner[0])[0] if inner else None
        return [_resolved(v, each, f"{field}.{n}", where) for n, v in enumerate(value)]
    named = isinstance(value, str) and str not in _parts(kind)
    if named and (declarations or kind is Any or any(_is_function(part) for part in _parts(kind))):
        return _imported(value, field, where, declarations[0] if declarations else None)
    return value


def _parts(kind: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)


def _is_function(kind: Any) -> bool:  # noqa: ANN401
    return getattr(get_origin(kind), "__name__", "") == "Callable"


def _imported(path: object, field: str, where: str, kind: type[Any] | None) -> Any:  # noqa: ANN401 (what is named)
    """The object that an import path names.

    Raises:
        ConfigurationError: there is no such thing, it cannot be imported, or it is of another type.
    """
    said = f"{where}: {field} is {path!r}"
    if (
        not isinstance(path, str)
        or not all(part.isidentifier() for part in path.split("."))
        or "." not in path
    ):
        raise ConfigurationError(f"{said}; allowed: an import path, `package.module.name`")
    module_name, _, name = path.rpartition(".")
    module = _module(module_name, said)
    if not hasattr(module, name):
        names = [
            n for n, v in vars(module).items() if isinstance(v, kind or object) and not n.startswith("_")
        ]
        raise ConfigurationError(
            f"{said}; {module_name} has no {name!r}; {_meant(name, names)}allowed: {', '.join(sorted(names)) or 'none'}"
        )
    found = getattr(module, name)
    if kind is not None and not isinstance(found, kind):
        raise ConfigurationError(f"{said}, of type {type(found).__name__}; allowed: a {kind.__name__}")
    return found


def _module(name: str, said: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not (name == missing or name.startswith(f"{missing}.")):
            raise ConfigurationError(
                f"{said}; {name} cannot be imported, for there is no module {missing!r} ({_line(error)})"
            ) from error
        package, _, last = missing.rpartition(".")
        known = _modules_of(package)
        raise ConfigurationError(
            f"{said}; there is no module {missing!r}; {_meant(last, known)}allowed: "
            + (f"{', '.join(known)} in {package}" if package else "a module of this project")
        ) from error
    except ValidationError as error:
        with readable_errors(f"{_line(error)}: {error.title}"):
            raise
    except ConfigurationError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())
        raise ConfigurationError(
            f"{said}; {name} cannot be imported: {type(error).__name__}: {told} ({_line(error)})"
        ) from error


def _modules_of(package: str) -> list[str]:
    if not package:
        return sorted(module.name for module in pkgutil.iter_modules([sys.path[0]]))
    paths = getattr(importlib.import_module(package), "__path__", ())
    return sorted(module.name for module in pkgutil.iter_modules(paths))


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=2)
    return f"did you mean {' or '.join(map(repr, close))}? " if close else ""


def _line(error: BaseException) -> str:
    """File and line of the project, within which an error came up: the innermost that is no library's."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and not frame.filename.startswith(("<", sys.base_prefix))
    ]
    declared = [
        frame for frame in own if not Path(frame.filename).is_relative_to(Path(__file__).parent)
    ] or own
    if not declared:
        return "no file of this project"
    path = Path(declared[-1].filename)
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"{shown}, line {declared[-1].lineno}"
