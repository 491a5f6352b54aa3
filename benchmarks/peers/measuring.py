"""Tools that measure every contestant, and the form in which it is asked to: lines of JSON. The standard library alone.

A contestant is a module of this folder, run in a process (and, if need be, an interpreter) of its own. It is asked
for one round at a time, so that rounds of several alternate and all of them meet the same machine.
"""

import contextlib
import gc
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["FEATURES", "key", "peak_mb", "read_round", "seconds", "serve"]

FEATURES = tuple(f"f{i}" for i in range(20))


def serve(commands: Mapping[str, Callable[..., Any]]) -> None:
    """Answer a line of JSON on standard output for each on standard input, until that ends.

    A line is an object: ``do`` names the command, the rest are its arguments. What libraries print goes to
    standard error.
    """
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(commands[asked.pop("do")](**asked)), file=answers, flush=True)


def key(i: int, entities: int) -> str:
    """The key of an entity, spread over all of them as ``i`` grows."""
    return f"c{i * 7919 % entities:09d}"


def seconds(work: Callable[[], Any]) -> float:
    """Seconds that the work takes."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def read_round(
    read: Callable[[list[str]], Any], store: str, entities: int, count: int, times: int
) -> dict[str, float]:
    """Milliseconds of reads of ``count`` keys: median and 99th percentile of ``times`` reads.

    A read of SQLite waits for nobody, so the processor time of its thread is what it takes on an idle machine, and is
    what is measured; a read of a server is mostly waiting, so there it is the wall's. A tenth as many reads before
    those are not counted: while others had their turn, the processor forgot this one.
    """
    early, clock = times // 10, time.thread_time if store == "sqlite" else time.perf_counter
    wanted = [[key(i * count + j, entities) for j in range(count)] for i in range(early + times)]
    found = []
    for keys in wanted:
        started = clock()
        read(keys)
        found.append((clock() - started) * 1e3)
    found = sorted(found[early:])
    return {"p50": statistics.median(found), "p99": found[int(times * 0.99)]}


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB.

    Linux counts in ``ru_maxrss`` what the parent had when it started the process, so its own mark is read there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
