"""The landing folder: ``<landing>/<source>/<YYYY-MM-DD>/<any name>.{parquet,csv,jsonl,…}``.

Names that start with ``.`` or ``_`` are unfinished files of their writers, and ignored.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from ml_platform.ingestion.source import RawSource

__all__ = ["SUFFIXES", "LandingFile", "fingerprint", "landing_days", "landing_files", "oddities", "suffix_of"]

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
"""What a file's name must end in, in any case, to be read."""

YEARS = range(1900, 2200)
"""Of a day: another is a slip, and windows of days could not be reckoned around the first or last day of all."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class LandingFile:
    """A file to load: where it is, its name within the landing folder, its day, and its size in bytes."""

    path: Path
    name: str
    day: date
    size: int


def landing_days(landing: Path, sources: Iterable[RawSource]) -> list[date]:
    """Every day for which some source has a file, in order."""
    folders = (folder for source in sources for folder in _children(landing / source.name))
    days = {day for folder in folders if (day := _day(folder)) and any(map(_is_usable, _children(folder)))}
    return sorted(days)


def landing_files(landing: Path, source: RawSource, days: Sequence[date]) -> list[LandingFile]:
    """The files of a source on ``days``, ordered by day and name."""
    found = (
        (path, day)
        for day in sorted(set(days))
        for path in _children(landing / source.name / day.isoformat())
        if _is_usable(path)
    )
    return [
        LandingFile(path, path.relative_to(landing).as_posix(), day, path.stat().st_size)
        for path, day in found
    ]


def fingerprint(landing: Path, source: RawSource, day: date) -> str:
    """Hash of the bytes and formats of the day's files; it changes when the day has to be loaded again.

    The files' names do not matter. A file whose size and modification time have not changed is read once in a
    process; one that cannot be read is refused when it is loaded. Empty when there are no files.
    """
    parts = sorted(
        f"{suffix_of(file.path)} {_content(file)}" for file in landing_files(landing, source, [day])
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest() if parts else ""


def oddities(landing: Path, sources: Sequence[RawSource]) -> list[str]:
    """What lies in the landing folder and will not be loaded, each with the reason."""
    return sorted(_oddities(landing, {source.name for source in sources}))


def _oddities(landing: Path, known: set[str]) -> Iterator[str]:
    for source in _children(landing):
        if source.name not in known:
            yield f"{source.name}: no such source; there are {', '.join(sorted(known))}"
            continue
        for folder in _children(source):
            name = f"{source.name}/{folder.name}"
            if not folder.is_dir():
                yield f"{name}: a file outside a day's folder; move it to {source.name}/<YYYY-MM-DD>/"
            elif not _day(folder):
                yield f"{name}: not the name of a day of {YEARS[0]} to {YEARS[-1]}; rename it to <YYYY-MM-DD>"
            else:
                for path in _children(folder):
                    if not _is_usable(path):
                        yield f"{name}/{path.name}: not one of {', '.join(SUFFIXES)}; convert or remove it"


def _children(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith((".", "_")))


def _day(folder: Path) -> date | None:
    if not _DAY.fullmatch(folder.name):
        return None
    try:
        day = date.fromisoformat(folder.name)
    except ValueError:
        return None
    return day if day.year in YEARS else None


def suffix_of(path: Path) -> str:
    """Which of :data:`SUFFIXES` a file's name ends in; empty when none."""
    return next((suffix for suffix in reversed(SUFFIXES) if path.name.lower().endswith(suffix)), "")


def _is_usable(path: Path) -> bool:
    return path.is_file() and bool(suffix_of(path))


def _content(file: LandingFile) -> str:
    try:
        return _digest(file.path, file.size, file.path.stat().st_mtime_ns)
    except OSError as error:
        return str(error)


@lru_cache(maxsize=100_000)
def _digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001 (they are the cache's key)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
