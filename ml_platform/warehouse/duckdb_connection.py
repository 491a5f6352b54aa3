"""Opening a DuckDB file briefly, and waiting for whoever holds it."""

import contextlib
import logging
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml_platform.errors import ConfigurationError, LockTimeoutError, SchemaMismatchError, UnreadableFileError

__all__ = ["open_database"]

_LOG = logging.getLogger(__name__)
# A thread that connects while another opens the file would get a database without its Python functions (2.0).
_CONNECTING = threading.Lock()
# Whom a wait was given up for, and when: what follows in the same process does not wait as long again.
_GIVEN_UP: dict[Path, tuple[str, float]] = {}
_HOLDER = re.compile(r"lock is held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")
_DAMAGED = ("not a valid DuckDB database", "Could not read enough bytes", "Corrupt database file")
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 1.0
FIRST_REPORT_AFTER_SECONDS = 1.0
REPORT_EVERY_SECONDS = 10.0


@contextlib.contextmanager
def open_database(path: Path, lock_timeout_seconds: float) -> Iterator[Any]:
    """Open the database for the length of the context, as a ``duckdb.DuckDBPyConnection`` in UTC.

    The connection is made without options, because DuckDB refuses to open a file twice in one process with
    different ones; what is to be set is set afterwards.

    Args:
        path: the database file; created, with its folder, when it is not there.
        lock_timeout_seconds: how long to wait for another process that holds the file; 0: a look, which is no wait
            that was given up.

    Raises:
        LockTimeoutError: another process still held it by then, or holds it after this process has given up waiting
            for it just before.
        UnreadableFileError: the file is damaged or no DuckDB database.
        SchemaMismatchError: a query in the context names a table or column that is not there.
        ConfigurationError: the file cannot be opened or created there.
    """
    import duckdb

    connection = _connect(path, lock_timeout_seconds)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")  # it would be drawn over our own progress
        # A misspelt table must not be answered by a Python variable that happens to have its name.
        connection.execute("SET python_enable_replacements = false")
        yield connection
    except duckdb.Error as error:
        if any(text in str(error) for text in _DAMAGED):
            raise _damaged(path, error) from error
        if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
            raise SchemaMismatchError(
                f"the warehouse {path} lacks a table or a column that a declaration names: {error}; correct the"
                " declaration, or what makes the table"
            ) from error
        raise
    finally:
        connection.close()


def _connect(path: Path, lock_timeout_seconds: float) -> Any:  # noqa: ANN401 (duckdb has no complete types)
    import duckdb

    if not path.exists():
        _create(path)
    started = time.monotonic()
    report_at, pause = FIRST_REPORT_AFTER_SECONDS, FIRST_PAUSE_SECONDS
    while True:
        try:
            with _CONNECTING:
                connection = duckdb.connect(str(path))
        except duckdb.Error as error:
            message = str(error)
            if any(text in message for text in _DAMAGED):
                raise _damaged(path, error) from error
            if "Could not set lock" not in message:
                raise ConfigurationError(
                    f"cannot open the warehouse {path}: {message}; check the path and its permissions"
                ) from error
            waited, holder = time.monotonic() - started, _holder(message)
            in_vain = waited >= lock_timeout_seconds
            if in_vain and lock_timeout_seconds:
                _GIVEN_UP[path] = (holder, time.monotonic())
            if in_vain or _given_up(path, holder, lock_timeout_seconds):
                raise LockTimeoutError(
                    f"{path} is held by {holder}, and was for {lock_timeout_seconds:g} s; close that program's "
                    f"connection (in a notebook: connection.close() or restart the kernel) or end it, and run again"
                ) from error
            if waited >= report_at:
                _LOG.warning(
                    "waiting for %s: held by %s (%.0f s of %.0f s)",
                    path,
                    holder,
                    waited,
                    lock_timeout_seconds,
                )
                report_at = waited + REPORT_EVERY_SECONDS
        else:
            _GIVEN_UP.pop(path, None)
            return connection
        time.sleep(min(pause, max(lock_timeout_seconds - waited, 0.0)))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _given_up(path: Path, holder: str, lock_timeout_seconds: float) -> bool:
    """Tell whether this process waited for the same holder in vain, not longer ago than it would wait again."""
    whom, at = _GIVEN_UP.get(path, ("", 0.0))
    if time.monotonic() - at > lock_timeout_seconds:
        _GIVEN_UP.pop(path, None)
        return False
    return whom == holder


def _create(path: Path) -> None:
    """Make an empty database appear whole: one whose creation is killed midway is no database."""
    import duckdb

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
            new = Path(folder, path.name)
            duckdb.connect(str(new)).close()
            with contextlib.suppress(FileExistsError):  # somebody else was faster
                path.hardlink_to(new)
    except OSError as error:
        raise ConfigurationError(
            f"cannot create the warehouse {path}: {error}; choose another path"
        ) from error


def _holder(message: str) -> str:
    found = _HOLDER.search(message)
    if not found:
        return "another process"
    return f"{_command_line(found['pid']) or Path(found['program']).name}, PID {found['pid']}"


def _command_line(pid: str) -> str:
    try:
        command = Path("/proc", pid, "cmdline").read_bytes()
    except OSError:  # another operating system, or it has ended
        return ""
    words = command.decode(errors="replace").rstrip("\0").split("\0")
    return " ".join(" ".join([Path(words[0]).name, *words[1:]]).split())[:120]  # a script may be an argument


def _damaged(path: Path, error: Exception) -> UnreadableFileError:
    return UnreadableFileError(
        f"{path} is damaged or no DuckDB database ({error}); move it away (all of it is rebuilt from the "
        f"landing folder by the next run) or restore a copy"
    )
