"""Facts of materialisations: what one says of itself, all of an asset's together, and how they are kept."""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

__all__ = [
    "INPUTS",
    "READ_UNTIL",
    "VERSION",
    "Built",
    "Facts",
    "Outline",
    "Partition",
    "packed_as",
    "read_fact",
    "unpack",
]

VERSION = "version"
INPUTS = "inputs"
READ_UNTIL = "read_until"

Partition = str | None
"""Key of a partition; None for an asset that has none."""

_MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class Built:
    """One materialisation.

    Attributes:
        version: of the content that was written.
        inputs: digest of all that it was made from.
        until: when the events and the labels that it read end (ISO 8601, `/` between), for assets that read
            ``until_read``.
        timestamp: when it was made, in Unix seconds.
        number: of Dagster's event.
    """

    version: str
    inputs: str
    until: str = ""
    timestamp: float = 0.0
    number: int = 0


class Facts:
    """The newest materialisation of each partition of one asset; never changed in place.

    Attributes:
        count: how many there are.
        newest: when the last one was made, in Unix seconds; 0: never.
        digest: all of them as one text, whatever order they came in.
    """

    def __init__(self, built: Mapping[Partition, Built]) -> None:
        self.count = len(built)
        self.newest = max((one.timestamp for one in built.values()), default=0.0)
        self.digest = f"{self.count}:{sum(_hash(p, one) for p, one in built.items()) % _MODULUS:032x}"
        self._read: Callable[[], Mapping[Partition, Built]] = lambda: built

    @classmethod
    def outlined(cls, outline: "Outline", read: Callable[[], Mapping[Partition, Built]]) -> "Facts":
        """Facts of which the outline is known, and each of them is read when they are first asked for."""
        facts = cls({})
        facts.count, facts.newest, facts.digest = outline
        facts._read = read
        return facts

    @property
    def packed_as(self) -> str:
        """The beginning of the packed text: another one for the same content made again."""
        return packed_as(self.outline)

    @property
    def outline(self) -> "Outline":
        """Count, newest and digest: known without the facts of each partition."""
        return self.count, self.newest, self.digest

    @cached_property
    def built(self) -> Mapping[Partition, Built]:
        """The facts by partition."""
        return self._read()

    def joined(self, made: Mapping[Partition, Built]) -> "Facts":
        """These with newer ones; of two of a partition the later event counts."""
        known = self.built
        newer = {p: one for p, one in made.items() if p not in known or known[p].number < one.number}
        return Facts({**known, **newer}) if newer else self

    def after(self, timestamp: float) -> "Facts":
        """Those made after a moment."""
        return Facts({p: one for p, one in self.built.items() if one.timestamp > timestamp})

    def without(self, void: Mapping[str, int]) -> "Facts":
        """Those that are not void: partition (empty: None) to the number of the last event that is."""
        kept = {p: one for p, one in self.built.items() if one.number > void.get(p or "", 0)}
        return Facts(kept) if len(kept) < self.count else self

    def pack(self) -> str:
        """All of them as one text, which begins with :attr:`packed_as`."""
        rows = [(p, b.version, b.inputs, b.until, b.timestamp, b.number) for p, b in self.built.items()]
        return f"{self.packed_as} {base64.b85encode(zlib.compress(json.dumps(rows).encode(), 1)).decode()}"


Outline = tuple[int, float, str]
"""Count, newest and digest of some facts."""


def packed_as(outline: Outline) -> str:
    """The beginning of the packed text of facts of which the outline is known."""
    _, newest, digest = outline
    return f"{digest}@{newest!r}"


def unpack(text: str, packed_as: str) -> dict[Partition, Built] | None:
    """The inverse of :meth:`Facts.pack`; None when the text is of other facts than those wanted."""
    of, _, packed = text.partition(" ")
    if of != packed_as:
        return None
    return {row[0]: Built(*row[1:]) for row in json.loads(zlib.decompress(base64.b85decode(packed)))}


def read_fact(number: int, event: str) -> Built:
    """The facts that a stored materialisation states, from the JSON that Dagster stores."""
    entry = json.loads(event)
    made = entry["dagster_event"]["event_specific_data"]["materialization"]
    said = {item["label"]: item["entry_data"] for item in made["metadata_entries"]}
    version, inputs, until = (
        str(said.get(name, {}).get("text", "")) for name in (VERSION, INPUTS, READ_UNTIL)
    )
    return Built(version[:32], inputs, until, float(entry["timestamp"]), number)


def _hash(partition: Partition, built: Built) -> int:
    said = f"{partition}\0{built.version}\0{built.inputs}\0{built.until}"
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=16).digest(), "little")
