"""A version of code changes with what the code does, wherever it is, and with nothing else."""

import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_platform.errors import ConfigurationError
from ml_platform.models.training import code
from ml_platform.models.training.code import code_version

FILES = {
    "somebank/__init__.py": "",
    "somebank/cards/__init__.py": "",
    "somebank/cards/train.py": (
        "import json\n"
        "from typing import TYPE_CHECKING\n"
        "from somebank.cards.helper import half\n"
        "from somebank.shared import clean\n"
        "import loose\n"
        "import pytest\n"
        "if TYPE_CHECKING:\n"
        "    from somebank.cards import names\n"
        "\n"
        "def train(x=2):\n"
        "    return half(clean(x)) + loose.ONE\n"
    ),
    "somebank/cards/helper.py": "from . import deeper\n\ndef half(x):\n    return deeper.divide(x, 2)\n",
    "somebank/cards/deeper.py": "def divide(a, b):\n    return a / b\n",
    "somebank/cards/names.py": "x = 1\n",
    "somebank/shared/__init__.py": "from .text import clean\n",
    "somebank/shared/text.py": "def clean(x):\n    return x\n",
    "somebank/unrelated.py": "x = 1\n",
    "loose.py": "ONE = 1\n",
}
ELSEWHERE = {
    "helper beside it": "somebank/cards/helper.py",
    "helper of the helper": "somebank/cards/deeper.py",
    "package that hands a function on": "somebank/shared/__init__.py",
    "helper in another package": "somebank/shared/text.py",
    "module without a package": "loose.py",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose train function imports helpers near and far."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] in ("somebank", "loose")]:
        del sys.modules[name]


def train_of() -> Callable[..., object]:
    importlib.invalidate_caches()
    function: Callable[..., object] = importlib.import_module("somebank.cards.train").train
    return function


def version_of() -> str:
    return code_version(train_of())


@pytest.mark.parametrize(
    "changed", ["somebank/cards/train.py", *ELSEWHERE.values()], ids=["itself", *ELSEWHERE]
)
def test_a_change_in_train_or_in_what_it_imports_gives_another_version(root: Path, changed: str) -> None:
    before = version_of()
    with (root / changed).open("a") as file:
        file.write("\nchanged = True\n")
    assert version_of() != before


@pytest.mark.parametrize(
    "changed",
    [
        "somebank/__init__.py",
        "somebank/cards/__init__.py",
        "somebank/unrelated.py",
        "somebank/cards/names.py",
    ],
)
def test_a_change_in_what_it_does_not_use_does_not(root: Path, changed: str) -> None:
    before = version_of()
    (root / changed).write_text("description = 'better'\n")
    assert version_of() == before


PLAIN = """
RATE = 3

class Kept:
    rate: int = 3

    def get(self):
        return self.rate

async def later(x):
    with x:
        pass
    try:
        x()
    except ValueError:
        x = None

def double(x, *more, y=1, **named):
    z = x
    return z * 2
"""
DESCRIBED = '''
"""A module."""
from __future__ import annotations
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
import typing

if TYPE_CHECKING:
    from decimal import Decimal

RATE: int = 3
"""So many."""


class Kept:
    """Keeps it."""

    rate: int = 3
    """The rate."""

    def get(self) -> int:
        """Return it."""
        return self.rate  # as it is


async def later(x: Any) -> None:
    with x:
        "in passing"
    try:
        x()
    except ValueError:
        "nothing"
        x = None


def double(x: Decimal, *more: int, y: "int" = 1, **named: Callable[[], int]) -> int:
    """Double it."""
    unused: int
    z: Decimal = (
        x
    )
    return z * 2
'''


def test_docstrings_comments_formatting_and_annotations_do_not_count(root: Path) -> None:
    (root / "loose.py").write_text(PLAIN)
    before = version_of()
    (root / "loose.py").write_text(DESCRIBED)
    assert version_of() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("z * 2", "z * 3"),
        ("y=1", "y=2"),
        ("RATE = 3", "RATE = 4"),
        ("rate: int = 3", "rate: int = 4"),
        ("rate: int = 3", "rate: float = 3"),
        ("x, *more", "x, z, *more"),
        ("except ValueError", "except TypeError"),
    ],
)
def test_whatever_the_code_does_counts(root: Path, old: str, new: str) -> None:
    (root / "loose.py").write_text(PLAIN)
    before = version_of()
    assert old in PLAIN
    (root / "loose.py").write_text(PLAIN.replace(old, new))
    assert version_of() != before


def test_a_space_in_a_docstring_of_the_platform_retrains_nothing_and_its_arithmetic_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ml_platform.models.training import splits

    source = Path(splits.__file__).read_text()
    before = code_version(splits)
    copy = tmp_path / "splits.py"
    monkeypatch.setattr(
        code,
        "_file_of",
        lambda name, mine, of=code._file_of: (  # the file as if it were edited
            copy if name == splits.__name__ else of(name, mine)
        ),
    )
    copy.write_text(source.replace('"""', '""" '))
    assert copy.read_text() != source
    assert code_version(splits) == before
    assert " + " in source
    copy.write_text(source.replace(" + ", " - "))
    assert code_version(splits) != before


def test_only_those_parts_of_the_platform_count_that_decide_a_result(root: Path) -> None:
    (root / "somebank/shared/text.py").write_text(
        "from ml_platform.errors import DataError\nfrom ml_platform.models.training.data import TrainingData\n"
        "from ml_platform.models.training.tracking import Tracking\ndef clean(x):\n    return x\n"
    )
    followed: list[str] = []
    collect = code._collect

    def noted(name, file, mine, found):
        followed.append(name)
        collect(name, file, mine, found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "_collect", noted)
        version_of()
    library = {name for name in followed if name.startswith("ml_platform")}
    assert "ml_platform.models.training.data" in library
    assert not library & {
        "ml_platform.errors",
        "ml_platform.models.training.tracking",
        "ml_platform.use_case",
    }
    assert not {name for name in followed if name.startswith(("pytest", "json", "numpy"))}


def test_another_entry_in_a_table_of_names_changes_nothing(root: Path) -> None:
    (root / "loose.py").write_text("from ml_platform.table import Table\nT = Table('x', 'y', {})\nONE = 1\n")
    before = version_of()
    (root / "loose.py").write_text(
        "from ml_platform.table import Table\nT = Table('x', 'y', {'a': 1})\nONE = 1\n"
    )
    assert version_of() == before


def test_arguments_that_are_bound_to_a_function_count(root: Path) -> None:
    train = train_of()
    versions = {code_version(train), *(code_version(functools.partial(train, x=n)) for n in (1, 2))}
    assert len(versions) == 3
    assert code_version(functools.partial(train, x=1)) in versions


def test_nothing_is_imported_to_be_read(root: Path) -> None:
    (root / "loose.py").write_text("import heavy.part\nONE = 1\n")
    (root / "heavy").mkdir()
    (root / "heavy/__init__.py").write_text("raise RuntimeError('imported')\n")
    (root / "heavy/part.py").write_text("TWO = 2\n")
    (root / "somebank/cards/train.py").write_text("def train():\n    import loose\n    return loose.ONE\n")
    before = version_of()
    (root / "heavy/part.py").write_text("TWO = 3\n")
    assert version_of() != before


def test_a_function_without_source_is_refused() -> None:
    scope: dict = {"__name__": "__main__"}
    exec("def train(): pass", scope)
    with pytest.raises(ConfigurationError, match="define it in a file"):
        code_version(scope["train"])


def test_a_helper_that_is_no_python_is_named(root: Path) -> None:
    train = train_of()
    (root / "loose.py").write_text("def (\n")
    with pytest.raises(ConfigurationError, match=r"loose\.py cannot be read"):
        code_version(train)
