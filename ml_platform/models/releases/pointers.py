"""The pointer that names a use case's champion, and the audit trail of its changes."""

from typing import NamedTuple

from pydantic import ValidationError

from ml_platform.errors import ConflictError, NotFoundError
from ml_platform.models.releases.files import tampered
from ml_platform.models.releases.manifest import AuditEntry
from ml_platform.storage.base import ObjectStore

__all__ = ["Champions", "Pointer"]


class Pointer(NamedTuple):
    """The newest change, as ``current.json`` states it, and that object's generation."""

    entry: AuditEntry
    generation: str


class Champions:
    """Pointers, changed by compare-and-swap, and the audit trail: a copy of each, never rewritten.

    A pointer is swapped only when its own entry is on file, so the trail lacks at most the newest, which the
    pointer itself still holds.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def pointer(self, use_case: str) -> Pointer | None:
        """The pointer; None before the first release. Raises ArtifactTamperedError."""
        key = _current(use_case)
        try:
            content, generation = self._store.read(key)
        except NotFoundError:
            if any(True for _ in self._store.list(_audit(use_case))):
                raise tampered(key, "is missing, though there were releases") from None
            return None
        return Pointer(_parse(content, key), generation)

    def settled(self, use_case: str) -> Pointer | None:
        """The pointer, once its own change is on file in the audit trail."""
        pointer = self.pointer(use_case)
        if pointer:
            self._record(pointer.entry)
        return pointer

    def history(self, use_case: str) -> tuple[AuditEntry, ...]:
        """Every change, oldest first. Raises ArtifactTamperedError."""
        newest = self.pointer(use_case)
        if newest is None:
            return ()
        last = newest.entry.sequence
        entries = {last: newest.entry}
        for info in self._store.list(_audit(use_case)):
            entry = _parse(self._store.read(info.key)[0], info.key)
            # A newer one than the pointer's was made while this was reading.
            if entry.sequence < last:
                entries[entry.sequence] = entry
        if missing := [n for n in range(1, last) if n not in entries]:
            raise tampered(_audit(use_case), f"lacks entries {missing}")
        return tuple(entries[n] for n in sorted(entries))

    def swap(self, before: Pointer | None, entry: AuditEntry) -> None:
        """Make ``entry`` the newest change, if ``before`` still is.

        Nothing happens if somebody else made the same version champion meanwhile.

        Raises:
            ConflictError: somebody else made another version champion meanwhile.
        """
        key = _current(entry.use_case)
        try:
            if before:
                self._store.write(key, entry.to_json(), if_generation=before.generation)
            else:
                self._store.write(key, entry.to_json(), if_absent=True)
        except ConflictError:
            now = self.settled(entry.use_case)
            if now and now.entry.version == entry.version:
                return
            by = f"to {now.entry.version} by {now.entry.who}" if now else "by somebody"
            raise ConflictError(
                f"the champion of {entry.use_case} was changed meanwhile, {by}; look at it, "
                f"then {entry.action} {entry.version} again if that is still wanted"
            ) from None
        self._record(entry)

    def _record(self, entry: AuditEntry) -> None:
        key = f"{_audit(entry.use_case)}{entry.sequence:08d}.json"
        try:
            self._store.write(key, entry.to_json(), if_absent=True)
        except ConflictError:
            if self._store.read(key)[0] != entry.to_json():
                raise tampered(key, "does not agree with current.json") from None


def _current(use_case: str) -> str:
    return f"releases/{use_case}/current.json"


def _audit(use_case: str) -> str:
    return f"releases/{use_case}/audit/"


def _parse(content: bytes, key: str) -> AuditEntry:
    try:
        return AuditEntry.from_json(content)
    except ValidationError as error:
        raise tampered(key, f"is not an entry of the audit trail ({error.error_count()} errors)") from error
