"""Facts of materialisations: what one says of itself, all of an asset's together, and how they are kept."""

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from dagster._core.definitions.metadata.metadata_value import ObjectMetadataValue

__all__ = [
    "INPUTS",
    "READ_UNTIL",
    "VERSION",
    "Built",
    "Facts",
    "Partition",
    "pack",
    "read_fact",
    "unpack",
    "unshown",
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
        until: when what it read ends (ISO 8601), for assets that read ``until_read``.
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
    """

    def __init__(self, built: Mapping[Partition, Built] | None = None, *, packed: str = "") -> None:
        self._built: Mapping[Partition, Built] | None = built if built is not None else None if packed else {}
        self._packed = packed
        if self._built is not None:
            self.count = len(self._built)
            self.newest = max((one.timestamp for one in self._built.values()), default=0.0)
            self._sum = sum(_hash(p, one) for p, one in self._built.items()) % _MODULUS

    @property
    def built(self) -> Mapping[Partition, Built]:
        """The facts by partition; unpacked when they are first asked for."""
        if self._built is None:
            rows = json.loads(zlib.decompress(base64.b85decode(self._packed)))
            self._built = {row[0]: Built(*row[1:]) for row in rows}
        return self._built

    @property
    def digest(self) -> str:
        """All of them as one text, whatever order they came in."""
        return f"{self.count}:{self._sum:032x}"

    def joined(self, made: Mapping[Partition, Built]) -> "Facts":
        """These with newer ones; of two of a partition the later event counts."""
        known = self.built
        newer = {p: one for p, one in made.items() if p not in known or known[p].number < one.number}
        return Facts({**known, **newer}) if newer else self

    def after(self, timestamp: float) -> "Facts":
        """Those made after a moment."""
        return Facts({p: one for p, one in self.built.items() if one.timestamp > timestamp})

    def pack(self) -> dict[str, object]:
        """Itself as plain data, with the rows as one compressed text."""
        if not self._packed:
            rows = [(p, b.version, b.inputs, b.until, b.timestamp, b.number) for p, b in self.built.items()]
            self._packed = base64.b85encode(zlib.compress(json.dumps(rows).encode(), 1)).decode()
        return {"count": self.count, "newest": self.newest, "sum": f"{self._sum:x}", "rows": self._packed}

    @classmethod
    def unpack(cls, content: Mapping[str, object]) -> "Facts":
        """The inverse of :meth:`pack`; the rows stay packed until they are asked for."""
        facts = cls(packed=str(content["rows"]))
        facts.count, facts.newest = int(str(content["count"])), float(str(content["newest"]))
        facts._sum = int(str(content["sum"]), 16)
        return facts


def read_fact(number: int, event: str) -> Built:
    """The facts that a stored materialisation states, from the JSON that Dagster stores."""
    entry = json.loads(event)
    made = entry["dagster_event"]["event_specific_data"]["materialization"]
    said = {item["label"]: item["entry_data"] for item in made["metadata_entries"]}
    version, inputs, until = (_text(said.get(name, {})) for name in (VERSION, INPUTS, READ_UNTIL))
    return Built(version[:32], inputs, until, float(entry["timestamp"]), number)


def unshown(text: str) -> ObjectMetadataValue:
    """A text of metadata that is for this library to read: Dagster stores it, and its pages leave it out."""
    return ObjectMetadataValue(text)


def _text(stored: Mapping[str, object]) -> str:
    """A text of stored metadata, shown on pages or not."""
    return str(stored.get("text") or stored.get("inst") or "")


Place = tuple[int, int]
"""The last event that was read, and how many there were."""


def pack(
    place: Place, wiped: Mapping[str, float], clean: Mapping[str, str], facts: Mapping[str, Facts]
) -> str:
    """A ledger as one text."""
    assets = {asset: one.pack() for asset, one in facts.items()}
    return json.dumps({"place": place, "wiped": wiped, "clean": clean, "assets": assets})


def unpack(text: str) -> tuple[Place, dict[str, float], dict[str, str], dict[str, Facts]]:
    """The inverse of :func:`pack`."""
    content = json.loads(text)
    facts = {asset: Facts.unpack(one) for asset, one in content["assets"].items()}
    return tuple(content["place"]), content["wiped"], content["clean"], facts


def _hash(partition: Partition, built: Built) -> int:
    said = f"{partition}\0{built.version}\0{built.inputs}\0{built.until}"
    return int.from_bytes(hashlib.blake2b(said.encode(), digest_size=16).digest(), "little")
