"""Writes a simulated bank to the landing folder, like any other source (see docs/landing.md).

`<landing>/.simulator.json` remembers which bank the folder belongs to, so that a later run continues it.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bank_simulator.bank import Bank
from bank_simulator.sources import PAYMENTS, Source, sources_of
from ml_platform.errors import ConfigurationError

__all__ = ["FILE", "MEMORY", "Memory", "WrittenDays", "recall", "simulated_days", "write_days"]

FILE = "bank.parquet"
"""Name of the simulator's file in each day's folder."""
MEMORY = ".simulator.json"


class Memory(BaseModel):
    """The memory that a landing folder has of the bank that it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bank: Bank
    through: date = Field(
        description="Last day asked for so far; later than the last day written after a kill."
    )


@dataclass(frozen=True)
class WrittenDays:
    """The outcome of :func:`write_days`.

    Attributes:
        written: Days of which at least one file was written.
        unchanged: Days that were there already, with the same content; their files were not touched.
        rows: How many rows each source has on the written days, by its name.
    """

    written: tuple[date, ...]
    unchanged: tuple[date, ...]
    rows: Mapping[str, int]


def write_days(
    bank: Bank, days: Sequence[date], landing: Path, progress: Callable[[str], None] = lambda _message: None
) -> WrittenDays:
    """Writes days of a bank, one file for each source and day; safe to repeat and to kill at any instant.

    A day's payments are written last, so that a day with payments is complete.

    Args:
        bank: The bank; must be the one that the folder belongs to, if any.
        days: UTC days, each on or after `bank.opened`.
        landing: The landing folder; created when missing.
        progress: Called with one line for each day.

    Raises:
        ConfigurationError: The folder belongs to another bank or holds payments or messages that no simulator
            wrote, or a
            day lies before the bank opened.
    """
    if days:
        bank.require_open(min(days))
    _claim(bank, days, landing)
    written, unchanged = [], []
    sources = sources_of(bank)
    rows = {source.name: 0 for source in sources}
    for number, day in enumerate(days, start=1):
        tables = {source: source.rows(bank, day) for source in sources}
        changed = [_write(table, source, day, landing) for source, table in tables.items()]
        if any(changed):
            written.append(day)
            for source, table in tables.items():
                rows[source.name] += table.num_rows
        else:
            unchanged.append(day)
        progress(f"{day}, day {number} of {len(days)}: {tables[PAYMENTS].num_rows:,} payments")
    return WrittenDays(tuple(written), tuple(unchanged), rows)


def simulated_days(landing: Path) -> list[date]:
    """The days whose payments the simulator has written, in order."""
    return sorted(
        date.fromisoformat(path.parent.name) for path in landing.glob(f"{PAYMENTS.name}/????-??-??/{FILE}")
    )


def recall(landing: Path) -> Memory | None:
    """Read the folder's memory; None when the simulator has not written to it.

    Raises:
        ConfigurationError: What the folder remembers cannot be read.
    """
    path = landing / MEMORY
    try:
        return Memory.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ConfigurationError(
            f"{path} does not describe a bank of this simulator ({error.errors()[0]['msg']}); restore it, or "
            "simulate into another folder with --landing"
        ) from error


def _claim(bank: Bank, days: Sequence[date], landing: Path) -> None:
    """Makes the folder the bank's own, or refuses."""
    memory = recall(landing)
    if memory is not None and memory.bank != bank:
        theirs, ours = memory.bank.model_dump(mode="json"), bank.model_dump(mode="json")
        different = ", ".join(
            f"{name} {theirs[name]}, not {ours[name]}" for name in theirs if theirs[name] != ours[name]
        )
        raise ConfigurationError(
            f"{landing} belongs to a simulated bank with {different}; leave those options out to continue "
            "it, or simulate into another folder with --landing"
        )
    # In a folder of its own the bank minds only the days that it is about to write.
    folders = ["*"] if memory is None else [day.isoformat() for day in days]
    for path in (path for source in sources_of(bank) for path in _foreign(source, folders, landing)):
        raise ConfigurationError(
            f"{path} was not written by the simulator, and simulated rows would be mixed with it; "
            "simulate into another folder with --landing, or move it away"
        )
    through = max([*days, *([memory.through] if memory else [])], default=bank.opened)
    if memory is None or memory.through != through:
        landing.mkdir(parents=True, exist_ok=True)
        with _at_once(landing / MEMORY) as temporary:
            temporary.write_text(
                Memory(bank=bank, through=through).model_dump_json(indent=2) + "\n", encoding="utf-8"
            )


def _foreign(source: Source, folders: Sequence[str], landing: Path) -> Iterator[Path]:
    """Files of an exclusive source that the simulator has not written, in days' folders of these names."""
    if source.exclusive:
        for folder in folders:
            for path in landing.glob(f"{source.name}/{folder}/*"):
                if path.name != FILE and not path.name.startswith((".", "_")):
                    yield path


def _write(table: pa.Table, source: Source, day: date, landing: Path) -> bool:
    """Writes a source's table to the day's folder; False when that would change nothing."""
    path = landing / source.name / day.isoformat() / FILE
    if path.exists():
        if _holds(path, table):
            return False
    elif not table.num_rows and source is not PAYMENTS:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    with _at_once(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return True


def _holds(path: Path, table: pa.Table) -> bool:
    try:
        return bool(pq.read_table(path).equals(table))
    except (OSError, pa.ArrowInvalid):
        return False


@contextmanager
def _at_once(path: Path) -> Iterator[Path]:
    """A temporary file, which readers ignore and which becomes `path` when the block succeeds."""
    temporary = path.with_name(f".{path.name.lstrip('.')}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
