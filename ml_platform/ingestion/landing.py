"""The landing folder: ``<landing>/<source>/<partition>/<any name>.{parquet,csv,jsonl,…}``.

A partition's folder is named by its key in the source's cadence: ``2024-03-01T13``, ``2024-03-01``, or of a week its
Monday. Names that start with ``.`` or ``_`` are unfinished files of their writers, and ignored.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ml_platform.cadence import YEARS, Cadence
from ml_platform.errors import UnreadableFileError
from ml_platform.ingestion.digests import Digests
from ml_platform.ingestion.source import RawSource

__all__ = ["SUFFIXES", "LandingFile", "LandingFolder", "suffix_of"]

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
"""Endings, one of which a file's name must have, in any case, to be read."""


@dataclass(frozen=True)
class LandingFile:
    """A file to load: where it is, its name within the landing folder, its partition's key, and its size in bytes."""

    path: Path
    name: str
    partition: str
    size: int


class LandingFolder:
    """The files that others drop, as they lie there now: nothing is remembered but the digests of files.

    Listing costs a call a folder, fingerprints one more a file; a file is read once for each change of it.

    >>> folder = LandingFolder(settings.landing_path, settings.digests_path)  # doctest: +SKIP
    >>> folder.partitions(PARCELS)  # doctest: +SKIP
    ['2024-03-01', '2024-03-02']

    Args:
        path: the folder; it need not be there.
        digests: where digests of files are remembered; None: nowhere beyond this object.
    """

    def __init__(self, path: Path, digests: Path | None = None) -> None:
        self.path = path
        self._digests = Digests(digests)

    def partitions(self, source: RawSource) -> list[str]:
        """Keys of the source's partitions that have a file, in order."""
        folder = str(
            self.path / source.name
        )  # a Path for each of thousands of folders would take as long as listing
        return [key for key in self._keys(source) if any(_usable(f"{folder}/{key}"))]

    def files(self, source: RawSource, keys: Iterable[str]) -> list[LandingFile]:
        """The files of some partitions, ordered by partition and name.

        Raises:
            UnreadableFileError: a file's name is not UTF-8. Without that file the partition would lack its rows.
        """
        found: list[LandingFile] = []
        for key in sorted(set(keys)):
            folder = self.path / source.name / key
            _refuse_unnamed(folder, f"{source.name}/{key}")
            for entry in sorted(_usable(folder), key=lambda entry: entry.name):
                name = f"{source.name}/{key}/{entry.name}"
                found.append(LandingFile(folder / entry.name, name, key, entry.stat().st_size))
        return found

    def folders(self, source: RawSource) -> list[str]:
        """Keys of the source's partitions that have a folder, with files or without, in order."""
        return self._keys(source)

    def is_archived(self, source: RawSource, key: str) -> bool:
        """Tell whether a partition has no folder because it is older than folders are kept."""
        if source.retention is None:
            return False
        folders, cadence = self._keys(source), source.cadence
        old = not folders or cadence.end(key) <= cadence.end(folders[-1]) - source.retention
        return old and key not in folders

    def fingerprint(self, source: RawSource, key: str) -> str | None:
        """Hash of the bytes and formats of a partition's files; it changes when they have to be loaded again.

        The files' names do not matter. A file that cannot be read has a fingerprint too; it is refused when it is
        loaded.

        Returns:
            None when the partition has no folder (any more), empty when the folder has no files.
        """
        return self._fingerprints(source, [key]).get(key)

    def fingerprints(self, source: RawSource) -> dict[str, str]:
        """Fingerprint of every partition that has a folder, by key, in order; see :meth:`fingerprint`."""
        return self._fingerprints(source, self._keys(source))

    def oddities(self, source: RawSource) -> list[str]:
        """Entries of a source's folder that will not be loaded, each with the reason and the remedy."""
        return sorted(_oddities(self.path / source.name, source))

    def strangers(self, sources: Sequence[RawSource]) -> list[str]:
        """Entries of the landing folder that belong to no source, each with the reason."""
        known = {source.name for source in sources}
        return [
            f"{_shown(entry.name)}: no such source; there are {', '.join(sorted(known)) or 'none'}"
            for entry in sorted(_entries(self.path), key=lambda entry: entry.name)
            if entry.name not in known
        ]

    def _keys(self, source: RawSource) -> list[str]:
        """Keys of the partitions that have a folder, in order."""
        is_key = source.cadence.is_key
        return sorted(e.name for e in _entries(self.path / source.name) if is_key(e.name) and e.is_dir())

    def _fingerprints(self, source: RawSource, keys: Sequence[str]) -> dict[str, str]:
        folder = self.path / source.name
        base = str(folder)
        statuses: dict[str, os.stat_result] = {}
        of_key: dict[str, list[str]] = {}
        for key in keys:
            names: list[str] = []
            for entry in _usable(f"{base}/{key}"):
                name = f"{key}/{entry.name}"
                try:
                    statuses[name] = entry.stat()
                except FileNotFoundError:  # removed just now
                    continue
                names.append(name)
            if names or (folder / key).is_dir():
                of_key[key] = names
        digests = self._digests.of_files(folder, statuses.items())
        return {
            key: _together(f"{suffix_of(name)} {digests[name]}" for name in names)
            for key, names in of_key.items()
        }


def suffix_of(name: str) -> str:
    """The one of :data:`SUFFIXES` that a file's name ends in; empty when none."""
    lower = name.lower()
    return next((suffix for suffix in reversed(SUFFIXES) if lower.endswith(suffix)), "")


def _together(contents: Iterable[str]) -> str:
    parts = sorted(contents)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else ""


def _entries(folder: Path | str) -> list["os.DirEntry[str]"]:
    """Finished entries of a folder, in no order; none when it is no folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith((".", "_"))]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _usable(folder: Path | str) -> Iterator["os.DirEntry[str]"]:
    """Files of a folder that can be loaded by their names, in no order."""
    return (e for e in _entries(folder) if _can_be_loaded(e.name) and e.is_file())


def _refuse_unnamed(folder: Path, name: str) -> None:
    for entry in _entries(folder):
        if entry.name.lower().endswith(SUFFIXES) and _shown(entry.name) != entry.name:
            raise UnreadableFileError(
                f"{name}/{_shown(entry.name)}: the name is not UTF-8; rename it, or remove it"
            )


def _can_be_loaded(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and _shown(name) == name


def _shown(name: str) -> str:
    """A file's name as text; of bytes that are not UTF-8, their codes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _oddities(folder: Path, source: RawSource) -> Iterator[str]:
    pattern = f"<{source.cadence.pattern}>"
    for entry in _entries(folder):
        name = f"{source.name}/{_shown(entry.name)}"
        if not entry.is_dir():
            yield f"{name}: a file outside {source.cadence.one}'s folder; move it to {source.name}/{pattern}/"
        elif not source.cadence.is_key(entry.name):
            yield f"{name}: {_wrong_key(_shown(entry.name), source.cadence)}"
        else:
            for path in _entries(folder / entry.name):
                if _shown(path.name) != path.name:
                    yield f"{name}/{_shown(path.name)}: the name is not UTF-8; rename it"
                elif not (path.name.lower().endswith(SUFFIXES) and path.is_file()):
                    yield f"{name}/{path.name}: not one of {', '.join(SUFFIXES)}; convert or remove it"


def _wrong_key(name: str, cadence: Cadence) -> str:
    """The reason why a folder's name is no key, and the right name where it can be told."""
    other = next((c for c in Cadence if c.is_key(name)), None)
    if other is Cadence.DAILY and cadence is Cadence.WEEKLY:
        day = datetime.fromisoformat(name).replace(tzinfo=UTC)
        return f"a {day:%A}, but the source is weekly and its folders are Mondays; rename it to {cadence.key(day)}"
    monday = ", a Monday" if cadence is Cadence.WEEKLY else ""
    rename = f"rename it to <{cadence.pattern}>{monday}"
    if other is not None:
        noun = "a day" if other is Cadence.WEEKLY else other.one  # a Monday may be meant as a day
        return f"{noun}'s folder, but the source is {cadence}; {rename}"
    return f"not the name of {cadence.one} of {YEARS[0]} to {YEARS[-1]}; {rename}"
