"""`ml-platform run`, killed at random moments and run again, ends as if nothing had happened."""

import contextlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from e2e.conftest import Finished
from support.project import ONE, Project, state_of

KILLS = int(os.environ.get("KILLS", "2"))
"""How often each update is killed; more finds more."""
SEED = int(os.environ.get("KILLS_SEED", "0"))
STEPS, STEPS_OF_A_DAY = 36, 12
"""Of a first update of all use cases, and at least of one of a new day of one.

A later attempt has those left that were not finished before.
"""


@pytest.fixture(scope="module")
def killed(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("killed") / "home", finished.landing)


def run_and_kill(project: Project, moments: random.Random, steps: int, *options: str) -> int:
    """Kill updates, each with all that it started, within a random step; then let one end.

    Returns:
        How many were at work when they were killed.
    """
    left, at_work = steps, 0
    for _ in range(KILLS):
        process, started = project.start("run", *options), time.monotonic()
        assert process.stdout is not None
        lines = moments.randrange(max(left, 1))
        for _ in range(lines):
            left -= process.stdout.readline().startswith("  ✓")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moments.uniform(0, (time.monotonic() - started + 1) / (lines + 1)))
        at_work += process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    project("run", *options)
    return at_work


def differences(one: Path, other: Path) -> dict[str, object]:
    expected, found = state_of(one), state_of(other)
    return {name: (expected[name], found[name]) for name in expected if expected[name] != found[name]}


def test_a_first_update_that_was_killed(finished: Finished, killed: Project) -> None:
    assert run_and_kill(killed, random.Random(SEED), STEPS)
    assert not differences(finished.project.home, killed.home)
    assert "Everything is up to date" in killed("run").stdout


def test_a_new_day_that_was_killed(finished: Finished, killed: Project) -> None:
    finished.project("simulate", "--days", "1")
    finished.project("run", *ONE)
    assert run_and_kill(killed, random.Random(SEED + 1), STEPS_OF_A_DAY, *ONE)
    assert not differences(finished.project.home, killed.home)
