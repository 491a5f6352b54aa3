"""The version of code: what it does, and not how it is written down or described.

A version is a hash over the syntax trees of the modules that are reached by imports. Comments and formatting are not in
a tree; docstrings, type annotations and what only serves them are taken out of it. Nothing is imported to be read.
"""

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
import sysconfig
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeGuard

from ml_platform.errors import ConfigurationError

__all__ = ["code_version"]

_LIBRARY = "ml_platform"
# Of the library, only what computes: a new message, column or button of it retrains nothing.
_DECIDING = (
    "ml_platform.models.evaluation",
    "ml_platform.models.frameworks",
    "ml_platform.models.tasks",
    "ml_platform.models.training.data",
    "ml_platform.models.training.splits",
)
_DRAWING = ("plots", "drawing")
_INSTALLED = {"site-packages", "dist-packages"}
_TYPING = {"__future__", "collections.abc", "numpy.typing", "typing", "typing_extensions"}
_TABLE = "Table"


def code_version(*roots: Callable[..., Any] | type | ModuleType) -> str:
    """Hash of what functions, classes and modules do, with all of the project's own code that they import.

    Imports are followed through every module that is not installed (in ``site-packages``) and not Python's own; of
    this library, through the parts that decide a result. A change of a docstring, comment, format or type annotation
    keeps the version; an annotation of a class's field counts, as it may decide what the field accepts.

    Example: ``code_version(train)`` is ``"5f0c2a9b7e1d4c38"``.

    Args:
        roots: where to begin; whatever is named here counts, wherever it is.

    Returns:
        16 hex digits.

    Raises:
        ConfigurationError: the source of a root cannot be found or read.
    """
    found: dict[str, str] = {}
    mine = {_LIBRARY, *(name.partition(".")[0] for name in map(_module_name, roots) if name)}
    for root in roots:
        if isinstance(root, functools.partial):
            found[f"arguments of {_unwrapped(root).__qualname__}"] = _arguments(root)
        name = _module_name(root)
        file = _file_of(name, mine) if name else None
        if name and file:
            _collect(name, file, mine, found)
        elif isinstance(root, ModuleType):
            raise ConfigurationError(
                f"the source of {root!r} cannot be found, so that changes would go unnoticed"
            )
        else:
            function = _unwrapped(root)
            found[f"{function.__module__}.{function.__qualname__}"] = _parsed(_source(function)).digest
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(found.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _Parsed(NamedTuple):
    digest: str
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    """Level, module and names of each import; no names: ``import module``."""


def _collect(name: str, file: Path, mine: set[str], found: dict[str, str]) -> None:
    if name in found:
        return
    try:
        parsed = _parsed(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as Python: {error}; correct it") from error
    found[name] = parsed.digest
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for imported in _imported(parsed, package, mine):
        if _decides(imported) and (source := _file_of(imported, mine)):
            _collect(imported, source, mine, found)


def _imported(parsed: _Parsed, package: str, mine: set[str]) -> Iterator[str]:
    """Modules that are imported. ``from a import b`` names the module ``a.b``, or else ``a``, which defines ``b``."""
    for level, module, names in parsed.imports:
        base = module
        if level:
            parts = package.split(".")
            base = ".".join([*parts[: len(parts) - level + 1], *([module] if module else [])])
        if not names:
            yield base
        for name in names:
            yield f"{base}.{name}" if _file_of(f"{base}.{name}", mine) else base


def _decides(name: str) -> bool:
    if name.partition(".")[0] != _LIBRARY:
        return True
    inside = any(name == part or name.startswith(f"{part}.") for part in _DECIDING)
    return inside and not name.endswith(_DRAWING)


def _file_of(name: str, mine: set[str]) -> Path | None:
    """Source file of a module of the project's own code; None for any other name."""
    top, *rest = name.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin in ("built-in", "frozen"):
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not rest:
        file = Path(spec.origin) if spec.origin else None
    else:
        for part in rest[:-1]:
            folders = [folder / part for folder in folders]
        candidates = (
            f for folder in folders for f in (folder / rest[-1] / "__init__.py", folder / f"{rest[-1]}.py")
        )
        file = next((f for f in candidates if f.is_file()), None)
    if file is None or file.suffix != ".py" or not (top in mine or _is_local(file)):
        return None
    return file


def _is_local(file: Path) -> bool:
    return not (_INSTALLED & set(file.parts) or file.is_relative_to(sysconfig.get_paths()["stdlib"]))


def _module_name(root: object) -> str | None:
    """Module of a root that has a file, but is not the program that runs; None: its own source is taken."""
    if isinstance(root, ModuleType):
        return root.__name__
    module = inspect.getmodule(_unwrapped(root))
    return (
        module.__name__
        if module and getattr(module, "__file__", None) and module.__name__ != "__main__"
        else None
    )


def _unwrapped(root: Any) -> Any:  # noqa: ANN401 (any callable)
    while isinstance(root, functools.partial):
        root = root.func
    return root if hasattr(root, "__qualname__") else type(root)


def _arguments(root: functools.partial[Any]) -> str:
    given = {"positional": root.args, "named": root.keywords}
    return json.dumps(
        given, sort_keys=True, default=lambda o: getattr(o, "__qualname__", type(o).__qualname__)
    )


def _source(function: Any) -> str:  # noqa: ANN401 (any callable)
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise ConfigurationError(
            f"the source of {function!r} cannot be found, so that changes would go unnoticed; "
            "define it in a file"
        ) from error


@functools.lru_cache(maxsize=2048)
def _parsed(text: str) -> _Parsed:
    tree = _Bare().visit(ast.parse(text))
    imports: list[tuple[int, str, tuple[str, ...]]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    return _Parsed(hashlib.sha256(ast.dump(tree).encode()).hexdigest(), tuple(imports))


class _Bare(ast.NodeTransformer):
    """Takes out of a tree what describes and does not decide."""

    def visit_Module(self, node: ast.Module) -> ast.AST:
        return self._block(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = [s for s in node.body if isinstance(s, ast.AnnAssign)]
        for field in fields:
            field.simple = -1  # tells visit_AnnAssign to keep it
        return self._block(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if _is_table(node.value):
            return None
        if node.simple == -1:
            return self.generic_visit(node)
        if node.value is None:
            return None
        return self.generic_visit(ast.Assign(targets=[node.target], value=node.value))

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if _is_table(node.value) else self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        node.names = [alias for alias in node.names if alias.name not in _TYPING]
        return node if node.names else None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if not node.level and node.module in _TYPING else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.AST] | None:
        if _is_type_checking(node.test):
            return [found for found in map(self.visit, node.orelse) if found is not None]
        return self._block(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._block(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._block(node)

    def visit_With(self, node: ast.With) -> ast.AST:
        return self._block(node)

    def visit_Try(self, node: ast.Try) -> ast.AST:
        return self._block(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        return self._block(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self._block(node)

    def _block(self, node: Any) -> ast.AST:  # noqa: ANN401 (any node with a body)
        self.generic_visit(node)
        node.body = node.body or [ast.Pass()]
        bare: ast.AST = node
        return bare


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _is_table(value: ast.expr | None) -> TypeGuard[ast.Call]:
    """Say whether it is a :class:`ml_platform.table.Table`, in which one more entry changes no model."""
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == _TABLE
