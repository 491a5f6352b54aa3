"""A simulation killed at any instant is completed by the next."""

import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from bank_simulator.bank import Bank
from bank_simulator.landing import write_days

DAYS = [date(2024, 2, 1) + timedelta(days=n) for n in range(12)]
BANK = Bank(customers=80, terminals=30, seed=5, opened=DAYS[0], drift_from=DAYS[6])

SIMULATE = """
import os, signal, sys, typer
from pathlib import Path
from bank_simulator.cli import simulate

renames = 0
rename = Path.replace

def killed_before_rename(self, target):
    global renames
    renames += 1
    if renames == int(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)

Path.replace = killed_before_rename
app = typer.Typer()
app.command()(simulate)
app(sys.argv[2:])
"""


def simulate(landing: Path, *, kill_at: int) -> int:
    """Runs the command in a process that is killed before its n-th file appears (0: never)."""
    options = [
        "--start",
        "2024-02-01",
        "--days",
        "12",
        "--customers",
        "80",
        "--terminals",
        "30",
        "--seed",
        "5",
        "--drift-from",
        "2024-02-07",
    ]
    command = [sys.executable, "-c", SIMULATE, str(kill_at), *options, "--landing", str(landing)]
    return subprocess.run(command, check=False, capture_output=True).returncode


def visible(landing: Path) -> dict[str, bytes]:
    files = (path for path in landing.glob("*/*/*") if not path.name.startswith("."))
    return {str(path.relative_to(landing)): path.read_bytes() for path in files}


@pytest.mark.parametrize("kill_at", [1, 4, 17])
def test_killed_and_run_again(tmp_path: Path, kill_at: int) -> None:
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    assert simulate(killed, kill_at=kill_at) == -signal.SIGKILL
    assert len(visible(killed)) == max(kill_at - 2, 0)
    assert simulate(killed, kill_at=0) == 0
    write_days(BANK, DAYS, undisturbed)
    assert visible(killed) == visible(undisturbed)
