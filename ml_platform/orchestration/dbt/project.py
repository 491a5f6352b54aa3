"""The manifest of a dbt project: parsed once for each content of it."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

from ml_platform.errors import ConfigurationError
from ml_platform.locks import locked
from ml_platform.settings import Settings

__all__ = ["dbt_executable", "manifest_path", "target_path"]

_PARSED = ("dbt_project.yml", "profiles.yml", "models/**/*", "macros/**/*", "tests/**/*")


def target_path(settings: Settings) -> Path:
    """Folder of what dbt writes: manifest, compiled SQL, logs."""
    return settings.root / "dbt"


def dbt_executable() -> str:
    """The dbt of this environment, whatever PATH says."""
    return str(Path(sys.executable).with_name("dbt"))


def manifest_path(project: Path, settings: Settings) -> Path:
    """The manifest of the project as it is now; dbt parses it if no process did so before.

    Raises:
        ConfigurationError: dbt does not accept the project; the message is dbt's.
    """
    target = target_path(settings)
    manifest, stamp = target / "manifest.json", target / "manifest.sha256"
    content = _digest(project)
    if _stamped(stamp, content) and manifest.exists():
        return manifest
    target.mkdir(parents=True, exist_ok=True)
    with locked(
        target / ".parse.lock",
        settings.lock_timeout_seconds,
        busy=lambda holder: f"waiting for {holder}, which has dbt parse {project}",
        held=lambda holder: (
            f"{holder} has had dbt parse {project} for more than {settings.lock_timeout_seconds:g} s; end it, try again"
        ),
    ):
        if not (_stamped(stamp, content) and manifest.exists()):
            _parse(project, settings, target)
            stamp.write_text(content)
    return manifest


def _stamped(stamp: Path, content: str) -> bool:
    return stamp.exists() and stamp.read_text() == content


def _digest(project: Path) -> str:
    files = sorted({path for pattern in _PARSED for path in project.glob(pattern) if path.is_file()})
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _parse(project: Path, settings: Settings, target: Path) -> None:
    command = [
        dbt_executable(),
        "--quiet",
        "parse",
        "--project-dir",
        str(project),
        "--profiles-dir",
        str(project),
    ]
    environment = os.environ | {
        "ML_PLATFORM_WAREHOUSE_PATH": str(settings.warehouse_path),
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target / "logs"),
        "DO_NOT_TRACK": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 (our own dbt)
    if done.returncode:
        raise ConfigurationError(f"dbt does not accept {project}; correct it:\n{done.stdout}{done.stderr}")
