"""Universal Binary JSON, as XGBoost writes it: only the question whether a file is whole.

XGBoost's own reader trusts the lengths that a file names and reads past the end of one that was cut short, which ends
the process instead of raising an error.
"""

import struct

__all__ = ["is_whole"]

_SIZES = {b"Z": 0, b"N": 0, b"T": 0, b"F": 0, b"i": 1, b"U": 1, b"C": 1}
_SIZES |= {b"I": 2, b"l": 4, b"d": 4, b"L": 8, b"D": 8}
_INTEGERS = {b"i": ">b", b"U": ">B", b"I": ">h", b"l": ">i", b"L": ">q"}


def is_whole(content: bytes) -> bool:
    """Tell whether the content is one object and nothing else, with all the bytes that its lengths name."""
    reader = _Reader(content)
    try:
        if reader.take(1) != b"{":
            return False
        reader.skip_value(b"{")
    except (ValueError, RecursionError):
        return False
    return reader.place == len(content)


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.place = 0

    def take(self, size: int) -> bytes:
        """The next bytes. Raises ValueError: there are not as many."""
        end = self.place + size
        if size < 0 or end > len(self.content):
            raise ValueError(f"{size} bytes are missing at {self.place}")
        found, self.place = self.content[self.place : end], end
        return found

    def integer(self) -> int:
        kind = self.take(1)
        if kind not in _INTEGERS:
            raise ValueError(f"{kind!r} is no length")
        return int(struct.unpack(_INTEGERS[kind], self.take(_SIZES[kind]))[0])

    def skip_value(self, kind: bytes) -> None:
        if kind in _SIZES:
            self.take(_SIZES[kind])
        elif kind in (b"S", b"H"):
            self.take(self.integer())
        elif kind in (b"[", b"{"):
            self._skip_container(named=kind == b"{", end=b"]" if kind == b"[" else b"}")
        else:
            raise ValueError(f"{kind!r} is no type")

    def _skip_container(self, *, named: bool, end: bytes) -> None:
        kind = b""
        if self._next(b"$"):
            kind = self.take(1)
        if not self._next(b"#"):
            while not self._next(end):
                self._skip_member(kind, named=named)
            return
        count = self.integer()
        if kind in _SIZES and not named:
            self.take(count * _SIZES[kind])
            return
        for _ in range(count):
            self._skip_member(kind, named=named)

    def _skip_member(self, kind: bytes, *, named: bool) -> None:
        if named:
            self.take(self.integer())
        self.skip_value(kind or self.take(1))

    def _next(self, mark: bytes) -> bool:
        """Take the mark if it comes next."""
        found = self.content[self.place : self.place + 1] == mark
        self.place += found
        return found
