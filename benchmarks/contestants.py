"""Processes that are measured beside each other, asked in turn, and the table of what came of it."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["LINES", "ROOT", "Contestant", "Rounds", "feast_python", "line", "report"]

ROOT = Path(__file__).parents[1]
LINES = "BENCHMARK_LINES"
"""Environment variable: a file that the lines of the table are appended to."""


def feast_python() -> str | None:
    """The interpreter that has Feast; says so when there is none."""
    found = os.environ.get("FEAST_PYTHON") or None
    if found is None:
        print(
            "Feast is not measured: FEAST_PYTHON is not set (benchmarks/peers.sh makes an interpreter)",
            flush=True,
        )
    return found


class Contestant:
    """A module of ``benchmarks.peers`` in a process of its own."""

    def __init__(self, module: str, *arguments: object, interpreter: str = sys.executable) -> None:
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [interpreter, "-W", "ignore", "-m", f"benchmarks.peers.{module}", *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def ask(self, do: str, **arguments: object) -> dict[str, float]:
        """Have it do one thing, and return its answer."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._log.seek(0)
            raise SystemExit(f"{self._process.args} failed:\n{self._log.read()[-4000:]}")
        told: dict[str, float] = json.loads(answer)
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()


class Rounds:
    """Answers of several contestants that were asked in turn: a mapping of who to its answer, a round."""

    def __init__(self, rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> None:
        self._rounds = rounds

    def median(self, who: str, figure: str) -> float:
        """Of one contestant's figure."""
        return statistics.median(answers[who][figure] for answers in self._rounds)

    def first(self, who: str, figure: str) -> float:
        """One contestant's figure of the first round: of peak memory, which later rounds add to."""
        return self._rounds[0][who][figure]

    def ratio(self, who: tuple[str, str], other: tuple[str, str]) -> float:
        """Median of the rounds' ratios of one contestant's figure to another's."""
        return statistics.median(
            answers[who[0]][who[1]] / answers[other[0]][other[1]] for answers in self._rounds
        )


def line(*cells: str) -> str:
    """One line of the table."""
    return "{:54} {:>11}  {:32} {:>8} {:>8}  {}".format(*cells).rstrip()


def report(
    what: str, ours: str, peer: str, ratio: float, *, least: float | None = None, most: float | None = None
) -> None:
    """Print a line, and keep it for the table at the end; the aim is the ratio's least or most."""
    aim, met = "", ""
    if least is not None:
        aim, met = f">= {least:g}", "yes" if ratio >= least else "NO"
    if most is not None:
        aim, met = f"<= {most:g}", "yes" if ratio <= most else "NO"
    told = line(what, ours, peer, f"{ratio:.2f}", aim, met)
    print(told, flush=True)
    if path := os.environ.get(LINES):
        with Path(path).open("a") as file:
            file.write(told + "\n")
