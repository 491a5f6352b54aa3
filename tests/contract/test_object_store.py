"""The contract of an object store, run on every backend."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ml_platform.errors import ConfigurationError, ConflictError, NotFoundError
from ml_platform.storage.base import ObjectStore
from ml_platform.storage.folder import FolderStore


@pytest.fixture(params=["folder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return {"folder": lambda: FolderStore(tmp_path / "store")}[request.param]()


def test_what_is_written_is_read_back(store: ObjectStore, tmp_path: Path) -> None:
    generation = store.write("a/b.bin", b"\x00content")
    assert store.read("a/b.bin") == (b"\x00content", generation)
    with store.open("a/b.bin") as file:
        assert file.read() == b"\x00content"
    info = store.stat("a/b.bin")
    assert info is not None
    assert (info.key, info.size, info.generation) == ("a/b.bin", 8, generation)
    assert store.local_path("a/b.bin", tmp_path / "cache").read_bytes() == b"\x00content"


def test_a_file_is_written_by_its_path(store: ObjectStore, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3_000_000)
    store.write("big", source)
    assert store.read("big")[0] == source.read_bytes()
    assert source.exists()


def test_an_open_file_is_written_from_where_it_stands(store: ObjectStore) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"head and body")
        file.seek(5)
        store.write("rest", file)
    assert store.read("rest")[0] == b"and body"


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    store.write("empty", b"")
    info = store.stat("empty")
    assert info is not None
    assert info.size == 0


def test_what_is_not_there(store: ObjectStore, tmp_path: Path) -> None:
    store.write("folder/object", b"")
    for key in ("nothing", "folder", "folder/object/below"):
        assert store.stat(key) is None
        with pytest.raises(NotFoundError, match=key):
            store.open(key)
        with pytest.raises(NotFoundError, match=key):
            store.read(key)
        with pytest.raises(NotFoundError, match=key):
            store.local_path(key, tmp_path / "cache")
        store.delete(key)
    assert [info.key for info in store.list()] == ["folder/object"]


def test_a_write_replaces_and_every_write_is_a_generation(store: ObjectStore) -> None:
    generations = [store.write("pointer", content) for content in (b"A", b"B", b"A") * 20]
    assert len(set(generations)) == 60
    assert store.read("pointer") == (b"A", generations[-1])


def test_compare_and_swap(store: ObjectStore) -> None:
    first = store.write("pointer", b"1", if_absent=True)
    with pytest.raises(ConflictError, match="pointer"):
        store.write("pointer", b"2", if_absent=True)
    second = store.write("pointer", b"2", if_generation=first)
    with pytest.raises(ConflictError, match="pointer"):
        store.write("pointer", b"3", if_generation=first)
    assert store.read("pointer") == (b"2", second)
    store.delete("pointer")
    with pytest.raises(ConflictError, match="pointer"):
        store.write("pointer", b"3", if_generation=second)
    assert store.stat("pointer") is None
    with pytest.raises(ConfigurationError):
        store.write("pointer", b"3", if_generation=second, if_absent=True)


def test_a_swap_back_to_the_same_content_is_noticed(store: ObjectStore) -> None:
    seen = store.write("pointer", b"A")
    store.write("pointer", b"B")
    store.write("pointer", b"A")
    with pytest.raises(ConflictError):
        store.write("pointer", b"C", if_generation=seen)


def test_one_of_many_creators_wins(store: ObjectStore) -> None:
    def create(n: int) -> int | None:
        try:
            store.write("winner", str(n).encode(), if_absent=True)
        except ConflictError:
            return None
        return n

    with ThreadPoolExecutor(16) as pool:
        winners = [n for n in pool.map(create, range(16)) if n is not None]
    assert len(winners) == 1
    assert store.read("winner")[0] == str(winners[0]).encode()


def test_no_increment_by_compare_and_swap_is_lost(store: ObjectStore) -> None:
    store.write("counter", b"0")

    def increment(_: int) -> None:
        while True:
            content, generation = store.read("counter")
            try:
                store.write("counter", str(int(content) + 1).encode(), if_generation=generation)
            except ConflictError:
                continue
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(40)))
    assert store.read("counter")[0] == b"40"


def test_list_is_ordered_by_key_and_limited_by_prefix(store: ObjectStore) -> None:
    keys = ["a", "b/1", "b/10", "b/2", "b-1", "bc/d/e", "ü"]
    for key in keys:
        store.write(key, key.encode())
    assert [info.key for info in store.list()] == sorted(keys)
    assert [info.key for info in store.list("b")] == sorted(k for k in keys if k.startswith("b"))
    assert [info.key for info in store.list("b/1")] == ["b/1", "b/10"]
    assert [info.key for info in store.list("bc/")] == ["bc/d/e"]
    assert list(store.list("nothing/here")) == []
    assert list(store.list("a/")) == []
    assert all(store.stat(info.key) == info for info in store.list())


def test_delete(store: ObjectStore) -> None:
    store.write("a/b", b"")
    store.write("a/c", b"")
    store.delete("a/b")
    store.delete("a/b")
    assert [info.key for info in store.list()] == ["a/c"]
    store.delete("a/c")
    store.write("a", b"now an object")
    assert [info.key for info in store.list()] == ["a"]


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "a/../../b", "..", ".", "a//b", "a/", "a\\b", "a\nb", "x" * 300]
)
def test_keys_that_lead_elsewhere_are_refused(store: ObjectStore, key: str) -> None:
    for use in (store.stat, store.open, store.read, store.delete, lambda k: store.write(k, b"")):
        with pytest.raises(ConfigurationError):
            use(key)


def test_an_open_reader_keeps_what_it_opened(store: ObjectStore) -> None:
    store.write("a", b"old")
    with store.open("a") as file:
        store.write("a", b"new")
        assert file.read() == b"old"


def test_a_second_client_sees_the_same_objects(store: ObjectStore) -> None:
    assert "://" in store.uri
    store.write("a", b"1")
    if isinstance(store, FolderStore):
        assert [i.key for i in FolderStore(store.root).list()] == ["a"]
