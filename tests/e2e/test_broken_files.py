"""Files that are broken in different ways, beside good ones."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from support.project import ONE, Project

SMALL_BANK = (
    "--days", "4", "--end", "2018-06-04", "--customers", "60", "--terminals", "40", "--seed", "1",
)  # fmt: skip


def states(project: Project) -> dict[str, dict[str, object]]:
    return {asset["asset"]: asset for asset in json.loads(project("status", "--json").stdout)["assets"]}


def test_each_broken_file_is_named_and_only_what_reads_it_waits(tmp_path: Path) -> None:
    project = Project(tmp_path / "home")
    assert states(project)["raw/payments"]["partitions"] == 0
    project("simulate", *SMALL_BANK)
    payments = tmp_path / "home" / "landing" / "payments"
    shutil.copytree(payments, tmp_path / "good")
    lacking, torn = (next((payments / f"2018-06-0{day}").glob("*.parquet")) for day in (2, 3))
    pq.write_table(pq.read_table(lacking).drop_columns(["terminal_id"]), lacking)
    torn.write_bytes(torn.read_bytes()[:-100])
    (payments / "2018-6-5").mkdir()

    done = project("run", *ONE, check=False)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "payments/2018-06-02/bank.parquet: column terminal_id is missing" in said
    assert "payments/2018-06-03/bank.parquet cannot be read" in said
    assert "payments/2018-6-5: not the name of a day" in said
    assert "features/payment_features waits for raw/payments" in said
    assert "Traceback" not in said
    found = states(project)
    days = {name: asset["partitions"] for name, asset in found.items() if asset["partitions"] is not None}
    assert days["raw/payments"] == 2
    assert days["raw/customers"] == len(list((payments.parent / "customers").iterdir()))
    assert days["features/payment_features"] == 1
    assert found["card_fraud/dataset"]["stale"] == "never materialised"

    shutil.copytree(tmp_path / "good", payments, dirs_exist_ok=True)
    (payments / "2018-6-5").rmdir()
    said = project("run", *ONE, check=False).stdout
    assert "raw/payments, 2 days" in said
    assert "check labels of card_fraud/dataset failed: no event is older than 7 days" in said
    assert states(project)["features/payment_features"]["partitions"] == 4
    again = project("run", *ONE, check=False)
    assert again.stdout.count("nothing can be done") == 1
    assert again.returncode == 1
