"""CloudEvents 1.0 in their structured JSON form (https://github.com/cloudevents/spec, JSON format 1.0.2)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ml_platform.errors import DataError

__all__ = ["CloudEvent", "event_id", "timestamp"]

_REQUIRED = ("specversion", "id", "source", "type", "time")
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event.

    Attributes:
        id: with ``source``, what makes the event this one; see :func:`event_id`.
        source: URI reference of what it comes from.
        type: what kind of event it is, with a version.
        time: when that of which it tells happened, RFC 3339 in UTC (:func:`timestamp`); never when it was
            sent.
        subject: the entity that it is about.
        data: JSON-able content.
    """

    id: str
    source: str
    type: str
    time: str
    subject: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The event in structured JSON. Raises ValueError for NaN and infinity, which JSON lacks."""
        content: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": self.time,
        }
        if self.subject:
            content["subject"] = self.subject
        content["datacontenttype"] = "application/json"
        content["data"] = self.data
        return _encode(content)

    @classmethod
    def from_json(cls, text: str | bytes) -> "CloudEvent":
        """Read an event.

        Raises:
            DataError: it is not a CloudEvent 1.0 with a time.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise DataError(f"not a CloudEvent, for it is not JSON: {error}") from error
        if not isinstance(content, dict) or content.get("specversion") != "1.0":
            raise DataError("not a CloudEvent of specversion 1.0; publish it in the structured JSON format")
        if missing := [name for name in _REQUIRED if not content.get(name)]:
            raise DataError(f"not a CloudEvent that can be kept in order: it lacks {missing}")
        subject, data = content.get("subject", ""), content.get("data", {})
        return cls(content["id"], content["source"], content["type"], content["time"], subject, data)


def event_id(*says: str) -> str:
    """An id derived from what an event says, so that publishing it again is recognised: SHA-256, hex."""
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    return hashlib.sha256("".join([f"{len(say)}:{say}," for say in says]).encode()).hexdigest()


def timestamp(time: datetime) -> str:
    """RFC 3339 in UTC, e.g. ``2018-04-01T00:00:31Z``.

    Raises:
        DataError: the time has no zone.
    """
    if time.tzinfo is None:
        raise DataError(f"{time} has no time zone; give it in UTC")
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
