"""The key of a training: data, code, parameters and libraries."""

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml_platform.models.frameworks.base import FittedModel
from ml_platform.models.training.code import code_version

__all__ = ["code_version", "digest_of", "files_digest", "library_versions", "training_key"]


def training_key(
    data_version: str, code: str, parameters: Mapping[str, Any], libraries: Mapping[str, str]
) -> str:
    """Key of a training: equal keys give the same model. Hex of 32 characters."""
    return digest_of({"data": data_version, "code": code, "parameters": parameters, "libraries": libraries})


def library_versions(framework: type[FittedModel]) -> dict[str, str]:
    """Versions of what decides a fit: Python (minor), the framework's libraries and the array libraries."""
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in (*framework.libraries, "numpy", "pyarrow", "scikit-learn"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def files_digest(folder: Path) -> dict[str, str]:
    """SHA-256 of each file under a folder, by its ``/``-separated relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest_of(value: Mapping[str, Any]) -> str:
    """Hash of JSON-able data, 32 hex digits, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
