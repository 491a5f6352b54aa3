"""The production registry: immutable releases, a pointer that names the champion, and an audit trail.

Layout in the object store, one folder a use case::

    releases/<use_case>/<version>/<model files>
    releases/<use_case>/<version>/card/<digest>/card.md, *.png
    releases/<use_case>/<version>/manifest.json     written last
    releases/<use_case>/current.json                changed by compare-and-swap only
    releases/<use_case>/audit/<sequence>.json       one file a change, never rewritten

Every object but the pointer is written if absent and never changed, so a release that is killed and run
again, or run twice at once, ends as an undisturbed one. The pointer is itself the newest audit entry: whoever
changes it first makes sure that the entry before is on file, so a kill between the two leaves no hole in the
trail.
"""

import logging
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from ml_platform.declaration import NAME
from ml_platform.errors import ConfigurationError, GateNotPassedError, NotFoundError
from ml_platform.models.releases.card import history_section
from ml_platform.models.releases.files import ReleaseFiles
from ml_platform.models.releases.manifest import CARD, AuditEntry, Release, ReleaseManifest, describe_files
from ml_platform.models.releases.pointers import Champions, Pointer
from ml_platform.storage.base import ObjectStore

__all__ = ["Registry"]

_log = logging.getLogger(__name__)


class _Change(NamedTuple):
    action: Literal["release", "rollback"]
    version: str
    manifest_sha256: str
    who: str
    why: str
    withdrawn: tuple[str, ...]


def _now() -> datetime:
    return datetime.now(UTC)


class Registry:
    """Releases of all use cases in one object store.

    Args:
        store: where releases live.
        clock: the time that the audit trail states; nothing else depends on it.
    """

    def __init__(self, store: ObjectStore, *, clock: Callable[[], datetime] = _now) -> None:
        self._files = ReleaseFiles(store)
        self._champions = Champions(store)
        self._clock = clock

    def candidate(self, use_case: str, files: Path, manifest: ReleaseManifest) -> Release:
        """The release that :meth:`release` would make of these files; nothing is written.

        Raises:
            ConfigurationError: there are no model files, or one is a link or a pickle.
        """
        if not re.match(NAME, use_case):
            raise ConfigurationError(
                f"{use_case!r} is not the name of a use case; use lower-case letters, digits and _"
            )
        found = tuple(f for f in describe_files(files) if not f.path.startswith(f"{CARD}/"))
        if not found:
            raise ConfigurationError(
                f"{files} holds no model files; save the model there before releasing it"
            )
        return Release.of(use_case, found, manifest)

    def release(
        self,
        use_case: str,
        files: Path,
        manifest: ReleaseManifest,
        *,
        who: str,
        why: str,
        force: bool = False,
    ) -> Release:
        """Make the candidate the champion, and return the champion.

        The same candidate is the same release, however often. A candidate that was rolled back away from is
        not promoted again: the champion stays, and is returned, until there is another candidate or ``force``
        is given.

        Args:
            use_case: whose champion.
            files: folder with the model's native files; a subfolder ``card/`` (plots, and ``card.md``, which
                is written if it is not there) is for people and no part of the version.
            manifest: what the trainer says of the candidate.
            who: who asks for it, for the audit trail.
            why: the reason, for the audit trail.
            force: promote even a candidate that was rolled back away from.

        Raises:
            GateNotPassedError: a blocking gate failed, or there are no gate results; nothing was written.
            ConfigurationError: the files cannot be released, or ``who`` or ``why`` is empty; nothing was
                written.
            ConflictError: the champion was changed by somebody else meanwhile, and stays theirs.
            ArtifactTamperedError: stored files of this version are not what they should be; the champion is
                unchanged.
        """
        _require_reason(who, why)
        candidate = self.candidate(use_case, files, manifest)
        _require_passed_gates(candidate)
        before = self._champions.settled(use_case)
        withdrawn = before.entry.withdrawn if before else ()
        if before and before.entry.version == candidate.version:
            _log.info("%s: %s is the champion already", use_case, candidate.version)
            return self._champion(before.entry)
        if before and candidate.version in withdrawn and not force:
            _log.warning(
                "%s: %s was rolled back away from and is promoted again only by force; %s stays the champion",
                use_case,
                candidate.version,
                before.entry.version,
            )
            return self._champion(before.entry)
        digest = self._files.upload(candidate, files)
        left = tuple(v for v in withdrawn if v != candidate.version)
        return self._change(use_case, before, _Change("release", candidate.version, digest, who, why, left))

    def rollback(self, use_case: str, *, to: str | None = None, who: str, why: str) -> Release:
        """Make an earlier champion the champion again, and return it.

        The version that is left is withdrawn: see :meth:`release`. Rolling back to the present champion does
        nothing, so a command that was interrupted can be given again if it names ``to``.

        Args:
            use_case: whose champion.
            to: a version that was champion before; None: the one that served before the present one, so that
                rolling back twice goes two releases back.
            who: who asks for it, for the audit trail.
            why: the reason, for the audit trail.

        Raises:
            NotFoundError: there is nothing to roll back to, or ``to`` never was champion.
            ConfigurationError: ``who`` or ``why`` is empty.
            ConflictError: the champion was changed by somebody else meanwhile, and stays theirs.
            ArtifactTamperedError: the release to go back to is not intact; the champion is unchanged.
        """
        _require_reason(who, why)
        before = self._champions.settled(use_case)
        if before is None:
            raise NotFoundError(
                f"{use_case} has no release to roll back from; materialise its champion first"
            )
        target = to or _served_before(self.history(use_case))
        if target == before.entry.version:
            return self._champion(before.entry)
        digest = self._digest(use_case, target)
        self._files.verify(self._files.read(use_case, target, digest))
        withdrawn = dict.fromkeys((*before.entry.withdrawn, before.entry.version))
        withdrawn.pop(target, None)
        return self._change(use_case, before, _Change("rollback", target, digest, who, why, tuple(withdrawn)))

    def current(self, use_case: str) -> Release | None:
        """The champion; None before the first release. Raises ArtifactTamperedError."""
        entry = self.promotion(use_case)
        return self._champion(entry) if entry else None

    def promotion(self, use_case: str) -> AuditEntry | None:
        """The change that made the present champion: who, when and why; None before the first release."""
        pointer = self._champions.pointer(use_case)
        return pointer.entry if pointer else None

    def get(self, use_case: str, version: str) -> Release:
        """A version that is or was champion.

        Raises:
            NotFoundError: there is no such version.
            ArtifactTamperedError: its manifest is not the one that was released.
        """
        return self._files.read(use_case, version, self._digest(use_case, version))

    def list(self, use_case: str) -> tuple[Release, ...]:
        """Every version that is or was champion, ordered by first release. Raises ArtifactTamperedError."""
        digests = {e.version: e.manifest_sha256 for e in self.history(use_case)}
        return tuple(self._files.read(use_case, version, digest) for version, digest in digests.items())

    def history(self, use_case: str) -> tuple[AuditEntry, ...]:
        """Every change of the champion, oldest first.

        Raises:
            ArtifactTamperedError: an entry is missing or unreadable.
        """
        return self._champions.history(use_case)

    def card(self, use_case: str, version: str) -> str:
        """The model card of a release (Markdown), with who released it, when and why.

        Raises:
            NotFoundError: there is no such version.
            ArtifactTamperedError: it is not the card that was released.
        """
        changes = [e for e in self.history(use_case) if version in (e.version, e.previous)]
        return self._files.card(self.get(use_case, version)) + "\n" + history_section(changes)

    def fetch(self, release: Release, cache: Path) -> Path:
        """A local folder with exactly the model files of a release, each verified against its digest.

        The stored files are read anew each time: a copy in the cache never hides that the registry was
        changed.

        Args:
            release: from :meth:`current`, :meth:`get` or :meth:`list`.
            cache: folder under which ``<use_case>/<version>/`` is made.

        Raises:
            ArtifactTamperedError: a file was changed, removed or added since the release; nothing is to be
                loaded.
        """
        return self._files.fetch(release, cache)

    def _champion(self, entry: AuditEntry) -> Release:
        return self._files.read(entry.use_case, entry.version, entry.manifest_sha256)

    def _digest(self, use_case: str, version: str) -> str:
        digests = {e.version: e.manifest_sha256 for e in self.history(use_case)}
        if version not in digests:
            raise NotFoundError(
                f"{use_case} has no release {version!r}; it has: {', '.join(digests) or 'none'}"
            )
        return digests[version]

    def _change(self, use_case: str, before: Pointer | None, change: _Change) -> Release:
        entry = AuditEntry(
            use_case=use_case,
            sequence=before.entry.sequence + 1 if before else 1,
            previous=before.entry.version if before else None,
            at=self._clock(),
            **change._asdict(),
        )
        self._champions.swap(before, entry)
        _log.info("%s: %s of %s by %s", use_case, change.action, change.version, change.who)
        return self._champion(entry)


def _require_reason(who: str, why: str) -> None:
    if not who.strip() or not why.strip():
        raise ConfigurationError("a change of champion is audited; say who asks for it and why")


def _require_passed_gates(candidate: Release) -> None:
    manifest = candidate.manifest
    name = f"{candidate.use_case} {candidate.version}"
    if not manifest.gates:
        raise GateNotPassedError(f"{name} was not judged; run its gate before releasing it")
    if failed := manifest.failed_gates:
        found = "; ".join(f"{g.name}: {g.description}" for g in failed)
        raise GateNotPassedError(f"{name} did not pass its gate and was not released: {found}")


def _served_before(history: Iterable[AuditEntry]) -> str:
    """The version that served before the champion, leaving out those that were rolled back away from."""
    served: list[str] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in served:
            while served[-1] != entry.version:
                served.pop()
        else:
            served.append(entry.version)
    if len(served) < 2:
        raise NotFoundError(
            "there is no earlier release to roll back to; name one with `to`, or release another candidate"
        )
    return served[-2]
