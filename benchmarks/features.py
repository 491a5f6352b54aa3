"""Feature SQL through dbt: against the same windows written by hand, at ten times the data, and for one new day.

`--payments` sets the smaller size, `--times` the factor of the larger (1: leave it out).
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "dbt_project"
FIRST = date(2018, 4, 1)
DAYS = 183
MEMORY = "4GB"
OF_PAYMENTS = "+payment_features +customer_daily +terminal_daily"

# The shape of the Fraud Detection Handbook's data: 5,000 customers and 10,000 terminals to 1.75 million payments.
RAW = """
    SET TimeZone = 'UTC';
    SET preserve_insertion_order = false;
    CREATE SCHEMA raw;
    CREATE TABLE raw.payments (
        payment_id VARCHAR, occurred_at TIMESTAMPTZ, customer_id VARCHAR, terminal_id VARCHAR, amount DOUBLE, day DATE
    );
    INSERT INTO raw.payments
    SELECT
        'p' || i, t, 'c' || hash(i) % {customers}, 't' || hash(i, 1) % {terminals}, (hash(i, 2) % 30000) / 100, t::DATE
    FROM (
        SELECT
            i,
            TIMESTAMPTZ '{first} 00:00:00+00'
                + to_microseconds(({days} * 86400000000::HUGEINT * i // {payments})::BIGINT) AS t
        FROM range({payments}) r(i)
    );
    CREATE TABLE raw.customers AS
    SELECT 'c' || i AS customer_id, (hash(i) % 1000) / 10 AS x, (hash(i, 1) % 1000) / 10 AS y, DATE '{first}' AS day
    FROM range({customers}) r(i);
    CREATE TABLE raw.terminals AS
    SELECT 't' || i AS terminal_id, (hash(i) % 1000) / 10 AS x, (hash(i, 1) % 1000) / 10 AS y, DATE '{first}' AS day
    FROM range({terminals}) r(i);
    CREATE TABLE raw.fraud_reports AS
    SELECT payment_id, t AS reported_at, t::DATE AS day
    FROM (
        SELECT payment_id, occurred_at + to_hours((1 + hash(payment_id) % 400)::BIGINT) AS t
        FROM raw.payments WHERE hash(payment_id, 3) % 100 = 0
    );
"""

FRAMES = {
    "intervals": ("occurred_at", "INTERVAL '{0} days' - INTERVAL 1 MICROSECOND", "INTERVAL '{0} days'"),
    "integers": ("epoch_us(occurred_at)", "{0}::BIGINT * 86400000000 - 1", "{0}::BIGINT * 86400000000"),
}


def by_hand(frames: str) -> str:
    """The windows as one would write them in a notebook: mean by avg(), frauds counted whenever they were reported."""
    order, window, delay = FRAMES[frames]

    def over(by: str, days: int, delayed: int = 0) -> str:
        until = delay.format(delayed) + " PRECEDING" if delayed else "CURRENT ROW"
        first = window.format(days + delayed)
        return f"OVER (PARTITION BY {by} ORDER BY {order} RANGE BETWEEN {first} PRECEDING AND {until})"

    columns = []
    for days in (1, 7, 30):
        columns += [
            f"count(*) {over('customer_id', days)} AS customer_payments_{days}d",
            f"avg(amount) {over('customer_id', days)} AS customer_amount_mean_{days}d",
            f"count(*) {over('p.terminal_id', days, 7)} AS terminal_payments_{days}d",
            f"coalesce(avg(fraud) {over('p.terminal_id', days, 7)}, 0) AS terminal_fraud_share_{days}d",
        ]
    return f"""
        CREATE TABLE features.by_hand AS
        WITH p AS (
            SELECT payments.*, (payment_id IN (SELECT payment_id FROM raw.fraud_reports))::DOUBLE AS fraud
            FROM raw.payments
        )
        SELECT p.*, {", ".join(columns)},
            max(amount) {over("customer_id", 30)} AS customer_amount_max_30d,
            epoch(occurred_at) - epoch(lag(occurred_at) OVER (PARTITION BY customer_id ORDER BY {order})) AS since_last,
            count(*) {over("customer_id, p.terminal_id", 30)} AS customer_terminal_payments_30d,
            sqrt((c.x - t.x) ** 2 + (c.y - t.y) ** 2) AS customer_home_distance
        FROM p
        LEFT JOIN raw.customers c USING (customer_id)
        LEFT JOIN raw.terminals t ON p.terminal_id = t.terminal_id
    """


@dataclass(frozen=True)
class Cost:
    """The cost of one child process."""

    seconds: float
    cpu_seconds: float
    peak_mb: float

    def __str__(self) -> str:
        """For a person."""
        return f"{self.seconds:.1f} s ({self.cpu_seconds:.1f} s of CPU), peak memory {self.peak_mb:,.0f} MB"


def run(arguments: list[str], environment: dict[str, str]) -> Cost:
    """Run a Python of ours and say what it took."""
    started = time.perf_counter()
    pid = os.posix_spawn(sys.executable, [sys.executable, *arguments], {**os.environ, **environment})
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{arguments} failed")
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


def sql(warehouse: Path, statements: str) -> Cost:
    """Run SQL in a process of its own, with the memory that dbt has."""
    code = (
        "import duckdb, sys; w = duckdb.connect(sys.argv[1]);"
        f"w.execute(\"SET memory_limit='{MEMORY}'; SET TimeZone='UTC'; SET preserve_insertion_order=false;"
        'SET enable_progress_bar=false");'
        "w.execute(sys.argv[2])"
    )
    return run(["-c", code, str(warehouse), statements], {})


def dbt(warehouse: Path, select: str, days: str) -> tuple[Cost, dict[str, float]]:
    """Build models for some days; also says how many seconds each took within dbt."""
    target = warehouse.parent / "target"
    environment = {
        "ML_PLATFORM_WAREHOUSE_PATH": str(warehouse),
        "ML_PLATFORM_WAREHOUSE_MEMORY": MEMORY,
        "ML_PLATFORM_PARTITIONS": days,
        "DBT_TARGET_PATH": str(target),
        "DBT_LOG_PATH": str(target),
    }
    options = [
        "--project-dir",
        str(PROJECT),
        "--profiles-dir",
        str(PROJECT),
        "--exclude-resource-type",
        "unit_test",
    ]
    cost = run(
        [
            str(Path(sys.executable).with_name("dbt")),
            "--quiet",
            "build",
            "--select",
            *select.split(),
            *options,
        ],
        environment,
    )
    results: list[dict[str, Any]] = json.loads((target / "run_results.json").read_text())["results"]
    seconds = {
        r["unique_id"].split(".")[2]: r["execution_time"]
        for r in results
        if r["unique_id"].startswith("model.")
    }
    seconds["tests"] = sum(r["execution_time"] for r in results if r["unique_id"].startswith("test."))
    return cost, seconds


def at_size(payments: int) -> dict[str, float]:
    """Every figure of one size, printed; returns seconds."""
    shape = {"payments": payments, "customers": max(1, payments // 350), "terminals": max(1, payments // 175)}
    last = FIRST + timedelta(days=DAYS - 1)
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        warehouse = Path(folder) / "warehouse.duckdb"
        sql(warehouse, RAW.format(first=FIRST, days=DAYS, **shape) + "CREATE SCHEMA features;")
        print(f"features, {payments:,} payments of {DAYS} days", flush=True)
        for frames in FRAMES:
            cost = sql(warehouse, by_hand(frames))
            figures[frames] = cost.seconds
            print(f"  windows written by hand, frames of {frames}: {cost}", flush=True)
            sql(warehouse, "DROP TABLE features.by_hand; CHECKPOINT")
        cost, seconds = dbt(warehouse, "+payment_features", f"{FIRST}..{last}")
        figures["model"] = seconds["payment_features"]
        print(f"  dbt build +payment_features: {cost}; the model alone {figures['model']:.1f} s")
        for frames in FRAMES:
            print(
                f"    the model over hand-written frames of {frames}: {figures['model'] / figures[frames]:.2f} times"
            )
        cost, seconds = dbt(warehouse, OF_PAYMENTS, f"{FIRST}..{last}")
        figures["full"] = cost.seconds
        print(
            f"  dbt build of all models of payments: {cost}; "
            + ", ".join(f"{k} {v:.1f} s" for k, v in seconds.items() if v >= 0.5)
        )
        cost, seconds = dbt(warehouse, OF_PAYMENTS, str(last))
        print(
            f"  dbt build of one new day: {cost}; "
            + ", ".join(f"{k} {v:.1f} s" for k, v in seconds.items() if v >= 0.1)
        )
        print(f"    one new day over a full rebuild: {cost.seconds / figures['full']:.2f} times", flush=True)
    return figures


def main() -> None:
    """Prints the figures of both sizes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--payments", type=int, default=1_700_000)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    small = at_size(options.payments)
    if options.times > 1:
        large = at_size(options.payments * options.times)
        print(
            f"  {options.times} times the data: the model {large['model'] / small['model']:.1f} times as long"
        )


if __name__ == "__main__":
    main()
