"""Telling a damaged SQLite file, whichever library met it: what they say names no file."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

__all__ = ["explain_damaged_database"]

_SAID = ("database disk image is malformed", "file is not a database")


def explain_damaged_database(texts: Iterable[str], root: Path) -> str | None:
    """Say which SQLite files of a home are damaged, and what to do; None when that is not what happened.

    Args:
        texts: of an error and its causes.
        root: the home; files up to two folders below it are looked at.
    """
    said = "\n".join(texts)
    if not any(text in said for text in _SAID):
        return None
    files = (path for depth in ("*.db", "*/*.db", "*/*/*.db") for path in sorted(root.glob(depth)))
    damaged = [f"{path} ({fault})" for path in files for fault in _faults(path)]
    if not damaged:
        return None
    return (
        f"damaged: {', '.join(damaged)}; restore a copy from before, or move it away: the next `ml-platform run` makes "
        "again what was in it"
    )


def _faults(path: Path) -> Iterator[str]:
    """Yield the complaint of SQLite about a file that is not well; read only, so that nothing is made or changed."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        yield found.strip().splitlines()[-1]
