"""`ml-platform run`, killed at random moments and run again, ends as if nothing had happened."""

import contextlib
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from e2e.conftest import Finished
from support.project import Project, state_of

KILLS = int(os.environ.get("KILLS", "2"))
"""How often each update is killed; more finds more."""
SEED = int(os.environ.get("KILLS_SEED", "0"))


@pytest.fixture(scope="module")
def killed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("killed") / "home", finished.landing)


def run_and_kill(project: Project, moments: random.Random, seconds: float) -> None:
    """Kill updates, each with all that it started, within the time that an update takes; then let one end."""
    for _ in range(KILLS):
        process = project.start("run")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=moments.uniform(0, seconds))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    project("run")


def differences(one: Path, other: Path) -> dict[str, object]:
    expected, found = state_of(one), state_of(other)
    return {name: (expected[name], found[name]) for name in expected if expected[name] != found[name]}


def test_a_first_update_that_was_killed(finished: Finished, killed: Project) -> None:
    run_and_kill(killed, random.Random(SEED), finished.seconds)
    assert not differences(finished.project.home, killed.home)
    assert "Everything is up to date" in killed("run").stdout


def test_a_new_day_that_was_killed(finished: Finished, killed: Project) -> None:
    finished.project("simulate", "--days", "1")
    finished.project("run")
    run_and_kill(killed, random.Random(SEED + 1), finished.seconds / 2)
    assert not differences(finished.project.home, killed.home)
