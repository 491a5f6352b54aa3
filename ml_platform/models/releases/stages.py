"""Stages: the pointers that name what serves, and the audit trail of the changes of each."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from pydantic import ValidationError

from ml_platform.declaration import NAME
from ml_platform.errors import ArtifactTamperedError, ConfigurationError, ConflictError, NotFoundError
from ml_platform.models.releases.files import folder_of
from ml_platform.models.releases.manifest import AuditEntry
from ml_platform.storage.base import ObjectStore

__all__ = [
    "CHAMPION",
    "Pointer",
    "Stages",
    "digests_of",
    "models_of",
    "require_name",
    "require_stage",
    "served_before",
    "withdrawn_by",
]

CHAMPION = "champion"
"""The stage that serves."""

# MLflow mirrors each stage as an alias: `candidate` is its own, and it keeps `latest` and `v<number>` for versions.
_RESERVED = re.compile(r"^(candidate|latest|v\d+)$")


class Pointer(NamedTuple):
    """The newest change of a stage, as its object states it, and that object's generation."""

    entry: AuditEntry
    generation: str


def require_name(name: str, what: str) -> None:
    """Refuse what is not the name of a use case or model: it becomes part of keys. Raises ConfigurationError."""
    if not re.match(NAME, name):
        raise ConfigurationError(
            f"{name!r} is not the name of a {what}; use lower-case letters, digits and _"
        )


def require_stage(stage: str) -> None:
    """Refuse what cannot be the name of a stage. Raises ConfigurationError."""
    if not re.match(NAME, stage) or _RESERVED.match(stage):
        raise ConfigurationError(
            f"{stage!r} is not the name of a stage; use lower-case letters, digits and _, and neither "
            "`candidate`, `latest` nor `v` with a number, which MLflow keeps for itself"
        )


class Stages:
    """Pointers of one model, changed by compare-and-swap, and the audit trail: a copy of each, never rewritten.

    A pointer is swapped only when its own entry is on file, so the trail lacks at most the newest, which the
    pointer itself still holds.

    Raises:
        ConfigurationError: a name is not legal, or an earlier version laid out what the registry holds.
    """

    def __init__(self, store: ObjectStore, use_case: str, model: str) -> None:
        require_name(use_case, "use case")
        require_name(model, "model")
        self._store = store
        self._folder = folder_of(use_case, model)
        self._name = f"{use_case}/{model}"
        _refuse_earlier_layout(store, use_case)

    def names(self) -> tuple[str, ...]:
        """Every stage that ever named a release, the champion first."""
        pointers, audit = f"{self._folder}stages/", f"{self._folder}audit/"
        found = {i.key.removeprefix(pointers).removesuffix(".json") for i in self._store.list(pointers)}
        found |= {i.key.removeprefix(audit).split("/")[0] for i in self._store.list(audit)}
        return tuple(sorted(found, key=lambda stage: (stage != CHAMPION, stage)))

    def pointer(self, stage: str) -> Pointer | None:
        """The pointer of a stage; None before its first change. Raises ArtifactTamperedError."""
        require_stage(stage)
        while (found := self._read_pointer(stage)) is not None:
            later = f"{self._audit(stage)}{found.entry.sequence + 1:08d}.json"
            if self._store.stat(later) is None:
                return found
            # It was changed while this was reading, or set back afterwards.
            now = self._read_pointer(stage)
            if now is not None and now.entry.sequence <= found.entry.sequence:
                newest = max(info.key for info in self._store.list(self._audit(stage)))
                raise ArtifactTamperedError(
                    f"{self._pointer(stage)} was set back to change {now.entry.sequence}, though {newest} is on file: "
                    f"somebody changed the registry by hand; in {self._store.uri}, copy {newest} to "
                    f"{self._pointer(stage)}"
                )
        return None

    def _read_pointer(self, stage: str) -> Pointer | None:
        key = self._pointer(stage)
        try:
            content, generation = self._store.read(key)
        except NotFoundError:
            if any(True for _ in self._store.list(self._audit(stage))):
                raise _tampered(key, "is missing, though the stage was changed before") from None
            return None
        return Pointer(self._parse(content, key, stage), generation)

    def settled(self, stage: str) -> Pointer | None:
        """The pointer, once its own change is on file in the audit trail."""
        pointer = self.pointer(stage)
        if pointer:
            self._record(pointer.entry)
        return pointer

    def history(self, stage: str) -> tuple[AuditEntry, ...]:
        """Every change of a stage, oldest first. Raises ArtifactTamperedError."""
        newest = self.pointer(stage)
        if newest is None:
            return ()
        last = newest.entry.sequence
        entries = {last: newest.entry}
        for info in self._store.list(self._audit(stage)):
            entry = self._parse(self._store.read(info.key)[0], info.key, stage)
            # A newer one than the pointer's was made while this was reading.
            if entry.sequence < last:
                entries[entry.sequence] = entry
        if missing := [n for n in range(1, last) if n not in entries]:
            raise _tampered(self._audit(stage), f"lacks entries {missing}")
        found = tuple(entries[n] for n in sorted(entries))
        self._verify_chain(found)
        return found

    def _verify_chain(self, entries: Sequence[AuditEntry]) -> None:
        """Refuse a trail in which an entry does not name the one before; those of earlier versions name none."""
        for before, entry in pairwise(entries):
            names = entry.previous_sha256
            if names != before.sha256 and (names is not None or before.previous_sha256 is not None):
                key = f"{self._audit(entry.stage)}{before.sequence:08d}.json"
                raise _tampered(key, f"is not the entry that change {entry.sequence} followed")

    def digests(self) -> dict[str, str]:
        """Every version that a stage names or named, with its manifest's digest: the champion's first."""
        return digests_of(entry for stage in self.names() for entry in self.history(stage))

    def swap(self, before: Pointer | None, entry: AuditEntry) -> None:
        """Make ``entry`` the newest change of its stage, if ``before`` still is.

        Nothing happens if somebody else gave the stage to the same version meanwhile.

        Raises:
            ConflictError: somebody else gave it to another version meanwhile.
        """
        key = self._pointer(entry.stage)
        try:
            if before:
                self._store.write(key, entry.to_json(), if_generation=before.generation)
            else:
                self._store.write(key, entry.to_json(), if_absent=True)
        except ConflictError:
            now = self.settled(entry.stage)
            if now and now.entry.version == entry.version:
                return
            by = f"to {now.entry.version or 'nobody'} by {now.entry.who}" if now else "by somebody"
            raise ConflictError(
                f"the {entry.stage} of {self._name} was changed meanwhile, {by}; look at it, then "
                f"{entry.action} {entry.version or 'it'} again if that is still wanted"
            ) from None
        self._record(entry)

    def _record(self, entry: AuditEntry) -> None:
        key = f"{self._audit(entry.stage)}{entry.sequence:08d}.json"
        try:
            self._store.write(key, entry.to_json(), if_absent=True)
        except ConflictError:
            if self._store.read(key)[0] != entry.to_json():
                raise _tampered(key, f"does not agree with {self._pointer(entry.stage)}") from None

    def _pointer(self, stage: str) -> str:
        return f"{self._folder}stages/{stage}.json"

    def _audit(self, stage: str) -> str:
        return f"{self._folder}audit/{stage}/"

    def _parse(self, content: bytes, key: str, stage: str) -> AuditEntry:
        try:
            entry = AuditEntry.from_json(content)
        except ValidationError as error:
            raise _tampered(
                key, f"is not an entry of the audit trail ({error.error_count()} errors)"
            ) from error
        if (entry.stage, f"{entry.use_case}/{entry.model}") != (stage, self._name):
            raise _tampered(key, f"speaks of the {entry.stage} of {entry.use_case}/{entry.model}")
        return entry


def models_of(store: ObjectStore, use_case: str) -> tuple[str, ...]:
    """Models of a use case that have a stage, by name."""
    require_name(use_case, "use case")
    _refuse_earlier_layout(store, use_case)
    keys = (info.key.split("/") for info in store.list(f"releases/{use_case}/"))
    return tuple(sorted({parts[2] for parts in keys if len(parts) == 5 and parts[3] == "stages"}))


def withdrawn_by(before: Pointer | None, target: str) -> tuple[str, ...]:
    """The versions withdrawn once a person gives a stage to ``target``: what it named, and was withdrawn before."""
    if before is None:
        return ()
    left = (*before.entry.withdrawn, *([before.entry.version] if before.entry.version else []))
    return tuple(version for version in dict.fromkeys(left) if version != target)


def digests_of(entries: Iterable[AuditEntry]) -> dict[str, str]:
    """Version to its manifest's digest, in the order in which they were first named."""
    return {e.version: e.manifest_sha256 for e in entries if e.version and e.manifest_sha256}


def served_before(history: Iterable[AuditEntry]) -> str:
    """The version that had the stage before, leaving out those that were rolled back away from."""
    served: list[str | None] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in served:
            while served[-1] != entry.version:
                served.pop()
        else:
            served.append(entry.version)
    earlier = [version for version in served[:-1] if version]
    if not earlier:
        raise NotFoundError(
            "there is no earlier release to roll back to; name one that served with --to, or release another candidate"
        )
    return earlier[-1]


def _refuse_earlier_layout(store: ObjectStore, use_case: str) -> None:
    key = f"releases/{use_case}/current.json"
    if store.stat(key) is not None:
        raise ConfigurationError(
            f"{store.uri}/{key}: an earlier version, which knew one model a use case, laid out these releases; "
            f"move the folder releases/{use_case}/ out of the registry, or begin a new home (ML_PLATFORM_HOME), "
            "and release again"
        )


def _tampered(where: str, what: str) -> ArtifactTamperedError:
    return ArtifactTamperedError(
        f"{where} {what}: somebody changed the registry by hand; restore it from a backup, or move the registry away: "
        "the next `ml-platform run` releases the candidate again, and the audit trail begins anew"
    )
