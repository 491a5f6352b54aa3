"""The base of every declaration, and the names that declarations may use."""

from pydantic import BaseModel, ConfigDict

__all__ = ["COLUMN", "NAME", "RELATION", "Declaration"]

NAME = r"^[a-z][a-z0-9_]{0,62}$"
COLUMN = r"^[A-Za-z_][A-Za-z0-9_]{0,126}$"
RELATION = r"^[A-Za-z_][A-Za-z0-9_]{0,62}\.[A-Za-z_][A-Za-z0-9_]{0,126}$"


class Declaration(BaseModel):
    """Plain, immutable data; a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
