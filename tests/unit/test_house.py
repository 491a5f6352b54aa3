"""Rules of the house that no linter knows."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ml_platform

ROOT = Path(__file__).parents[2]
HEAVY = {
    "cassandra",
    "duckdb",
    "google",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "pandas",
    "pandera",
    "scipy",
    "skops",
    "sklearn",
    "torch",
    "transformers",
    "xgboost",
}
"""Imported in the functions that use them, so that a command line and a service start at once."""

EXTRAS = ("ml_platform.features.online.cassandra",)
"""Rooms of optional extras, which are themselves imported where they are used."""

MODULES = sorted(module.name for module in pkgutil.walk_packages(ml_platform.__path__, "ml_platform."))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("assets/**/*.md")])


def top_level_imports(tree: ast.Module) -> Iterator[str]:
    """Names of the libraries that are imported when a module is."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING":
            waiting += [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            waiting += [*node.body, *node.orelse, *node.finalbody]


@pytest.mark.parametrize("name", MODULES)
def test_heavy_libraries_are_imported_where_they_are_used(name: str) -> None:
    if name.startswith(EXTRAS):
        return
    path = ROOT / (name.replace(".", "/") + ".py")
    path = path if path.exists() else ROOT / name.replace(".", "/") / "__init__.py"
    found = HEAVY & set(top_level_imports(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found, (
        f"{name} imports {sorted(found)} when it is imported; import them in the functions that use them"
    )


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("__main__")])
def test_what_a_module_offers_is_there(name: str) -> None:
    if name.startswith(EXTRAS):
        pytest.importorskip("cassandra")
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", [])
    assert [one for one in offered if not hasattr(module, one)] == []
    assert module.__doc__, f"{name} does not say what it is for"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_documents_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    broken = [
        target
        for target in targets
        if not target.startswith(("http://", "https://", "mailto:")) and not (path.parent / target).exists()
    ]
    assert broken == []


def test_commands_of_documents_exist() -> None:
    from typer.main import get_command

    from ml_platform.cli.main import app

    known = get_command(app).commands  # type: ignore[attr-defined] # a group of commands
    named = {
        word
        for path in DOCUMENTS
        for word in re.findall(r"(?<![\w/])ml-platform ([a-z][a-z-]*)", path.read_text(encoding="utf-8"))
    }
    assert sorted(named - set(known)) == []


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_docstrings_begin_with_a_verb_or_the_thing() -> None:
    ours = ["ml_platform", "assets", "sensors", "resources", "bank_simulator", "benchmarks", "tests"]
    found = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for room in ours
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module)
        for text in [ast.get_docstring(node) or "-"]
        if re.match(r"(What|Whether|Who|How|Where|Why)\b", text)
    ]
    assert found == []
