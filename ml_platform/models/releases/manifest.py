"""The record that a release keeps of itself: its manifest, its files with their digests, and the version they give."""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError
from ml_platform.models.tasks.base import Distribution

__all__ = [
    "AuditEntry",
    "Feature",
    "Release",
    "ReleaseFile",
    "ReleaseManifest",
    "ViewInput",
    "Window",
    "describe_files",
]

MANIFEST = "manifest.json"
CARD = "card"
_PICKLE_SUFFIXES = {".pkl", ".pickle", ".joblib", ".dill", ".pt", ".pth"}
_PICKLE_PROTOCOLS = {bytes((0x80, protocol)) for protocol in range(2, 6)}


class Stored(BaseModel):
    """Base of all that is stored: immutable, strict about unknown fields, one canonical JSON form."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def to_json(self) -> bytes:
        """Canonical JSON (sorted keys, UTF-8): equal content, equal bytes. NaN and infinities become null."""
        return _canonical(json.loads(self.model_dump_json()), indent=2) + b"\n"

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read what :meth:`to_json` wrote. Raises pydantic.ValidationError."""
        return cls.model_validate_json(content)


class Window(Stored):
    """A span of time, in UTC, that rows were taken from."""

    start: AwareDatetime
    end: AwareDatetime

    @field_validator("start", "end")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.astimezone(UTC)

    @model_validator(mode="after")
    def _is_ordered(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"a window ends after it starts; got {self.start} to {self.end}")
        return self


class Feature(Stored):
    """One input of the model: its column and Arrow type."""

    name: str
    type: str


class ViewInput(Stored):
    """The part of a feature view that a model needs: how it is keyed, and columns with their kinds.

    Kinds are those of :mod:`ml_platform.features.online.columns`. A key column that the snapshot does not carry has
    none.
    """

    view: str
    entity: tuple[str, ...]
    columns: Mapping[str, str]


class ReleaseFile(Stored):
    """One file of a release: its path within the release's folder, SHA-256 (hex) and size in bytes."""

    path: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0)

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\\" in path:
            raise ValueError(f"{path!r} is not a path within a folder")
        return path


class ReleaseManifest(Stored):
    """The record that a candidate's trainer makes of it.

    The version of a release is derived from the files and from every field here that decides what the model
    computes; ``views``, ``metrics``, ``baselines``, ``gates``, ``run_id`` and what follows them describe it and
    do not: they contain timings and generated ids, and training again after a kill must lead to the same version.
    """

    task: str = Field(
        default="binary", description="The kind of problem, as ml_platform.models.tasks names it."
    )
    framework: str
    data_version: str = Field(description="Version of the snapshot that it was trained on.")
    code_version: str
    parameters: Mapping[str, JsonValue]
    libraries: Mapping[str, str] = Field(description="Library to its version.")
    features: tuple[Feature, ...] = Field(min_length=1, description="Inputs, in the order of the model.")
    views: tuple[ViewInput, ...] | None = Field(
        default=None,
        description="What it needs of feature views; None: it was trained before that was recorded.",
    )
    predictions: tuple[Feature, ...] = Field(default=(), description="Columns of a prediction.")
    label: str | None = Field(
        description="Column of the snapshot that it learnt; None: it learns without one."
    )
    train_window: Window
    test_window: Window
    metrics: Mapping[str, float | None]
    baselines: Mapping[str, Mapping[str, float | None]] = Field(
        default_factory=dict, description="Baseline to its metrics."
    )
    gates: tuple[CheckOutcome, ...]
    run_id: str | None = Field(default=None, description="The MLflow run.")
    test_predictions: Distribution | None = Field(
        default=None, description="How those of the test rows were spread: the reference for drift."
    )
    owner: str = ""
    description: str = ""

    @property
    def failed_gates(self) -> tuple[CheckOutcome, ...]:
        """The gates that forbid a release."""
        return tuple(g for g in self.gates if g.blocking and g.severity == "ERROR" and not g.passed)


_DECIDING = {
    "task",
    "framework",
    "data_version",
    "code_version",
    "parameters",
    "libraries",
    "features",
    "label",
    "train_window",
    "test_window",
}


class Release(Stored):
    """An immutable release: ``files`` are what is loaded, ``card`` is for people (Markdown and plots)."""

    use_case: str
    model: str
    version: str
    files: tuple[ReleaseFile, ...] = Field(min_length=1)
    card: tuple[ReleaseFile, ...] = ()
    manifest: ReleaseManifest

    @classmethod
    def of(
        cls,
        use_case: str,
        model: str,
        files: tuple[ReleaseFile, ...],
        manifest: ReleaseManifest,
        card: tuple[ReleaseFile, ...] = (),
    ) -> Self:
        """The release that these files and this manifest make."""
        version = _version(use_case, model, files, manifest)
        return cls(use_case=use_case, model=model, version=version, files=files, card=card, manifest=manifest)

    @property
    def name(self) -> str:
        """The model that it is a release of: ``<use_case>/<model>``."""
        return f"{self.use_case}/{self.model}"

    @property
    def is_consistent(self) -> bool:
        """Tell whether the version is the one that the content gives."""
        return self.version == _version(self.use_case, self.model, self.files, self.manifest)


class AuditEntry(Stored):
    """One change of a stage; the newest one is also the pointer ``stages/<stage>.json``."""

    use_case: str
    model: str
    stage: str
    sequence: int = Field(ge=1, description="1, 2, 3, … without a gap, of this stage.")
    action: Literal["release", "assign", "rollback", "clear"]
    version: str | None = Field(description="What the stage names from here on; None: it was cleared.")
    previous: str | None = Field(description="What it named before.")
    manifest_sha256: str | None = Field(description="Digest of the version's manifest.")
    who: str = Field(min_length=1)
    why: str = Field(min_length=1)
    at: AwareDatetime
    withdrawn: tuple[str, ...] = Field(
        default=(),
        description="Versions that a person took this stage from; not given it again unless forced.",
    )

    previous_sha256: str | None = Field(
        default=None,
        description="Digest of the entry before as it is stored; None: there is none, or an earlier version wrote it.",
    )

    @property
    def sha256(self) -> str:
        """Digest of the entry as it is stored."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @model_serializer(mode="wrap")
    def _without_what_earlier_versions_lack(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what entries of an earlier version lack: those stay as they were, to the byte."""
        content: dict[str, Any] = serialize(self)
        return {n: v for n, v in content.items() if n != "previous_sha256" or v is not None}

    @model_validator(mode="after")
    def _names_a_manifest(self) -> Self:
        if (self.version is None) != (self.manifest_sha256 is None):
            raise ValueError("a version is named together with the digest of its manifest")
        return self


def describe_files(folder: Path) -> tuple[ReleaseFile, ...]:
    """Path, digest and size of every file under ``folder``, ordered by path.

    Raises:
        ConfigurationError: a file is a link or a pickle, or is named like the manifest.
    """
    found = []
    for path in sorted(folder.rglob("*"), key=lambda p: p.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise ConfigurationError(f"{path} is a symbolic link; a release holds plain files only")
        if path.is_dir():
            continue
        if name == MANIFEST:
            raise ConfigurationError(
                f"{path}: {MANIFEST} is the registry's own; name the model's file otherwise"
            )
        with path.open("rb") as file:
            _refuse_pickle(path, file.read(2))
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        found.append(ReleaseFile(path=name, sha256=digest, size=path.stat().st_size))
    return tuple(found)


def _refuse_pickle(path: Path, start: bytes) -> None:
    if path.suffix in _PICKLE_SUFFIXES or start in _PICKLE_PROTOCOLS:
        raise ConfigurationError(
            f"{path} is a pickle, which runs code when loaded; save the model in its framework's own format"
        )


def _version(use_case: str, model: str, files: tuple[ReleaseFile, ...], manifest: ReleaseManifest) -> str:
    """``<last day of the data, YYYYMMDD>-<first 12 hex digits of the content's SHA-256>``."""
    content = {
        "use_case": use_case,
        "model": model,
        "files": [file.model_dump() for file in files],
        "manifest": json.loads(manifest.model_dump_json(include=_DECIDING)),
    }
    last = manifest.test_window.end - timedelta(microseconds=1)
    return f"{last:%Y%m%d}-{hashlib.sha256(_canonical(content)).hexdigest()[:12]}"


def _canonical(value: Any, indent: int | None = None) -> bytes:  # noqa: ANN401 (any JSON)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=indent).encode()
