"""The real `ml-platform ui` on free ports, and what its GraphQL API says."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from support.project import ROOT, Project
from support.waiting import until

__all__ = ["UI", "running_ui"]

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": "ml_platform"}

_RUNS = """
query ($filter: RunsFilter) { runsOrError(filter: $filter) { ... on Runs { results {
  runId status tags { key value } assetSelection { path } } } } }
"""
_SENSORS = """
query ($repository: RepositorySelector!) { sensorsOrError(repositorySelector: $repository) { ... on Sensors {
  results { name sensorState { ticks(limit: 50) { timestamp status error { message } } } } } } }
"""
_START = """
mutation ($sensor: SensorSelector!) { startSensor(sensorSelector: $sensor) { __typename } }
"""
_MADE = """
query ($key: AssetKeyInput!, $days: [String!]) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 1, partitions: $days) { timestamp } } } }
"""
_PARTITIONS = """
query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions } } } } }
"""


@dataclass(frozen=True)
class UI:
    """A running UI."""

    project: Project
    url: str
    mlflow_url: str
    log: Path

    @property
    def landing(self) -> Path:
        return self.project.landing or self.project.home / "landing"

    def graphql(self, query: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            found = json.load(answer)
        assert "errors" not in found, found["errors"]
        return found["data"]

    def runs(self, **filter_: Any) -> list[dict[str, Any]]:
        """Runs, newest first, with their tags as a dictionary."""
        found = self.graphql(_RUNS, filter=filter_)["runsOrError"]["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    def days_of(self, asset: str) -> list[str]:
        """The materialised partitions of an asset."""
        node = self.graphql(_PARTITIONS, key={"path": asset.split("/")})["assetNodeOrError"]
        return list(node["assetPartitionStatuses"]["materializedPartitions"])

    def made_at(self, asset: str, day: str | None = None) -> float:
        """When an asset, or a day of it, was last materialised (Unix seconds); 0 when it never was."""
        variables = {"key": {"path": asset.split("/")}, "days": [day] if day else None}
        found = self.graphql(_MADE, **variables)["assetNodeOrError"]["assetMaterializations"]
        return float(found[0]["timestamp"]) / 1000 if found else 0.0

    def start_sensors(self, *names: str) -> None:
        for name in names:
            done = self.graphql(_START, sensor={**REPOSITORY, "sensorName": name})
            assert done["startSensor"]["__typename"] == "Sensor", done

    def next_ticks(self, *sensors: str) -> None:
        """Wait until each of the sensors has looked at all that there is now."""
        now = time.time()
        for sensor in sensors:
            until(
                lambda name=sensor: any(
                    tick["timestamp"] > now and tick["status"] != "STARTED" for tick in self._ticks()[name]
                ),
                f"a tick of {sensor}",
            )

    def tick_errors(self) -> list[str]:
        """The errors of evaluating any sensor."""
        return [
            f"{sensor}: {(tick['error'] or {}).get('message')}"
            for sensor, ticks in self._ticks().items()
            for tick in ticks
            if tick["status"] == "FAILURE"
        ]

    def _ticks(self) -> dict[str, list[dict[str, Any]]]:
        sensors = self.graphql(_SENSORS, repository=REPOSITORY)["sensorsOrError"]["results"]
        return {sensor["name"]: sensor["sensorState"]["ticks"] for sensor in sensors}


@contextmanager
def running_ui(project: Project, log: Path) -> Iterator[UI]:
    """Start the UI, wait until it answers, and end it with all that it started."""
    port, mlflow_port = _free_port(), _free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            project.command("ui", "--port", str(port), "--mlflow-port", str(mlflow_port)),
            cwd=ROOT,
            env=project.environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    ui = UI(project, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{mlflow_port}", log)
    try:
        until(lambda: _answers(process, ui), f"{ui.url}; its log is {log}", timeout=400)
        yield ui
    finally:
        started = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        _, left = psutil.wait_procs(started, timeout=30)
        for one in left:
            one.kill()
    assert not left, f"the UI ended and left behind {[one.pid for one in left]}"


def _answers(process: "subprocess.Popen[bytes]", ui: UI) -> bool:
    assert process.poll() is None, f"the UI ended:\n{ui.log.read_text()[-3000:]}"
    try:
        for url in (f"{ui.url}/server_info", f"{ui.mlflow_url}/health"):
            urllib.request.urlopen(url, timeout=10).close()
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
