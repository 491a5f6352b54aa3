"""Batch predictions that are killed at random: no partition is ever half of one scoring and half of another."""

import random
from pathlib import Path

from samples import shop
from samples.killed import start

from ml_platform.warehouse.duckdb import DuckDBWarehouse

PREDICT = """
import sys
from pathlib import Path
from samples import shop
from samples.scorers import by_items, scorer
from ml_platform.cadence import Cadence
from ml_platform.predictions.batch import predict_partitions
from ml_platform.predictions.scorers import Scorers
from ml_platform.predictions.table import batch_scoring
from ml_platform.warehouse.duckdb import DuckDBWarehouse

use_case, warehouse = shop.use_case(), DuckDBWarehouse(Path(sys.argv[1]))
scoring = batch_scoring(use_case, use_case.batch_predictions[0])
keys = [day.isoformat() for day in shop.days(10)]
for n in range(int(sys.argv[2])):
    champion = scorer(["ab", "cd"][n % 2], promotion=n + 1)
    shadow = scorer("ef", by_items, stage="trial")
    made = predict_partitions(scoring, Cadence.DAILY, keys, warehouse, Scorers(champion, (shadow,)))
    print(n, flush=True)
rows = [*made.champion, *made.shadows["trial"]]
print(";".join(f"{p.key} {p.rows} {p.release} {p.version}" for p in rows))
"""

# In each partition: releases of each stage, their rows, and promotions (one scoring writes one of each release).
WHOLE = """
SELECT day, stage, release, count(*) AS rows, count(DISTINCT promotion) AS promotions
FROM predictions.returns GROUP BY ALL
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
        for row in warehouse.table(WHOLE).to_pylist():
            assert (row["rows"], row["promotions"]) == (40, 1), row
        by_stage = warehouse.table(
            "SELECT stage, count(DISTINCT day) AS days FROM predictions.returns GROUP BY stage ORDER BY stage"
        )
        assert by_stage.column("days").to_pylist()[0] == 10, "the champion's are written first"
    assert finished(tmp_path / "killed") == finished(tmp_path / "undisturbed")
