"""The production registry: immutable releases, pointers that name what serves, and an audit trail of each.

Layout in the object store, one folder a model::

    releases/<use_case>/<model>/<version>/<model files>
    releases/<use_case>/<model>/<version>/card/<digest>/card.md, *.png
    releases/<use_case>/<model>/<version>/manifest.json     written last
    releases/<use_case>/<model>/stages/<stage>.json         changed by compare-and-swap only
    releases/<use_case>/<model>/audit/<stage>/<sequence>.json   one file a change, never rewritten

Every object but the pointers is written if absent and never changed, so a release that is killed and run
again, or run twice at once, ends as an undisturbed one. A pointer is itself the newest audit entry: whoever
changes it first makes sure that the entry before is on file, so a kill between the two leaves no hole in the
trail.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ml_platform.errors import ConfigurationError, ConflictError, GateNotPassedError, NotFoundError
from ml_platform.models.releases.card import history_section
from ml_platform.models.releases.files import ReleaseFiles
from ml_platform.models.releases.manifest import CARD, AuditEntry, Release, ReleaseManifest, describe_files
from ml_platform.models.releases.stages import (
    CHAMPION,
    Pointer,
    Stages,
    digests_of,
    models_of,
    require_name,
    require_stage,
    served_before,
    withdrawn_by,
)
from ml_platform.storage.base import ObjectStore

__all__ = ["CHAMPION", "Registry"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Change:
    action: Literal["release", "assign", "rollback", "clear"]
    version: str | None
    manifest_sha256: str | None
    who: str
    why: str
    withdrawn: tuple[str, ...]


def _now() -> datetime:
    return datetime.now(UTC)


class Registry:
    """Releases of all models in one object store.

    Example::

        registry = Registry(store)
        registry.release("card_fraud", "model", folder, manifest, who="ada", why="new data")
        registry.current("card_fraud", "model")
        registry.rollback("card_fraud", "model", who="on-call", why="alerts doubled")

    Every method raises ConfigurationError for a name that is not legal, and for releases that an earlier version
    laid out; and ArtifactTamperedError for stored content that is not what was released.

    Args:
        store: where releases live.
        clock: the time that the audit trail states; nothing else depends on it.
    """

    def __init__(self, store: ObjectStore, *, clock: Callable[[], datetime] = _now) -> None:
        self._store = store
        self._files = ReleaseFiles(store)
        self._clock = clock

    def candidate(self, use_case: str, model: str, files: Path, manifest: ReleaseManifest) -> Release:
        """The release that :meth:`release` would make of these files; nothing is written.

        Raises:
            ConfigurationError: there are no model files, or one is a link or a pickle.
        """
        require_name(use_case, "use case")
        require_name(model, "model")
        found = tuple(f for f in describe_files(files) if not f.path.startswith(f"{CARD}/"))
        if not found:
            raise ConfigurationError(
                f"{files} holds no model files; save the model there before releasing it"
            )
        return Release.of(use_case, model, found, manifest)

    def release(
        self,
        use_case: str,
        model: str,
        files: Path,
        manifest: ReleaseManifest,
        *,
        stage: str = CHAMPION,
        who: str,
        why: str,
        force: bool = False,
        judged_against: str | None = "any",
    ) -> Release:
        """Give a stage to the candidate, and return what the stage names then.

        The same candidate is the same release, however often; files of it that were lost are stored again. A candidate
        that a person took the stage from (by a rollback, or by assigning another) is not given it again: what the stage
        names stays, and is returned, until there is another candidate or ``force`` is given.

        Args:
            use_case: whose model.
            model: which of its models.
            files: folder with the model's native files; a subfolder ``card/`` (plots, and ``card.md``, which
                is written if it is not there) is for people and no part of the version.
            manifest: what the trainer says of the candidate.
            stage: the champion, or the name of a shadow.
            who: who asks for it, for the audit trail.
            why: the reason, for the audit trail.
            force: give it even to a candidate that was taken away, and, to a shadow, even if its gate did not pass.
            judged_against: what the stage named when the candidate was judged (None: nothing); ``any`` when it does
                not matter.

        Raises:
            GateNotPassedError: a blocking gate failed, or there are no gate results; nothing was written.
            ConfigurationError: the files cannot be released, or ``who`` or ``why`` is empty; nothing was
                written.
            ConflictError: the stage was changed by somebody else meanwhile, and stays theirs; or it names something
                else than what the candidate was judged against.
            ArtifactTamperedError: stored files of this version are not what they should be; the stage is
                unchanged.
        """
        _require_reason(who, why)
        require_stage(stage)
        candidate = self.candidate(use_case, model, files, manifest)
        if stage == CHAMPION or not force:
            _require_passed_gates(candidate, stage)
        stages = self._stages(use_case, model)
        before = stages.settled(stage)
        current = before.entry.version if before else None
        withdrawn = before.entry.withdrawn if before else ()
        if before and current == candidate.version:
            _log.info("%s: %s is the %s already", candidate.name, candidate.version, stage)
            digest = str(before.entry.manifest_sha256)
            if not self._files.is_whole(use_case, model, candidate.version, digest):
                self._files.restore(candidate, files, digest)
            return self._named(before.entry)
        if before and current and candidate.version in withdrawn and not force:
            _log.warning(
                "%s: the %s was taken from %s, which gets it again only by force; %s stays",
                candidate.name,
                stage,
                candidate.version,
                current,
            )
            return self._named(before.entry)
        if judged_against not in ("any", current):
            raise ConflictError(
                f"{candidate.name} {candidate.version} was judged against {judged_against or 'nothing'}, and the "
                f"{stage} is {current or 'nothing'} now; judge it again (materialise {candidate.name})"
            )
        digest = self._files.upload(candidate, files)
        left = tuple(v for v in withdrawn if v != candidate.version)
        return self._change(
            stages, before, candidate, stage, _Change("release", candidate.version, digest, who, why, left)
        )

    def assign(
        self,
        use_case: str,
        model: str,
        stage: str,
        version: str,
        *,
        who: str,
        why: str,
        force: bool = False,
    ) -> Release:
        """Give a stage to a release by its version, and return the release.

        The version that the stage is taken from is withdrawn from it: see :meth:`release`. Assigning what the stage
        names already does nothing.

        Args:
            use_case: whose model.
            model: which of its models.
            stage: the champion, or the name of a shadow.
            version: that some stage names or named.
            who: who asks for it, for the audit trail.
            why: the reason, for the audit trail.
            force: give a shadow even to a release whose gate did not pass.

        Raises:
            NotFoundError: there is no such version.
            GateNotPassedError: its gate did not pass.
            ConflictError: the stage was changed by somebody else meanwhile, and stays theirs.
        """
        _require_reason(who, why)
        require_stage(stage)
        stages = self._stages(use_case, model)
        digest = self._digest(stages, f"{use_case}/{model}", version)
        release = self._files.read(use_case, model, version, digest)
        if stage == CHAMPION or not force:
            _require_passed_gates(release, stage)
        before = stages.settled(stage)
        if before and before.entry.version == version:
            return release
        self._files.verify(release)
        change = _Change("assign", version, digest, who, why, withdrawn_by(before, version))
        return self._change(stages, before, release, stage, change)

    def rollback(
        self, use_case: str, model: str, *, stage: str = CHAMPION, to: str | None = None, who: str, why: str
    ) -> Release:
        """Give a stage back to a release that had it before, and return the release.

        The version that is left is withdrawn: see :meth:`release`. Rolling back to what the stage names now does
        nothing, so a command that was interrupted can be given again if it names ``to``.

        Args:
            use_case: whose model.
            model: which of its models.
            stage: the champion, or the name of a shadow.
            to: a version that had the stage before; None: the one that had it before the present one, so that
                rolling back twice goes two releases back.
            who: who asks for it, for the audit trail.
            why: the reason, for the audit trail.

        Raises:
            NotFoundError: there is nothing to roll back to, or ``to`` never had the stage.
            ConfigurationError: ``who`` or ``why`` is empty.
            ConflictError: the stage was changed by somebody else meanwhile, and stays theirs.
            ArtifactTamperedError: the release to go back to is not intact; the stage is unchanged.
        """
        _require_reason(who, why)
        require_stage(stage)
        name, stages = f"{use_case}/{model}", self._stages(use_case, model)
        before = stages.settled(stage)
        if before is None:
            remedy = "materialise its champion" if stage == CHAMPION else f"assign the stage {stage}"
            raise NotFoundError(f"{name} has no release to roll back from as {stage}; {remedy} first")
        history = stages.history(stage)
        target = to or served_before(history)
        if target == before.entry.version:
            return self._named(before.entry)
        digest = digests_of(history).get(target)
        if digest is None:
            raise NotFoundError(
                f"{name} has no release {target!r} that was {stage}; it has: {', '.join(digests_of(history))}"
            )
        release = self._files.read(use_case, model, target, digest)
        self._files.verify(release)
        change = _Change("rollback", target, digest, who, why, withdrawn_by(before, target))
        return self._change(stages, before, release, stage, change)

    def clear(self, use_case: str, model: str, stage: str, *, who: str, why: str) -> None:
        """Let a shadow name nothing any more; a stage that names nothing stays as it is.

        Raises:
            ConfigurationError: it is the champion, or ``who`` or ``why`` is empty.
            ConflictError: the stage was changed by somebody else meanwhile.
        """
        _require_reason(who, why)
        if stage == CHAMPION:
            raise ConfigurationError(
                f"the champion of {use_case}/{model} cannot be cleared, as nothing would serve; roll it back, or "
                "release another"
            )
        stages = self._stages(use_case, model)
        before = stages.settled(stage)
        if before is None or before.entry.version is None:
            return
        change = _Change("clear", None, None, who, why, before.entry.withdrawn)
        stages.swap(before, self._entry(use_case, model, stage, before, change))

    def models(self, use_case: str) -> tuple[str, ...]:
        """Models of a use case that have a stage, whether it still declares them or not, by name."""
        return models_of(self._store, use_case)

    def stage_names(self, use_case: str, model: str) -> tuple[str, ...]:
        """Every stage that names or named a release, the champion first."""
        return self._stages(use_case, model).names()

    def stages(self, use_case: str, model: str) -> dict[str, AuditEntry]:
        """The stages that name a release, the champion first, each with the change that made it so."""
        newest = self.newest_changes(use_case, model)
        return {stage: entry for stage, entry in newest.items() if entry.version is not None}

    def newest_changes(self, use_case: str, model: str) -> dict[str, AuditEntry]:
        """The newest change of every stage that names or named a release, the champion first."""
        stages = self._stages(use_case, model)
        found = {stage: stages.pointer(stage) for stage in stages.names()}
        return {stage: pointer.entry for stage, pointer in found.items() if pointer}

    def current(self, use_case: str, model: str, stage: str = CHAMPION) -> Release | None:
        """The release that a stage names; None when it names nothing."""
        entry = self.promotion(use_case, model, stage)
        return self._named(entry) if entry else None

    def promotion(self, use_case: str, model: str, stage: str = CHAMPION) -> AuditEntry | None:
        """The change that made a stage name what it names: who, when and why; None when it names nothing."""
        pointer = self._stages(use_case, model).pointer(stage)
        return pointer.entry if pointer and pointer.entry.version is not None else None

    def is_whole(self, use_case: str, model: str, stage: str = CHAMPION) -> bool:
        """Tell whether a stage names a release and its files are there, by their sizes; digests are not read."""
        entry = self.promotion(use_case, model, stage)
        if entry is None or entry.version is None or entry.manifest_sha256 is None:
            return False
        return self._files.is_whole(use_case, model, entry.version, entry.manifest_sha256)

    def get(self, use_case: str, model: str, version: str) -> Release:
        """A version that a stage names or named. Raises NotFoundError when there is no such version."""
        digest = self._digest(self._stages(use_case, model), f"{use_case}/{model}", version)
        return self._files.read(use_case, model, version, digest)

    def list(self, use_case: str, model: str) -> tuple[Release, ...]:
        """Every version that a stage names or named: those of the champion first, then by first release."""
        digests = self._stages(use_case, model).digests()
        return tuple(
            self._files.read(use_case, model, version, digest) for version, digest in digests.items()
        )

    def history(self, use_case: str, model: str, stage: str = CHAMPION) -> tuple[AuditEntry, ...]:
        """Every change of a stage, oldest first. Raises ArtifactTamperedError when an entry is missing."""
        return self._stages(use_case, model).history(stage)

    def card(self, use_case: str, model: str, version: str) -> str:
        """The model card of a release (Markdown), with who released it, when and why. Raises NotFoundError."""
        stages = self._stages(use_case, model)
        changes = [
            entry
            for stage in stages.names()
            for entry in stages.history(stage)
            if version in (entry.version, entry.previous)
        ]
        return self._files.card(self.get(use_case, model, version)) + "\n" + history_section(changes)

    def fetch(self, release: Release, cache: Path) -> Path:
        """A local folder with exactly the model files of a release, each verified against its digest.

        Stored files are read anew each time: a copy in the cache never hides that the registry was changed.

        Args:
            release: from :meth:`current`, :meth:`get` or :meth:`list`.
            cache: folder under which ``<use_case>/<model>/<version>/`` is made.

        Raises:
            ArtifactTamperedError: a file was changed, removed or added since the release; nothing is to be
                loaded.
        """
        return self._files.fetch(release, cache)

    def _stages(self, use_case: str, model: str) -> Stages:
        return Stages(self._store, use_case, model)

    def _named(self, entry: AuditEntry) -> Release:
        assert entry.version is not None and entry.manifest_sha256 is not None  # noqa: PT018, S101 (callers see to it)
        return self._files.read(entry.use_case, entry.model, entry.version, entry.manifest_sha256)

    def _digest(self, stages: Stages, name: str, version: str) -> str:
        digests = stages.digests()
        if version not in digests:
            raise NotFoundError(f"{name} has no release {version!r}; it has: {', '.join(digests) or 'none'}")
        return digests[version]

    def _change(
        self, stages: Stages, before: Pointer | None, release: Release, stage: str, change: _Change
    ) -> Release:
        entry = self._entry(release.use_case, release.model, stage, before, change)
        stages.swap(before, entry)
        _log.info("%s: %s %s as %s by %s", release.name, change.action, change.version, stage, change.who)
        return self._named(entry)

    def _entry(
        self, use_case: str, model: str, stage: str, before: Pointer | None, change: _Change
    ) -> AuditEntry:
        return AuditEntry(
            use_case=use_case,
            model=model,
            stage=stage,
            sequence=before.entry.sequence + 1 if before else 1,
            previous=before.entry.version if before else None,
            previous_sha256=before.entry.sha256 if before else None,
            at=self._clock(),
            action=change.action,
            version=change.version,
            manifest_sha256=change.manifest_sha256,
            who=change.who,
            why=change.why,
            withdrawn=change.withdrawn,
        )


def _require_reason(who: str, why: str) -> None:
    if not who.strip() or not why.strip():
        raise ConfigurationError("a change of what serves is audited; say who asks for it and why")


def _require_passed_gates(candidate: Release, stage: str) -> None:
    manifest = candidate.manifest
    name = f"{candidate.name} {candidate.version}"
    force = "" if stage == CHAMPION else ", or force it, as it is a shadow"
    if not manifest.gates:
        raise GateNotPassedError(f"{name} was not judged; run its gate before releasing it{force}")
    if failed := manifest.failed_gates:
        found = "; ".join(f"{g.name}: {g.description}" for g in failed)
        raise GateNotPassedError(
            f"{name} did not pass its gate and was not released: {found}. Train another candidate{force}"
        )
