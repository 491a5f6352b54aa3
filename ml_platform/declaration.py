"""The base of every declaration, the names that declarations may use, and how their errors are told."""

import difflib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from ml_platform.errors import ConfigurationError

__all__ = ["COLUMN", "NAME", "RELATION", "Declaration", "declaration_error", "identifiers", "readable_errors"]

NAME = r"^[a-z][a-z0-9_]{0,62}$"
COLUMN = r"^[A-Za-z_][A-Za-z0-9_]{0,126}$"
RELATION = r"^[A-Za-z_][A-Za-z0-9_]{0,62}\.[A-Za-z_][A-Za-z0-9_]{0,126}$"

_ALLOWED = {
    NAME: "lower-case letters, digits and _, starting with a letter",
    COLUMN: "letters, digits and _, starting with a letter or _",
    RELATION: "`schema.table`, each of letters, digits and _",
}
_SHOWN = 120


class Declaration(BaseModel):
    """Plain, immutable data; a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def identifiers(classes: Sequence[str]) -> dict[str, str]:
    """Class to the identifier that names its column and metrics, e.g. ``"Card lost"`` to ``Card_lost``.

    Raises:
        ValueError: two classes have the same identifier, or one has none.
    """
    found: dict[str, str] = {}
    for name in classes:
        made = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")
        if not made:
            raise ValueError(f"class {name!r} has no letter or digit; name it with at least one")
        if made.lower() in (other.lower() for other in found.values()):
            raise ValueError(f"classes {list(classes)} repeat the identifier {made!r}; name them apart")
        found[name] = made
    return found


@contextmanager
def readable_errors(where: str) -> Iterator[None]:
    """Turn pydantic's errors within the block into a ConfigurationError; ``where`` names what is declared."""
    try:
        yield
    except ValidationError as error:
        raise declaration_error(error, where) from error


def declaration_error(error: ValidationError, where: str) -> ConfigurationError:
    """The error that a person reads: each field that is wrong, its value, and what is allowed.

    Example: ``use case churn: models.0.split.test_days is 0; allowed: greater than 0``.
    """
    said = [_told(details, error.title) for details in error.errors(include_url=False)]
    return ConfigurationError(f"{where}: " + "; ".join(said))


def _told(details: ErrorDetails, title: str) -> str:
    field = ".".join(str(part) for part in details["loc"]) or title
    context: dict[str, Any] = details.get("ctx", {})
    kind, message = details["type"], details["msg"].removeprefix("Value error, ")
    if kind == "missing":
        return f"{field} is missing; it has no default"
    if kind == "extra_forbidden":
        return _unknown(field, title if len(details["loc"]) == 1 else "")
    if kind == "value_error":
        return f"{field}: {message}"
    value = repr(details["input"])
    shown = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern", ""))
        return f"{field} is {shown}; allowed: {_ALLOWED.get(pattern, f'text like {pattern}')}"
    allowed = message.removeprefix("Input should be ")
    return f"{field} is {shown}; allowed: {allowed[:1].lower()}{allowed[1:]}"


def _unknown(field: str, title: str) -> str:
    known = next((list(c.model_fields) for c in _below(Declaration) if c.__name__ == title), [])
    if not known:
        return f"{field} is not a field of it; look for a misspelling"
    close = difflib.get_close_matches(field, known, n=1)
    meant = f", did you mean {close[0]}?" if close else ";"
    return f"{field} is not a field of {title}{meant} allowed: {', '.join(known)}"


def _below(root: type[Declaration]) -> Iterator[type[Declaration]]:
    for found in root.__subclasses__():
        yield found
        yield from _below(found)
