import importlib
import sys

import pytest

from ml_platform.errors import ConfigurationError
from ml_platform.models.training.versions import code_version, files_digest, training_key


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a train function, a helper that it imports, and a module that it does not."""
    folder = tmp_path / "somebank"
    folder.mkdir()
    files = {
        "__init__.py": "",
        "train.py": "import json\nfrom somebank.helper import half\n\ndef train():\n    return half(2)\n",
        "helper.py": "from . import deeper\n\ndef half(x):\n    return deeper.divide(x, 2)\n",
        "deeper.py": "def divide(a, b):\n    return a / b\n",
        "unrelated.py": "x = 1\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("somebank")]:
        del sys.modules[name]


def version_of(folder):
    importlib.invalidate_caches()
    return code_version(importlib.import_module("somebank.train").train)


@pytest.mark.parametrize("changed", ["train.py", "helper.py", "deeper.py"])
def test_a_change_in_train_or_in_what_it_imports_gives_another_version(package, changed):
    before = version_of(package)
    with (package / changed).open("a") as file:
        file.write("\nchanged = True\n")
    assert version_of(package) != before


@pytest.mark.parametrize("changed", ["__init__.py", "unrelated.py"])
def test_a_change_elsewhere_in_the_package_does_not(package, changed):
    before = version_of(package)
    (package / changed).write_text("description = 'better'\n")
    assert version_of(package) == before


def test_a_function_without_source_is_refused():
    scope: dict = {"__name__": "__main__"}
    exec("def train(): pass", scope)
    with pytest.raises(ConfigurationError, match="define it in a file"):
        code_version(scope["train"])


def test_every_part_of_a_training_changes_its_key():
    base = ("d", "c", {"depth": 3}, {"xgboost": "3"})
    keys = {
        training_key(*base),
        training_key("e", *base[1:]),
        training_key("d", "e", *base[2:]),
        training_key("d", "c", {"depth": 4}, base[3]),
        training_key("d", "c", base[2], {"xgboost": "4"}),
    }
    assert len(keys) == 5
    assert training_key("d", "c", {"a": 1, "b": 2}, {}) == training_key("d", "c", {"b": 2, "a": 1}, {})


def test_files_digest_names_each_file_by_its_relative_path(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"")
    assert files_digest(tmp_path) == {
        "a/x": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    }
