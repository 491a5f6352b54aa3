"""A load that is killed at a random instant, and run again, gives what an undisturbed one gives."""

import os
import random
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from assets.bank.sources import PAYMENTS
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.load import load_partitions
from ml_platform.warehouse.duckdb import DuckDBWarehouse

DAYS = [date(2020, 1, 1) + timedelta(n) for n in range(6)]

LOAD = """
import sys
from pathlib import Path
from assets.bank.sources import PAYMENTS
from ml_platform.ingestion import load
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.warehouse.duckdb import DuckDBWarehouse
load.BYTES_AT_ONCE = 1
print("loading", flush=True)
landing = LandingFolder(Path(sys.argv[1]))
warehouse = DuckDBWarehouse(Path(sys.argv[2]))
load.load_partitions(PAYMENTS, sys.argv[3:], landing, warehouse, lambda text: print(text, flush=True))
"""


def drop(landing: Path, amount: int) -> None:
    for day in DAYS:
        folder = landing / "payments" / day.isoformat()
        folder.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"{day}-{n},{day}T00:00:00Z,c,t,{amount}\n" for n in range(2000))
        bad = f"same,{day}T00:00:00Z,c,t,{amount}\nbad,{day}T00:00:00Z,c,t,-1\n"
        (folder / "a.csv").write_text("payment_id,occurred_at,customer_id,terminal_id,amount\n" + rows + bad)


def state(warehouse: DuckDBWarehouse) -> Any:
    quarantine = "SELECT * FROM raw.quarantine ORDER BY ALL"
    return warehouse.partition_versions("raw.payments", "day", DAYS), warehouse.table(quarantine).to_pylist()


def test_a_killed_load_run_again_gives_the_same(tmp_path: Path) -> None:
    landing, random_ = tmp_path / "landing", random.Random(3)
    undisturbed = DuckDBWarehouse(tmp_path / "undisturbed.duckdb")
    disturbed = DuckDBWarehouse(tmp_path / "disturbed.duckdb")
    for amount in (1, 2):
        drop(landing, amount)
        for _ in range(4):
            command = [sys.executable, "-c", LOAD, str(landing), str(disturbed.path), *map(str, DAYS)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            for _ in range(random_.randrange(1, 6)):
                process.stdout.readline()
            for _ in range(random_.randrange(40_000)):  # some work of this process, instead of a sleep
                landing.exists()
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        for warehouse in (disturbed, undisturbed):
            load_partitions(PAYMENTS, map(str, DAYS), LandingFolder(landing), warehouse, lambda _: None)
        assert state(disturbed) == state(undisturbed)
        assert len(state(disturbed)[1]) == 2 * len(DAYS) - 1
