"""A registry on any object store, with candidates to release in it, and a store that tests step into."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

from samples.candidates import candidate_files, manifest

from ml_platform.models.releases.manifest import AuditEntry, Release
from ml_platform.models.releases.registry import CHAMPION, Registry
from ml_platform.storage.base import ObjectInfo, ObjectStore
from ml_platform.storage.folder import FolderStore

__all__ = ["CARD_FRAUD", "FOLDER", "STORES", "A", "B", "Bench", "C", "Passing", "folder_store"]

CARD_FRAUD = ("card_fraud", "model")
FOLDER = "releases/card_fraud/model"
A, B, C = b"model A", b"model B", b"model C"


class Passing(ObjectStore):
    """Passes everything on to another store; tests override what is to happen meanwhile."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    @property
    def uri(self) -> str:
        return self.store.uri

    def stat(self, key: str) -> ObjectInfo | None:
        return self.store.stat(key)

    def open(self, key: str) -> BinaryIO:
        return self.store.open(key)

    def read(self, key: str) -> tuple[bytes, str]:
        return self.store.read(key)

    def write(self, key: str, content: Any, **conditions: Any) -> str:
        return self.store.write(key, content, **conditions)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        return self.store.list(prefix)

    def delete(self, key: str) -> None:
        self.store.delete(key)

    def local_path(self, key: str, cache: Path) -> Path:
        return self.store.local_path(key, cache)


class Bench:
    """A registry, and candidates to release in it."""

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self.root = root
        self.store = store
        seconds = count()
        start = datetime(2018, 8, 1, tzinfo=UTC)
        self.registry = Registry(self.store, clock=lambda: start + timedelta(seconds=next(seconds)))

    def release(
        self, model: bytes, *, stage: str = CHAMPION, force: bool = False, **changes: object
    ) -> Release:
        files = candidate_files(self.root / f"candidate {model.decode()}", model)
        return self.registry.release(
            *CARD_FRAUD, files, manifest(**changes), stage=stage, who="ada", why="new data", force=force
        )

    def back(self, to: str | None = None, stage: str = CHAMPION) -> Release:
        return self.registry.rollback(*CARD_FRAUD, stage=stage, to=to, who="on-call", why="alerts doubled")

    def assign(self, stage: str, release: Release, *, force: bool = False) -> Release:
        return self.registry.assign(
            *CARD_FRAUD, stage, release.version, who="grace", why="a trial", force=force
        )

    def clear(self, stage: str) -> None:
        self.registry.clear(*CARD_FRAUD, stage, who="grace", why="done")

    def named(self) -> dict[str, str | None]:
        return {stage: entry.version for stage, entry in self.registry.stages(*CARD_FRAUD).items()}

    def key(self, release: Release, name: str) -> str:
        return f"{FOLDER}/{release.version}/{name}"

    def promotion(self) -> AuditEntry:
        found = self.registry.promotion(*CARD_FRAUD)
        assert found is not None
        return found

    def stored(self) -> list[str]:
        return [info.key for info in self.store.list()]


def folder_store(root: Path) -> ObjectStore:
    return FolderStore(root / "registry")


STORES: dict[str, Callable[[Path], ObjectStore]] = {"folder": folder_store}
