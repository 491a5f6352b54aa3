"""``ml-platform ui``: Dagster's own pages and daemon, on this project's home folder."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ml_platform.orchestration.home import prepare_home
from ml_platform.settings import Settings

__all__ = ["ui"]


def ui(port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port on the loopback interface.")] = 3000) -> None:
    """Open Dagster with its daemon on 127.0.0.1, on this project's home folder.

    Example: ml-platform ui --port 3000
    """
    home = prepare_home(Settings())
    environment = os.environ | {"DAGSTER_HOME": str(home), "DAGSTER_EVENT_BATCH_SIZE": "1000"}
    dagster = Path(sys.executable).with_name("dagster")
    command = [str(dagster), "dev", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"]
    os.execve(dagster, command, environment)  # noqa: S606 (this process becomes the server, so that signals reach it)
