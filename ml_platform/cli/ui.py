"""``ml-platform ui``: Dagster's own pages and daemon, and MLflow's, on this project's home folder."""

import importlib.metadata
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ml_platform.cli.console import console_for
from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.local.home import open_instance, prepare_home
from ml_platform.settings import Settings

__all__ = ["ui"]

_HOST = "127.0.0.1"
_APP = "ml_platform"
"""Name of :mod:`ml_platform.cli.mlflow_pages` among MLflow's applications."""


def ui(
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Dagster's port.")] = 3000,
    mlflow_port: Annotated[
        int, typer.Option("--mlflow-port", min=0, max=65535, help="MLflow's port; 0: do not start it.")
    ] = 5000,
    open_: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open", help="Open the graph in a browser; left out, where there is a screen."
        ),
    ] = None,
) -> None:
    """Open Dagster with its daemon, and MLflow, on 127.0.0.1, on this project's home folder. Ctrl-C ends both.

    Example: ml-platform ui --port 3000
    """
    settings = Settings()
    if port == mlflow_port:
        raise ConfigurationError(
            f"--port and --mlflow-port are both {port}; choose another one for one of them"
        )
    for number, option in ((port, "--port"), (mlflow_port, "--mlflow-port")):
        _require_free(number, option)
    dagster, mlflow = f"http://{_HOST}:{port}", f"http://{_HOST}:{mlflow_port}" if mlflow_port else ""
    environment = os.environ | {
        "DAGSTER_HOME": str(prepare_home(settings)),
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        "ML_PLATFORM_DAGSTER_UI_URL": dagster,
        "ML_PLATFORM_MLFLOW_UI_URL": mlflow or settings.mlflow_ui_url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    environment.setdefault("PYTHONWARNINGS", "ignore")  # they are about our code, not about the person's data
    commands = {"Dagster": _dagster(port)}
    if mlflow:
        commands["MLflow"] = _mlflow(mlflow_port, settings)
        settings.mlflow_artifacts.mkdir(parents=True, exist_ok=True)
    guide = list(_guide(settings, dagster, mlflow))
    shown = _has_screen() if open_ is None else open_
    raise typer.Exit(_run_together(commands, environment, _Welcome(dagster, guide, opened=shown)))


def _dagster(port: int) -> list[str]:
    here = Path(sys.executable).parent
    return [str(here / "dagster"), "dev", "-h", _HOST, "-p", str(port), "-w", "workspace.yaml"]


def _mlflow(port: int, settings: Settings) -> list[str]:
    command = [str(Path(sys.executable).parent / "mlflow"), "server", "--host", _HOST, "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", settings.mlflow_uri]
    command += ["--default-artifact-root", str(settings.mlflow_artifacts)]
    if importlib.metadata.entry_points(group="mlflow.app", name=_APP):
        command += ["--app-name", _APP]
    return command


def _require_free(port: int, option: str) -> None:
    """Refuse a port on which somebody listens: a server that cannot have it would leave the others alone."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_HOST, port))
        except OSError as error:
            variable = {"--port": "PORT", "--mlflow-port": "MLFLOW_PORT"}[option]
            raise ConfigurationError(
                f"port {port} of {_HOST} cannot be used ({error.strerror}); name another one: "
                f"ml-platform ui {option} NUMBER, or make ui {variable}=NUMBER"
            ) from error


def _has_screen() -> bool:
    """Tell whether a person sits before a screen; a browser of text would take the console away."""
    screen = sys.platform == "darwin" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    return screen and sys.stdout.isatty()


def _guide(settings: Settings, dagster: str, mlflow: str) -> Iterator[str]:
    """The lines that say what to look at, and whether anything goes on by itself."""
    yield f"graph       {dagster}/asset-groups   every asset, its checks and plots"
    yield f"runs        {dagster}/runs   what was made, and what failed"
    if mlflow:
        yield f"MLflow      {mlflow}/?workflowType=machine_learning#/experiments   trainings and candidates"
    with open_instance(settings) as instance:
        running = sorted(state.name for state in instance.all_instigator_state() if state.is_running)
    if running:
        yield f"automation  on: {', '.join(running)}"
    else:
        yield "automation  off: nothing is loaded or made by itself; `ml-platform run` does it once."
        yield f"            To leave it to Dagster, turn on the sensors on {dagster}/automation"
    yield "stop        Ctrl-C"


class _Welcome:
    """Waits until Dagster's pages are there, then says what to look at, and opens the graph if it is asked to."""

    def __init__(self, dagster: str, guide: list[str], *, opened: bool) -> None:
        self._dagster, self._guide, self._opened = dagster, guide, opened
        self._console: Console = console_for(highlight=False, markup=False, soft_wrap=True)
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to wait, beside what else goes on."""
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Wait no longer."""
        self._over.set()

    def _run(self) -> None:
        while not self._answers():
            if self._over.wait(0.5):
                return
        self._console.print("\n" + "\n".join(self._guide) + "\n")
        if self._opened:
            webbrowser.open(f"{self._dagster}/asset-groups")

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"{self._dagster}/server_info", timeout=5).close()  # noqa: S310 (our own address)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return False
        return True


def _run_together(
    commands: Mapping[str, list[str]], environment: Mapping[str, str], welcome: _Welcome
) -> int:
    """Run servers until one ends or this process is told to stop; then end the others.

    Returns:
        0 when a person ended it; otherwise the code of the server that ended, which is never 0: it should not have.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Started in the background, this process ignores interrupts; a server that inherited that could not be ended.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    servers = {
        name: subprocess.Popen(command, env=dict(environment))  # noqa: S603 (our own programs)
        for name, command in commands.items()
    }
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    for name, server in servers.items():
        threading.Thread(target=_tell_when_over, args=(name, server, ended), daemon=True).start()
    welcome.start()
    try:
        first = ended.get()
        code = servers[first].returncode or 1
        print(f"error: {first} ended with code {servers[first].returncode}; see above why", file=sys.stderr)  # noqa: T201 (this is the command line)
    except KeyboardInterrupt:
        code = 0
    finally:
        welcome.stop()
        for server in servers.values():
            if server.poll() is None:
                server.send_signal(signal.SIGINT)
        for server in servers.values():
            server.wait()
    return code


def _tell_when_over(name: str, server: "subprocess.Popen[bytes]", ended: "queue.SimpleQueue[str]") -> None:
    server.wait()
    ended.put(name)
