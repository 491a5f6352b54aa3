"""The Dagster instance that lives in the platform's home folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.storage.dagster_run import DagsterRunStatus, RunsFilter

from ml_platform.settings import Settings

__all__ = ["PROCESS_TAG", "open_instance", "prepare_home", "process_tag"]

PROCESS_TAG = "ml_platform/process"
"""Run tag of runs that execute inside a process of ours: ``<pid>:<start time of that process>``."""

_DAGSTER_YAML = {
    "event_log_storage": {
        "module": "ml_platform.orchestration.local.event_log_storage",
        "class": "LocalEventLogStorage",
        "config": {"base_dir": {"env": "DAGSTER_HOME"}},
    },
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "concurrency": {"pools": {"default_limit": 1, "granularity": "op"}, "runs": {"max_concurrent_runs": 2}},
    "run_monitoring": {"enabled": True, "free_slots_after_run_end_seconds": 0},
    "run_retries": {"enabled": False},
    "retention": {"sensor": {"purge_after_days": {"skipped": 1, "success": 30}}},
}


def prepare_home(settings: Settings) -> Path:
    """Create the home folder and Dagster's own, with its configuration, and return the latter.

    A ``dagster.yaml`` that is there is left as it is: it is the person's.
    """
    folder = settings.dagster_home
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "dagster.yaml"
    if not configuration.exists():
        draft = folder / f".dagster.yaml.{os.getpid()}"
        draft.write_text(yaml.safe_dump(_DAGSTER_YAML, sort_keys=False))
        draft.replace(configuration)
    return folder


def process_tag(pid: int | None = None) -> str | None:
    """Name a process so that another one with the same pid is not taken for it; None when it is not running."""
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
        return f"{pid}:"
    state, started = stat.rpartition(")")[2].split()[0], stat.rpartition(")")[2].split()[19]
    return None if state == "Z" else f"{pid}:{started}"


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The instance of the home folder; runs of ours whose process is gone are first marked as failed."""
    folder = prepare_home(settings)
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")
    with dg.DagsterInstance.get() as instance:
        _end_dead_runs(instance)
        yield instance


def _end_dead_runs(instance: dg.DagsterInstance) -> None:
    """A killed process leaves its run as started and its pool slots as taken: nobody else would ever end them."""
    started = RunsFilter(
        statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.NOT_STARTED]
    )
    for run in instance.get_runs(filters=started):
        owner = run.tags.get(PROCESS_TAG)
        if owner is None or process_tag(int(owner.partition(":")[0])) == owner:
            continue
        instance.report_run_failed(
            run, message=f"The process that executed this run ({owner.partition(':')[0]}) is gone."
        )
        if instance.event_log_storage.supports_global_concurrency_limits:
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
