"""What a training is keyed by: data, code, parameters and libraries."""

import ast
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import platform
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from ml_platform.errors import ConfigurationError
from ml_platform.models.frameworks.base import FittedModel

__all__ = ["code_version", "files_digest", "library_versions", "training_key"]


def training_key(
    data_version: str, code: str, parameters: Mapping[str, Any], libraries: Mapping[str, str]
) -> str:
    """Key of a training: equal keys give the same model. Hex of 32 characters."""
    return _digest({"data": data_version, "code": code, "parameters": parameters, "libraries": libraries})


def library_versions(framework: type[FittedModel]) -> dict[str, str]:
    """Versions of what decides a fit: Python (minor), the framework and the array libraries."""
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in (*framework.libraries, "numpy", "pyarrow", "scikit-learn"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def code_version(*roots: Callable[..., Any] | ModuleType) -> str:
    """Hash of the source files of functions, and of the modules of their own package that those import.

    A change in a use case's ``train`` or in a helper beside it gives another version; one in its
    declaration, or in an unrelated package, does not.

    Raises:
        ConfigurationError: the source of a function cannot be found.
    """
    found: dict[str, str] = {}
    for root in roots:
        module = root if isinstance(root, ModuleType) else inspect.getmodule(root)
        path = getattr(module, "__file__", None)
        if module is None or path is None or module.__name__ == "__main__":
            found[f"{root.__module__}.{root.__qualname__}"] = _source(root)
        else:
            _collect(module.__name__, Path(path), found)
    return _digest({name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()})[:16]


def files_digest(folder: Path) -> dict[str, str]:
    """SHA-256 of each file under a folder, by its ``/``-separated relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _source(function: Any) -> str:  # noqa: ANN401 (any callable)
    try:
        return inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise ConfigurationError(
            f"the source of {function!r} cannot be found, so that changes would go unnoticed; "
            "define it in a file"
        ) from error


def _collect(name: str, path: Path, found: dict[str, str]) -> None:
    if name in found:
        return
    found[name] = path.read_text(encoding="utf-8")
    package = name.rpartition(".")[0]
    if not package:
        return
    for imported in _imports(ast.parse(found[name]), package):
        if imported.startswith(f"{package}.") and (source := _module_file(imported)):
            _collect(imported, source, found)


def _module_file(name: str) -> Path | None:
    """Source file of a module; None for a name that is no module (a function of one, say)."""
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imports(tree: ast.AST, package: str) -> Iterable[str]:
    """Absolute names that a module may import: ``from a import b`` names both ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
