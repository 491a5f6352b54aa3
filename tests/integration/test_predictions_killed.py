"""Batch predictions that are killed at random: no day is ever half of one release and half of another."""

import random
from pathlib import Path

from samples import shop
from samples.killed import start

from ml_platform.warehouse.duckdb import DuckDBWarehouse

PREDICT = """
import sys
from pathlib import Path
import numpy as np
from samples import shop
from samples.candidates import manifest
from ml_platform.models.releases.manifest import Feature, Release, ReleaseFile
from ml_platform.predictions.batch import predict_days
from ml_platform.warehouse.duckdb import DuckDBWarehouse

class ByAmount:
    def predict(self, features):
        return features.column("amount").to_numpy() / 1000

def release(seed):
    features = [Feature(name="amount", type="double")]
    file = ReleaseFile(path="m", sha256=seed * 32, size=1)
    return Release.of("returns", (file,), manifest(features=features))

warehouse = DuckDBWarehouse(Path(sys.argv[1]))
for n in range(int(sys.argv[2])):
    seed = ["ab", "cd"][n % 2]
    made = predict_days(shop.use_case(), shop.days(10), warehouse, release(seed), ByAmount())
    print(n, flush=True)
print(";".join(f"{d.day} {d.rows} {d.version}" for d in made))
"""


def finished(path: Path) -> str:
    run = start(PREDICT, path, 1)
    output = run.communicate(timeout=120)[0].strip().splitlines()
    assert run.returncode == 0
    return output[-1]


def test_killed_at_random_each_call_is_whole_or_not_at_all(tmp_path: Path) -> None:
    for name in ("undisturbed", "killed"):
        shop.fill(DuckDBWarehouse(tmp_path / name), "shop.orders", shop.orders(10))
    warehouse, random_ = DuckDBWarehouse(tmp_path / "killed"), random.Random(7)
    for _ in range(5):
        run = start(PREDICT, tmp_path / "killed", 10_000)
        assert run.stdout is not None
        for _ in range(random_.randrange(1, 5)):
            run.stdout.readline()
        sum(range(random_.randrange(1, 3_000_000)))  # some work of this process, instead of a sleep
        run.kill()
        run.communicate()
        found = warehouse.table(
            "SELECT day, count(*) AS rows FROM predictions.returns GROUP BY day ORDER BY day"
        )
        assert found.column("rows").to_pylist() == [40] * 10
        assert warehouse.scalar("SELECT count(DISTINCT release) FROM predictions.returns") == 1
    assert finished(tmp_path / "killed") == finished(tmp_path / "undisturbed")
