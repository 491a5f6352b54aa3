from pathlib import Path

import pytest

from ml_platform.errors import ConfigurationError
from ml_platform.storage.folder import FolderStore


def test_an_object_cannot_lie_below_another_one(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("a", b"")
    with pytest.raises(ConfigurationError, match="a/b"):
        store.write("a/b", b"")
    store.write("c/d", b"")
    with pytest.raises(ConfigurationError, match="'c'"):
        store.write("c", b"")
    assert [info.key for info in store.list()] == ["a", "c/d"]


def test_a_refused_write_leaves_nothing_behind(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("a", b"")
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(FileNotFoundError):
        store.write("b", tmp_path / "no such file")
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_the_stores_own_folder_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        FolderStore(tmp_path).write(".store/lock", b"")
