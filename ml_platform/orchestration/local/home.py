"""The Dagster instance that lives in the platform's home folder."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.instance.types import InstanceType
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter

from ml_platform.errors import ConfigurationError
from ml_platform.settings import Settings

__all__ = ["PROCESS_TAG", "open_instance", "prepare_home", "process_tag", "tags_of_process"]

PROCESS_TAG = ".dagster/ml_platform_process"
"""Run tag of runs that execute inside a process of ours: host and boot, pid, and start time of that process.

Dagster's pages do not show tags with this prefix.
"""

LAYOUT = "2"
"""Of the home folder; another one was made by a version that kept its state otherwise."""

_EVENTS_AT_ONCE = 1000
_LOCAL_EVENTS = "ml_platform.orchestration.local.event_log_storage"
_DAGSTER_YAML: dict[str, Any] = {
    "event_log_storage": {
        "module": _LOCAL_EVENTS,
        "class": "LocalEventLogStorage",
        "config": {"base_dir": {"env": "DAGSTER_HOME"}},
    },
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {
        # A run that will want what another holds is started all the same: a process takes seconds to start.
        "pools": {"default_limit": 1, "granularity": "op", "op_granularity_run_buffer": 1},
        "runs": {"max_concurrent_runs": 2},
    },
    # Runs that want the same pool are started one a look, so that five seconds between looks would be most of a chain.
    "run_coordinator": {
        "module": "dagster.core.run_coordinator",
        "class": "QueuedRunCoordinator",
        "config": {"dequeue_interval_seconds": 1},
    },
    "run_monitoring": {"enabled": True, "free_slots_after_run_end_seconds": 0},
    "run_retries": {"enabled": False},
    "retention": {"sensor": {"purge_after_days": {"skipped": 1, "success": 30}}},
}


class HomeInstance(dg.DagsterInstance):
    """Dagster's instance, with the events of one output written in one batch.

    Dagster asks an environment variable for that, which would then hold for everything in the process.
    """

    def _get_event_batch_size(self) -> int:
        return _EVENTS_AT_ONCE


def prepare_home(settings: Settings) -> Path:
    """Create the home folder and Dagster's own, with its configuration, and return the latter.

    A ``dagster.yaml`` that is there is left as it is: it is the person's.

    Raises:
        ConfigurationError: an earlier version made the home, and this one would misread it.
    """
    folder = settings.dagster_home
    _claim(settings.root, folder)
    configuration = folder / "dagster.yaml"
    if not configuration.exists():
        _write(configuration, yaml.safe_dump(_DAGSTER_YAML, sort_keys=False))
    return folder


def process_tag(pid: int | None = None) -> str | None:
    """Name a process of this host so that no other one is taken for it; None when it is not running."""
    pid = os.getpid() if pid is None else pid
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return f"{_host()}:{pid}:"
    state, started = stat.rpartition(")")[2].split()[0], stat.rpartition(")")[2].split()[19]
    return None if state == "Z" else f"{_host()}:{pid}:{started}"


def tags_of_process(command: str) -> dict[str, str]:
    """Tags of a run that executes inside this process.

    Args:
        command: what a person typed; pages say that it launched the run.
    """
    return {PROCESS_TAG: process_tag() or "", "user": command}


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance of the home folder; runs of ours whose process is gone are first marked as failed.

    Raises:
        ConfigurationError: an earlier version made the home, and this one would misread it.
    """
    folder = prepare_home(settings)
    ref = InstanceRef.from_dir(str(folder), overrides=_overrides(folder))
    storage = ref.storage
    runs = storage.run_storage if storage else ref.run_storage
    events = storage.event_log_storage if storage else ref.event_storage
    if runs is None or events is None:
        raise ConfigurationError(f"{folder / 'dagster.yaml'} names no storage; name one, or delete the file")
    with HomeInstance(
        instance_type=InstanceType.PERSISTENT,
        local_artifact_storage=ref.local_artifact_storage,
        run_storage=runs,
        event_storage=events,
        compute_log_manager=None,
        run_coordinator=None,
        run_launcher=None,
        scheduler=ref.scheduler,
        schedule_storage=storage.schedule_storage if storage else ref.schedule_storage,
        settings=ref.settings,
        secrets_loader=ref.secrets_loader,
        defs_state_storage=ref.defs_state_storage,
        ref=ref,
    ) as instance:
        _end_dead_runs(instance)
        yield instance


def _overrides(folder: Path) -> dict[str, Any]:
    """Overrides where our config names ``DAGSTER_HOME``, which is set for Dagster's own processes, not for this one."""
    written = yaml.safe_load((folder / "dagster.yaml").read_text()) or {}
    events = written.get("event_log_storage", {})
    if events.get("module") == _LOCAL_EVENTS:
        return {"event_log_storage": {**events, "config": {"base_dir": str(folder)}}}
    return {}


def _claim(root: Path, folder: Path) -> None:
    """Make the home one of this version, or refuse it."""
    mark = root / "layout"
    if not mark.exists():
        if (root / "warehouse.duckdb").exists() or (folder / "dagster.yaml").exists():
            raise ConfigurationError(
                f"{root} was made by an earlier version, which kept its state otherwise; move it away (files that "
                "landed in it may stay where they are, or be named by ML_PLATFORM_LANDING): the next run makes it anew"
            )
        folder.mkdir(parents=True, exist_ok=True)
        _write(mark, LAYOUT + "\n")
    elif (found := mark.read_text().strip()) != LAYOUT:
        raise ConfigurationError(
            f"{root} has layout {found}, this version knows layout {LAYOUT}; use the version that made it, or move "
            "it away"
        )
    folder.mkdir(parents=True, exist_ok=True)


def _write(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


@lru_cache(maxsize=1)
def _host() -> str:
    """This host since it was booted: a process of before is gone, one of another host cannot be seen from here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()}/{boot}".replace(":", "_")


def _is_gone(owner: str) -> bool:
    """Tell whether the process that a run names is known to be gone."""
    host, _, process = owner.partition(":")
    name = host.partition("/")[0]
    if name != _host().partition("/")[0]:
        return False  # of another host: who runs there must judge it
    pid = process.partition(":")[0]
    return host != _host() or not pid.isdigit() or process_tag(int(pid)) != owner


def _end_dead_runs(instance: dg.DagsterInstance) -> None:
    """A killed process leaves its run as started and its pool slots as taken: nobody else would ever end them."""
    started = RunsFilter(
        statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED]
    )
    for run in instance.get_runs(filters=started):
        owner = run.tags.get(PROCESS_TAG)
        if owner is None or not _is_gone(owner):
            continue
        instance.report_run_failed(run, message=f"The process that executed this run ({owner}) is gone.")
        if instance.event_log_storage.supports_global_concurrency_limits:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
