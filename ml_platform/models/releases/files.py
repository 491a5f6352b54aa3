"""The files of releases in an object store: stored once, and verified whenever they are read."""

import hashlib
import io
import logging
import shutil
import tempfile
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from ml_platform.errors import ArtifactTamperedError, ConflictError, NotFoundError
from ml_platform.models.releases.card import model_card
from ml_platform.models.releases.manifest import CARD, MANIFEST, Release, ReleaseFile, describe_files
from ml_platform.storage.base import ObjectStore

__all__ = ["ReleaseFiles", "folder_of"]

_log = logging.getLogger(__name__)
_CHUNK = 1 << 20


def folder_of(use_case: str, model: str, version: str = "") -> str:
    """Key prefix of a release's folder; without a version, of all that is kept of the model."""
    return f"releases/{use_case}/{model}/" + (f"{version}/" if version else "")


def _tampered(where: str, what: str) -> ArtifactTamperedError:
    return ArtifactTamperedError(
        f"{where} {what}: somebody changed the registry by hand; restore it from a backup, roll back, or remove what "
        "was changed and run `ml-platform run`, which stores it again from the candidate that was released"
    )


class ReleaseFiles:
    """Releases' folders: ``manifest.json`` is written last, and no object is ever overwritten."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def upload(self, candidate: Release, files: Path) -> str:
        """Store a release if it is not there, verify what is stored, and return its manifest's SHA-256.

        Raises:
            ArtifactTamperedError: what is stored under this version is not this release.
        """
        key = _folder(candidate) + MANIFEST
        if self._store.stat(key) is None:
            complete = self._write_missing(candidate, files)
            self.verify(complete)
            try:
                self._store.write(key, complete.to_json(), if_absent=True)
            except ConflictError:
                _log.info("%s %s: released by another process meanwhile", candidate.name, candidate.version)
        content, _ = self._store.read(key)
        stored = _parse(content, key)
        if stored.version != candidate.version or not stored.is_consistent:
            raise _tampered(key, "does not describe the release that it is filed under")
        self.verify(stored)
        return hashlib.sha256(content).hexdigest()

    def restore(self, candidate: Release, files: Path, manifest_sha256: str) -> None:
        """Store again what is missing of a release, from the candidate that it was made of.

        Raises:
            ArtifactTamperedError: what is stored, or can be stored, is not what was released.
        """
        key, complete = _folder(candidate) + MANIFEST, self._write_missing(candidate, files)
        content = complete.to_json()
        if self._store.stat(key) is None and hashlib.sha256(content).hexdigest() == manifest_sha256:
            self._store.write(key, content, if_absent=True)
        self.verify(self.read(candidate.use_case, candidate.model, candidate.version, manifest_sha256))
        _log.warning("%s %s: files were missing in the registry; restored", candidate.name, candidate.version)

    def is_whole(self, use_case: str, model: str, version: str, manifest_sha256: str) -> bool:
        """Tell whether exactly the files of a release are there, by their sizes: only its manifest is read."""
        try:
            self._verify_listing(self.read(use_case, model, version, manifest_sha256))
        except ArtifactTamperedError:
            return False
        return True

    def read(self, use_case: str, model: str, version: str, manifest_sha256: str) -> Release:
        """The release, from its manifest.

        Raises:
            ArtifactTamperedError: the manifest is missing or has another digest.
        """
        key = folder_of(use_case, model, version) + MANIFEST
        try:
            content, _ = self._store.read(key)
        except NotFoundError:
            raise _tampered(key, "is missing") from None
        if hashlib.sha256(content).hexdigest() != manifest_sha256:
            raise _tampered(key, "is not the manifest that was released")
        return _parse(content, key)

    def card(self, release: Release) -> str:
        """The model card. Raises ArtifactTamperedError."""
        text = io.BytesIO()
        for file in release.card:
            if file.path.endswith("/card.md"):
                self._copy(release, file, text)
        return text.getvalue().decode()

    def verify(self, release: Release) -> None:
        """Check that exactly the files of the release are stored. Raises ArtifactTamperedError."""
        self._verify_listing(release)
        for file in (*release.files, *release.card):
            self._copy(release, file, None)

    def fetch(self, release: Release, cache: Path) -> Path:
        """Copy the model files, verified, to ``<cache>/<use_case>/<model>/<version>/``."""
        self._verify_listing(release)
        target = cache / release.use_case / release.model / release.version
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as scratch:
            fresh = Path(scratch, "fresh")
            for file in release.files:
                path = fresh / file.path
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as out:
                    self._copy(release, file, out)
            _install(fresh, target, Path(scratch, "old"), release.files)
        return target

    def _verify_listing(self, release: Release) -> None:
        # A card that a killed attempt left under another digest is never read, and so is no reason to refuse.
        folder = _folder(release)
        expected = {f.path: f.size for f in (*release.files, *release.card)}
        found = {info.key.removeprefix(folder): info.size for info in self._store.list(folder)}
        known = expected.keys() | {MANIFEST}
        if missing := sorted(expected.keys() - found.keys()):
            raise _tampered(folder, f"lacks {missing}")
        if extra := sorted(name for name in found.keys() - known if not name.startswith(f"{CARD}/")):
            raise _tampered(folder, f"holds {extra}, which are not of the release")
        if changed := sorted(name for name, size in expected.items() if found[name] != size):
            raise _tampered(folder, f"has {changed} in another size")

    def _copy(self, release: Release, file: ReleaseFile, to: IO[bytes] | None) -> None:
        """Read a stored file, into ``to`` if given. Raises ArtifactTamperedError for another digest."""
        key = _folder(release) + file.path
        digest = hashlib.sha256()
        with self._store.open(key) as content:
            while chunk := content.read(_CHUNK):
                digest.update(chunk)
                if to:
                    to.write(chunk)
        if digest.hexdigest() != file.sha256:
            raise _tampered(key, "does not have the digest that its manifest names")

    def _write_missing(self, candidate: Release, files: Path) -> Release:
        for n, file in enumerate(candidate.files, 1):
            self._write_once(candidate, file, files / file.path)
            _log.info("%s %s: file %d of %d", candidate.name, candidate.version, n, len(candidate.files))
        return candidate.model_copy(update={"card": self._upload_card(candidate, files)})

    def _write_once(self, release: Release, file: ReleaseFile, source: Path) -> None:
        try:
            self._store.write(_folder(release) + file.path, source, if_absent=True)
        except ConflictError:
            _log.debug("%s is stored already", file.path)

    def _upload_card(self, candidate: Release, files: Path) -> tuple[ReleaseFile, ...]:
        # Cards may differ between two attempts, so each is filed under its own digest and none overwrites
        # another.
        with tempfile.TemporaryDirectory() as scratch:
            card = Path(scratch)
            if (files / CARD).is_dir():
                shutil.copytree(files / CARD, card, dirs_exist_ok=True)
            if not (card / "card.md").exists():
                plots = sorted(p.relative_to(card).as_posix() for p in card.rglob("*.png"))
                text = model_card(candidate.name, candidate.manifest, plots)
                (card / "card.md").write_text(text, encoding="utf-8")
            found = describe_files(card)
            digest = hashlib.sha256("\n".join(f"{f.path} {f.sha256}" for f in found).encode()).hexdigest()
            filed = tuple(f.model_copy(update={"path": f"{CARD}/{digest[:12]}/{f.path}"}) for f in found)
            for source, file in zip(found, filed, strict=True):
                self._write_once(candidate, file, card / source.path)
        return filed


def _folder(release: Release) -> str:
    return folder_of(release.use_case, release.model, release.version)


def _parse(content: bytes, key: str) -> Release:
    try:
        return Release.from_json(content)
    except ValidationError as error:
        raise _tampered(key, f"is not a manifest ({error.error_count()} errors)") from error


def _install(fresh: Path, target: Path, old: Path, files: tuple[ReleaseFile, ...]) -> None:
    """Move ``fresh`` to ``target`` unless an equal copy, which a process may be loading from, is there."""
    if target.exists():
        if not any(p.is_symlink() for p in target.rglob("*")) and describe_files(target) == files:
            return
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if describe_files(target) != files:
            raise
