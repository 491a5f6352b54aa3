"""The outcome of a check, as the library computes it; orchestration turns it into a Dagster asset check result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["CheckOutcome"]


@dataclass(frozen=True)
class CheckOutcome:
    """One check: its name, whether it passed, a sentence for a person, and the figures behind it.

    ``metadata`` values are JSON-able. A failed ``blocking`` check of severity ERROR stops what lies downstream.
    """

    name: str
    passed: bool
    description: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    severity: Literal["ERROR", "WARN"] = "ERROR"
    blocking: bool = False
