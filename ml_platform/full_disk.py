"""Telling a full disk, whoever met it: libraries wrap it, and call it an I/O error or an operational one."""

import errno
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["explain_full_disk", "texts_of"]

_SAID = ("database or disk is full", "no space left on device", "disk quota exceeded", "enospc")
_MAYBE = ("disk i/o error", "could not write", "out of disk", "file too large")
"""Said of a full disk, and of other faults: believed where little is free."""
_LITTLE = 32 << 20


def texts_of(error: BaseException) -> Iterator[str]:
    """The texts of an error and of those that caused it."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, OSError) and found.errno in {errno.ENOSPC, errno.EDQUOT}:
            yield _SAID[1]
        yield str(found)
        found = found.__cause__ or found.__context__


def explain_full_disk(texts: Iterable[str], places: Iterable[Path]) -> str | None:
    """Say that a disk is full, which one, and what to do; None when that is not what happened.

    Args:
        texts: of an error and its causes.
        places: folders that are written to; the temporary one is looked at too.
    """
    said = "\n".join(texts).lower()
    free = {place: _free(place) for place in (*places, Path(tempfile.gettempdir()))}
    place = min(free, key=lambda one: free[one])
    if not (
        any(text in said for text in _SAID)
        or (free[place] < _LITTLE and any(text in said for text in _MAYBE))
    ):
        return None
    return (
        f"the disk of {place} is full: {free[place] / 1e6:.1f} MB are free; free some space there, then run again: "
        "what was finished stays, and nothing is half done"
    )


def _free(place: Path) -> int:
    """Free bytes of the disk of a folder, which need not be there yet."""
    there = next(one for one in (place.absolute(), *place.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free
