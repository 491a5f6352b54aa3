"""Records of a CSV file: whether the last one is whole, and which lines each of them takes.

A quote that is not closed makes one record of many lines. Such a record is counted by its lines, so that the rows of a
file are those that are loaded and those that are not, and none is lost in another.
"""

import io
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

import numpy as np
import numpy.typing as npt

__all__ = ["Malformed", "MarkedEnd", "Records", "lines_of"]

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_NEWLINES = b"\r\n"

Malformed = tuple[int, str, str]
"""Number of a row, the reason why it cannot be loaded, and its text."""
Numbered = tuple[npt.NDArray[np.int64], list[Malformed]]
"""Numbers of rows (int64), and malformed rows beside them."""


def lines_of(record: str) -> list[str]:
    """The lines of a record that are not empty; at least one."""
    return [line for line in _LINE_BREAK.split(record) if line] or [record]


class MarkedEnd(io.RawIOBase):
    """The bytes of a file, and behind them one more record, whose values are all ``mark``.

    A reader that does not find this record by itself has taken it for a part of a value: a quote was not closed.

    Args:
        stream: the file.
        columns: number of columns of the file.
    """

    def __init__(self, stream: IO[bytes], columns: int) -> None:
        self.mark = f"end-{secrets.token_hex(8)}"
        self.ends_with_newline = False
        self._stream = stream
        self._row = ",".join([self.mark] * columns).encode() + b"\n"
        self._rest: bytes | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # what RawIOBase gives it
        """Fill a buffer."""
        if self._rest is None:
            got = self._stream.read(len(buffer))
            if got:
                buffer[: len(got)] = got
                self.ends_with_newline = got[-1] in _NEWLINES
                return len(got)
            self._rest = self._row if self.ends_with_newline else b"\n" + self._row
        part, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


@dataclass
class Records:
    """The rows that records take, in the order of the file: a malformed record takes as many as it has lines.

    Attributes:
        skipped: number of a record to the reason and text, for those that could not be split into columns.
        newest: row in which the last record that was numbered begins.
    """

    skipped: dict[int, tuple[str, str]] = field(default_factory=dict)
    newest: int = 0
    _last: int = 0
    _before: int = 0

    def next(self, count: int, broken: Mapping[int, tuple[str, str]]) -> Numbered:
        """Number the next ``count`` records that were split into columns.

        Args:
            count: of records.
            broken: position among them to the reason and text of each that cannot be loaded all the same.

        Returns:
            The number of the (first) row of each, and the rows of the malformed ones up to there.
        """
        holes = sum(number > self._last for number in self.skipped)
        records = np.arange(self._last + 1, self._last + 1 + count + holes)
        records = records[~np.isin(records, list(self.skipped))][:count] if holes else records
        told = {int(records[position]): why for position, why in broken.items()}
        return self._numbered(records, told)

    def rest(self) -> list[Malformed]:
        """The rows of malformed records behind the last one that was split into columns."""
        return self._numbered(np.arange(0), {}, until=max(self.skipped, default=0))[1]

    @property
    def ends_malformed(self) -> bool:
        """Tell whether the last record could not be split into columns."""
        return max(self.skipped, default=0) > self._last

    def _numbered(
        self, records: npt.NDArray[np.int64], broken: Mapping[int, tuple[str, str]], until: int = 0
    ) -> Numbered:
        end = max(until, int(records[-1]) if len(records) else self._last)
        skipped = {number: why for number, why in self.skipped.items() if self._last < number <= end}
        taken = np.ones(end - self._last, np.int64)
        lines: dict[int, Sequence[str]] = {}
        for number, (_, text) in (both := {**skipped, **broken}).items():
            lines[number] = lines_of(text)
            taken[number - self._last - 1] = len(lines[number])
        first = self._before + np.concatenate(([0], np.cumsum(taken))) + 1
        malformed = [
            (int(first[number - self._last - 1]) + place, both[number][0], line)
            for number in sorted(lines)
            for place, line in enumerate(lines[number])
        ]
        numbers = first[records - self._last - 1]
        if len(first) > 1:
            self.newest = int(first[-2])
        self._last, self._before = end, int(first[-1]) - 1
        return numbers, malformed
