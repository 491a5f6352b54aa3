"""The manifest of a snapshot: what it holds, and where it came from."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_platform.errors import ArtifactTamperedError, ConfigurationError
from ml_platform.warehouse.base import identifier

__all__ = ["Column", "Manifest", "SnapshotFile", "manifest_key", "prefix", "read_manifest"]

MANIFEST = "manifest.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SnapshotFile(_Part):
    """One Parquet file."""

    key: str = Field(description="Key in the object store.")
    sha256: str
    rows: int
    bytes: int


class Column(_Part):
    """One column and its Arrow type."""

    name: str
    type: str


class Manifest(_Part):
    """The record of what a snapshot holds; a snapshot exists if, and only if, its manifest does.

    The version is a hash of the rows alone (:mod:`ml_platform.warehouse.content_hash`). When the same rows
    are exported again, with another ``as_of`` say, the first manifest stays. Nothing in it is the wall
    clock's.
    """

    format_version: Literal[1] = 1
    name: str
    version: str
    as_of: datetime = Field(description="Labels reported by it are in the snapshot.")
    events_end: datetime | None = Field(
        default=None, description="Events before it are in the snapshot; None, in older ones: `as_of`."
    )
    rows: int
    positives: int | None = Field(description="Rows labelled 1; None: the label is no event.")
    reported: int | None = Field(
        default=None, description="Rows whose label was reported; None: there is none, or it was not counted."
    )
    first_event: datetime
    last_event: datetime
    id: str
    occurred_at: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    label: str | None
    label_available_at: str | None
    label_delay: timedelta | None
    history: timedelta | None
    columns: tuple[Column, ...] = Field(description="The Arrow schema, in order.")
    files: tuple[SnapshotFile, ...] = Field(description="In the order of the rows: by time, then id.")
    upstream: Mapping[str, str] = Field(description="Upstream asset to its data version.")
    query: str
    parameters: Mapping[str, str]


def prefix(name: str, version: str = "") -> str:
    """Prefix of the keys of a dataset's snapshots, or of one of them.

    Raises:
        ConfigurationError: the name or the version cannot be part of a key.
    """
    if version and not version.isalnum():
        raise ConfigurationError(f"{version!r} is not a data version; `list_snapshots` gives those there are")
    return f"datasets/{identifier(name)}/" + (f"{version}/" if version else "")


def manifest_key(name: str, version: str) -> str:
    """Key of a snapshot's manifest."""
    return prefix(name, version) + MANIFEST


def read_manifest(content: bytes, key: str) -> Manifest:
    """Parse a manifest.

    Raises:
        ArtifactTamperedError: it is not a manifest, or another snapshot's.
    """
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise ArtifactTamperedError(
            f"{key} is not a manifest of format version 1 ({error.error_count()} errors, first: "
            f"{error.errors()[0]['msg']}); delete it and export the dataset again"
        ) from error
    if manifest_key(manifest.name, manifest.version) != key:
        raise ArtifactTamperedError(
            f"{key} is the manifest of {manifest.name} {manifest.version}; delete it and export again"
        )
    return manifest
