"""``ml-platform ui``: Dagster's own pages and daemon, and MLflow's, on this project's home folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ml_platform.orchestration.local.home import prepare_home
from ml_platform.settings import Settings

__all__ = ["ui"]


def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Dagster's port.")] = 3000,
    mlflow_port: Annotated[
        int, typer.Option("--mlflow-port", min=0, max=65535, help="MLflow's port; 0: do not start it.")
    ] = 5000,
) -> None:
    """Open Dagster with its daemon, and MLflow, on 127.0.0.1, on this project's home folder. Ctrl-C ends both.

    Example: ml-platform ui --port 3000
    """
    settings = Settings()
    environment = os.environ | {
        "DAGSTER_HOME": str(prepare_home(settings)),
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        "ML_PLATFORM_DAGSTER_UI_URL": f"http://127.0.0.1:{port}",
        "ML_PLATFORM_MLFLOW_UI_URL": f"http://127.0.0.1:{mlflow_port}"
        if mlflow_port
        else settings.mlflow_ui_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    here = Path(sys.executable).parent
    environment.setdefault("PYTHONWARNINGS", "ignore")  # they are about our code, not about the person's data
    commands = [[str(here / "dagster"), "dev", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml"]]
    if mlflow_port:
        store = [
            "--backend-store-uri",
            settings.mlflow_uri,
            "--default-artifact-root",
            str(settings.mlflow_artifacts),
        ]
        server = [
            str(here / "mlflow"),
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(mlflow_port),
            "--workers",
            "1",
        ]
        commands.append([*server, *store])
        settings.mlflow_artifacts.mkdir(parents=True, exist_ok=True)
    raise typer.Exit(_run_together(commands, environment))


def _run_together(commands: list[list[str]], environment: dict[str, str]) -> int:
    """Run servers until one ends or this process is told to stop; then end the others."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Started in the background, this process ignores interrupts; a server that inherited that could not be ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    servers = [subprocess.Popen(command, env=environment) for command in commands]  # noqa: S603 (our own programs)
    try:
        return servers[0].wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for server in servers:
            if server.poll() is None:
                server.send_signal(signal.SIGINT)
        for server in servers:
            server.wait()
