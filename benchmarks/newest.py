"""The newest row of each entity of a view with a history, beside ranking all of its rows; each in a process of its own.

python -m benchmarks.newest [--entities 200000] [--days 60]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.contestants import ROOT, report
from ml_platform.use_case import FeatureView

__all__ = ["main"]

FEATURES = tuple(f"f{n}" for n in range(8))
VIEW = FeatureView(name="customers", relation="features.customers", entity=("id",), features=FEATURES)


def fill(path: Path, entities: int, days: int) -> None:
    """A row an entity a day; every tenth entity ends on some day."""
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

    warehouse = DuckDBWarehouse(path)
    values = ", ".join(
        f"(hash(i * 31 + day * {n}) % 1000000) / 7.0 AS {name}" for n, name in enumerate(FEATURES)
    )
    with warehouse.session():
        warehouse.execute("CREATE SCHEMA features")
        for day in range(days):
            query = (
                f"SELECT 'customer-' || i AS id, t AS event_timestamp, t AS available_at, {values} FROM (SELECT i,"
                f" {day} AS day, TIMESTAMPTZ '2024-01-02 00:00+00' + to_days({day}) AS t FROM range({entities}) r(i))"
                f" WHERE hash(i) % 10 <> 0 OR hash(i, 1) % {days} >= {day}"
            )
            make = "INSERT INTO" if day else "CREATE TABLE"
            warehouse.execute(f"{make} {VIEW.relation} {'' if day else 'AS '}{query}")


def measure(path: Path, who: str) -> dict[str, float]:
    """Seconds and peak memory (MB) of reading the newest rows and their marks, ``ours`` or ``ranked``."""
    from ml_platform.features.sync.marks import marks_of
    from ml_platform.features.sync.newest import source_of
    from ml_platform.warehouse.duckdb import DuckDBWarehouse

    warehouse = DuckDBWarehouse(path, memory_limit="4GB")
    with warehouse.session():
        source = source_of(VIEW, warehouse)
        marks = marks_of(source, warehouse)
        assert marks
        query = source.newest(None, mark=marks.expression).sql
        if who == "ranked":
            query = (
                f"SELECT id, {', '.join(FEATURES)}, event_timestamp, _mark FROM (SELECT *, {marks.expression} AS _mark,"
                " RANK() OVER (PARTITION BY id ORDER BY event_timestamp DESC, available_at DESC) AS newest_rank"
                f" FROM {VIEW.relation}) AS ranked WHERE newest_rank = 1 ORDER BY id"
            )
        started = time.perf_counter()
        with warehouse.read(query) as reader:
            rows = sum(batch.num_rows for batch in reader)
        taken = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "seconds": taken, "peak_mb": peak}


def asked(path: Path, who: str) -> dict[str, float]:
    """Figures that a process of its own measured."""
    command = [sys.executable, "-m", "benchmarks.newest", "--measure", who, "--path", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entities", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--measure", choices=["ours", "ranked"], help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.path, options.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "warehouse.duckdb")
        fill(path, options.entities, options.days)
        found = {who: asked(path, who) for who in ("ours", "ranked")}
    assert found["ours"]["rows"] == found["ranked"]["rows"] == options.entities
    what = f"Newest rows of {options.entities:,} x {options.days} days"
    for told, figure, unit, least in (("", "seconds", "s", 2), (", peak memory", "peak_mb", "MB", 1)):
        ours, ranked = (found[who][figure] for who in ("ours", "ranked"))
        peer = f"ranked: {ranked:,.1f} {unit}"
        report(f"{what}{told}", f"{ours:,.1f} {unit}", peer, ranked / ours, least=least)


if __name__ == "__main__":
    main()
