"""Orchestration: the whole graph's wall time over its compute, a new day against a first run, and imports.

python -m benchmarks.graph [--days 90]
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(arguments: list[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--days", type=int, default=90, help="days of the simulated bank, about 7,500 payments each"
    )
    options = parser.parse_args(arguments)
    _imports()
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "ML_PLATFORM_HOME": home, "COLUMNS": "200"}
        _run(environment, "simulate", "--days", str(options.days), "--end", "2024-05-31")
        loading = _timed(environment, "status")
        print(
            f"first load   {loading:7.1f} s wall, in which dbt parses its project, once for each content of it"
        )
        first, compute = _update(environment)
        print(
            f"first run    {first:7.1f} s wall, {compute:.1f} s in steps, ratio {first / compute:.2f} (aim 1.15)"
        )
        loaded = _timed(environment, "status")
        whole = (first + loading - loaded) / compute
        print(f"             ratio {whole:.2f} with dbt's parsing")
        nothing, _ = _update(environment)
        print(f"nothing new  {nothing:7.1f} s wall, {first / nothing:.1f} times faster than the first run")
        _run(environment, "simulate", "--days", "1")
        day, compute = _update(environment)
        print(
            f"a new day    {day:7.1f} s wall, {compute:.1f} s in steps, {first / day:.1f} times faster than the first"
        )


def _imports() -> None:
    seconds = {}
    for module in ("dagster", "definitions"):
        runs = []
        for _ in range(4):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)
            runs.append(time.perf_counter() - started)
        seconds[module] = sorted(runs[1:])[1]
    ratio = seconds["definitions"] / seconds["dagster"]
    shown = ", ".join(f"{module} {value:.2f} s" for module, value in seconds.items())
    print(f"import       {shown}, ratio {ratio:.2f}")


def _timed(environment: dict[str, str], command: str) -> float:
    """Wall seconds of a command."""
    started = time.perf_counter()
    _run(environment, command)
    return time.perf_counter() - started


def _update(environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds of the command, and seconds within steps as it tells them."""
    started = time.perf_counter()
    told = _run(environment, "run")
    wall = time.perf_counter() - started
    found = re.search(r"s in all, ([0-9.]+) s of it", told)
    return wall, float(found.group(1)) if found else 0.0


def _run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "ml_platform.cli", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
