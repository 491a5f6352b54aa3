"""The graph's own bookkeeping as days add up: a tick of the automation, `status` and "nothing to do".

Each instance is synthetic: ten use cases, of which every asset was materialised on every day and nothing is stale.
Figures are the least of several in one warm process; the aim is that none costs more at a thousand days than 1.3 times
what it costs at ninety, one query of Dagster's storage apart, on SQLite and on PostgreSQL.

python -m benchmarks.bookkeeping [--days 90 365 1095] [--use-cases 10] [--storage sqlite] [--repeats 3]
"""

import argparse
import gc
import logging
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from dagster import DagsterEventType

from benchmarks.bookkeeping_instances import Server, fill, project, sqlite
from benchmarks.bookkeeping_library import Book, status_of, update_of
from benchmarks.contestants import report

__all__ = ["main"]

FIRST_DAY = date(2021, 1, 1)
MOST = 1.3

TICK, COLD, WARM, STATUS, NOTHING = (
    "tick",
    "facts read and judged",
    "facts judged again",
    "status",
    "nothing to do",
)
TAGS, LATEST = "Dagster's latest tags of one asset", "plain SQL, latest of all"
COUNTED = (TICK, STATUS, NOTHING)

LATEST_SQL = """
    select asset_key, partition, event from event_logs where id in (
        select max(id) from event_logs
        where dagster_event_type = 'ASSET_MATERIALIZATION' and asset_key is not null
        group by asset_key, partition
    )
"""


@dataclass
class Sensor:
    """Ticks of the automation sensor that follow one another, as the daemon has them evaluated."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursor: str | None = None

    def tick(self) -> int:
        """One of them; the number of runs it asks for."""
        repository = self.definitions.get_repository_def()
        sensor = repository.get_sensor_def("automation")
        context = dg.build_sensor_context(
            self.instance, self.cursor, repository_def=repository, sensor_name="automation"
        )
        data = sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return len(data.run_requests or [])


def least(work: Callable[[], int], repeats: int, expected: int | None = 0) -> float:
    """Fewest seconds of some calls, each of which must answer what is expected."""
    seconds = []
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        found = work()
        seconds.append(time.perf_counter() - started)
        if expected is not None and found != expected:
            raise RuntimeError(
                f"{work} found {found} in place of {expected}: what is measured is not what is meant"
            )
    return min(seconds)


def measure(
    instance: dg.DagsterInstance, definitions: dg.Definitions, days: Sequence[str], repeats: int
) -> dict[str, float]:
    """Seconds of everything on one instance."""
    sensor, book = Sensor(definitions, instance), Book(definitions, instance)
    dataset = dg.AssetKey(["features", "use_case_0"])
    storage: Any = instance.event_log_storage

    def tags() -> int:
        return len(
            storage.get_latest_tags_by_partition(
                dataset, DagsterEventType.ASSET_MATERIALIZATION, ["dagster/data_version"]
            )
        )

    def latest() -> int:
        with storage.index_connection() as connection:
            return len(connection.execute(sqlalchemy.text(LATEST_SQL)).fetchall())

    update_of(definitions, instance, days)  # it ends each update with a summary of what is known
    sensor.tick()  # the first has no cursor, and warms imports and caches
    sensor.tick()
    seconds = {
        TICK: least(sensor.tick, repeats),
        COLD: least(book.cold, repeats),
        WARM: least(book.warm, repeats),
    }
    seconds[STATUS] = least(lambda: status_of(definitions, instance), repeats)
    seconds[NOTHING] = least(lambda: update_of(definitions, instance, days), repeats)
    seconds[TAGS] = least(tags, max(repeats, 5), len(days))
    seconds[LATEST] = least(latest, max(repeats, 3), None)
    return seconds


def compare(name: str, by_days: Mapping[int, Mapping[str, float]]) -> None:
    """Report each figure beside that of the fewest days."""
    fewest, *more = sorted(by_days)
    for what in by_days[fewest]:
        for days in more:
            ours, base = by_days[days][what], by_days[fewest][what]
            counted = what in COUNTED
            ratio = max(0.0, ours - by_days[days][TAGS]) / base if counted else ours / base
            report(
                f"{name}, {what}, {days} days",
                f"{ours:.3f} s",
                f"{fewest} days: {base:.3f} s",
                ratio,
                most=MOST if counted else None,
            )


def main(arguments: list[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, nargs="+", default=[90, 365, 1095])
    parser.add_argument("--use-cases", type=int, default=10)
    parser.add_argument(
        "--storage", choices=["sqlite", "postgres"], nargs="+", default=["sqlite", "postgres"]
    )
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args(arguments)
    logging.disable(logging.INFO)  # of the sensor's own log
    definitions = project(options.use_cases)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        opened: dict[str, Callable[[Path, str], Any]] = {"sqlite": sqlite}
        if "postgres" in options.storage:
            if lacking := Server.missing():
                print(f"PostgreSQL is not measured: {lacking} needed")
            else:
                server = Server(folder)
                stack.enter_context(server.running())
                opened["postgres"] = server.instance
        for storage in [storage for storage in options.storage if storage in opened]:
            by_days = {}
            for count in sorted(options.days):
                days = [(FIRST_DAY + timedelta(days=n)).isoformat() for n in range(count)]
                with opened[storage](folder, f"{storage}_{count}") as instance:
                    fill(instance, definitions, days)
                    by_days[count] = measure(instance, definitions, days, options.repeats)
                shown = ", ".join(f"{what} {seconds:.3f} s" for what, seconds in by_days[count].items())
                print(f"{storage}, {count} days: {shown}", flush=True)
            compare(storage, by_days)


if __name__ == "__main__":
    main()
