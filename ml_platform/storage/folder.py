"""An object store in a local folder."""

import logging
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ml_platform.errors import ConfigurationError, ConflictError, NotFoundError
from ml_platform.locks import lock_if_free, locked
from ml_platform.storage.base import ObjectInfo, ObjectStore

__all__ = ["FolderStore"]

_LOG = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS = 300.0
"""Seconds that a writer waits for others, who hold the lock only to rename and sync a file."""

OWN = ".store"
"""Folder within the root that holds the lock and unfinished writes; no key may start with it."""


class FolderStore(ObjectStore):
    """Objects as files under a root folder, for any number of processes and threads at once.

    A write goes to a temporary file that is synced to disk and renamed under a lock. Readers take no lock.
    The generation of an object is its file's modification time, which every write moves forward, and inode;
    so writing A, B and A again gives three generations. What a killed writer left unfinished is removed by
    the next write.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root).expanduser().absolute()

    @property
    def uri(self) -> str:
        """``file:///…``."""
        return self.root.as_uri()

    def stat(self, key: str) -> ObjectInfo | None:
        """The object's size and generation; None when there is none."""
        return _info(key, self._path(key))

    def open(self, key: str) -> BinaryIO:
        """Open an object for reading; later writes do not change what is read.

        Raises:
            NotFoundError: there is no such object.
        """
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"{self.uri} has no object {key!r}") from None

    def read(self, key: str) -> tuple[bytes, str]:
        """Content and generation of a small object, of one and the same write.

        Raises:
            NotFoundError: there is no such object.
        """
        with self.open(key) as file:
            return file.read(), _generation(os.fstat(file.fileno()))

    def write(
        self,
        key: str,
        content: bytes | Path | BinaryIO,
        *,
        if_generation: str | None = None,
        if_absent: bool = False,
    ) -> str:
        """Write an object and return its generation; see the contract.

        Raises:
            ConflictError: the condition did not hold; nothing was written.
            ConfigurationError: the key is not valid, or lies above or below another object's.
        """
        target = self._path(key)
        if if_absent and if_generation is not None:
            raise ConfigurationError(f"writing {key!r}: give if_absent or if_generation, not both")
        with self._temporary() as file:
            _fill(file, content)
            with self._locked():
                current = _info(key, target)
                _require(key, current, if_generation=if_generation, if_absent=if_absent)
                before = target.stat().st_mtime_ns if current else 0
                now = max(time.time_ns(), before + 1)
                os.utime(file.fileno(), ns=(now, now))
                os.fsync(file.fileno())
                _make_folder(key, target.parent, self.root)
                try:
                    Path(file.name).replace(target)
                except IsADirectoryError:
                    raise ConfigurationError(
                        f"cannot write {key!r}: there are objects below {key!r}/; choose another key"
                    ) from None
                _sync_folder(target.parent)
                return _generation(os.fstat(file.fileno()))

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key starts with ``prefix``, ordered by key."""
        keys = (path.relative_to(self.root).as_posix() for path in self._files(prefix))
        for key in sorted(key for key in keys if key.startswith(prefix)):
            if info := _info(key, self.root / key):
                yield info

    def delete(self, key: str) -> None:
        """Delete an object; deleting one that is not there does nothing."""
        target = self._path(key)
        if not target.is_file():
            return
        with self._locked():
            target.unlink(missing_ok=True)
            folder = target.parent
            while folder != self.root and not any(folder.iterdir()):
                folder.rmdir()
                folder = folder.parent
            _sync_folder(folder)

    def local_path(self, key: str, cache: Path) -> Path:  # noqa: ARG002 (the object is local already)
        """The object's own file; treat it as read-only.

        Raises:
            NotFoundError: there is no such object.
        """
        if not self.stat(key):
            raise NotFoundError(f"{self.uri} has no object {key!r}")
        return self._path(key)

    def _path(self, key: str) -> Path:
        parts = key.split("/")
        if (
            any(part in {"", ".", ".."} or len(part.encode()) > 255 for part in parts)
            or parts[0] == OWN
            or "\\" in key
            or not key.isprintable()
        ):
            raise ConfigurationError(
                f"{key!r} is not a valid key; use names joined by '/', none '.', '..' or empty"
            )
        return self.root.joinpath(*parts)

    def _files(self, prefix: str) -> Iterator[Path]:
        start = self.root / prefix.rpartition("/")[0]
        if ".." in start.parts:
            raise ConfigurationError(f"{prefix!r} is not a valid prefix; leave out '..'")
        for folder, folders, names in os.walk(start):
            if Path(folder) == self.root and OWN in folders:
                folders.remove(OWN)
            yield from (Path(folder, name) for name in names)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with locked(
            self.root / OWN / "lock",
            LOCK_TIMEOUT_SECONDS,
            busy=lambda holder: f"waiting for {holder}, which writes to {self.root}",
            held=lambda holder: (
                f"{holder} has been writing to {self.root} for more than {LOCK_TIMEOUT_SECONDS:g} s; end it, try again"
            ),
            waiting=_LOG.debug,
        ):
            yield

    @contextmanager
    def _temporary(self) -> Iterator[BinaryIO]:
        """An unfinished file of this writer; its lock tells others that the writer lives."""
        folder = self.root / OWN / "unfinished"
        with self._locked():
            folder.mkdir(exist_ok=True)
            for leftover in folder.iterdir():
                _remove_if_abandoned(leftover)
            file = (folder / secrets.token_hex(8)).open("xb")
            lock_if_free(file)  # nobody else knows it yet
        try:
            yield file
        finally:
            file.close()
            Path(file.name).unlink(missing_ok=True)


def _fill(file: BinaryIO, content: bytes | Path | BinaryIO) -> None:
    if isinstance(content, bytes):
        file.write(content)
    elif isinstance(content, Path):
        with content.open("rb") as source:
            shutil.copyfileobj(source, file, 1 << 20)
    else:
        shutil.copyfileobj(content, file, 1 << 20)
    file.flush()
    os.fsync(file.fileno())


def _require(key: str, current: ObjectInfo | None, *, if_generation: str | None, if_absent: bool) -> None:
    if if_absent and current:
        raise ConflictError(f"object {key!r} exists already; read it, or choose another key")
    if if_generation is not None and (current is None or current.generation != if_generation):
        found = f"generation {current.generation}" if current else "no object"
        raise ConflictError(
            f"object {key!r} has changed: expected generation {if_generation}, found {found}; read it again"
        )


def _make_folder(key: str, folder: Path, root: Path) -> None:
    missing = [
        parent for parent in (folder, *folder.parents) if root in parent.parents and not parent.exists()
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigurationError(
            f"cannot write {key!r}: a part of it is an object; choose another key"
        ) from None
    for made in missing:
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_if_abandoned(path: Path) -> None:
    try:
        with path.open("rb") as file:
            if lock_if_free(file):  # else its writer lives
                path.unlink(missing_ok=True)
    except FileNotFoundError:  # its writer has just finished
        return


def _info(key: str, path: Path) -> ObjectInfo | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return ObjectInfo(key, status.st_size, _generation(status))


def _generation(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_ino:x}"
