"""``ml-platform features`` on a small store: what a person sees, and what scripts parse."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from samples.views import reading
from support.online import Bench, bench, day
from typer.testing import CliRunner, Result

from ml_platform.cli import features as commands
from ml_platform.errors import DataError, NotFoundError
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.orchestration.platform import Platform
from ml_platform.settings import Settings


@pytest.fixture
def b(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    made = bench(
        tmp_path, SQLiteOnlineStore(tmp_path / "online.db"), entity=("id", "shop"), ttl=dt.timedelta(days=3)
    )
    made.rows([row("a", 1, at=0, mean=1.5), row("b,c", 2, at=4, mean=float("nan")), row("d", 3, at=4)])
    settings = Settings(home=tmp_path)
    platform = Platform(settings, [reading("churn", made.view, "n")], [], dg.Definitions)
    monkeypatch.setattr(commands, "load_platform", lambda: platform)
    return made


def row(key: str, shop: int, at: int, mean: float | None = None) -> dict[str, Any]:
    return {"id": key, "shop": shop, "event_timestamp": day(at), "n": shop, "mean": mean}


def call(*arguments: str) -> Result:
    result = CliRunner(env={"COLUMNS": "60"}).invoke(commands.features, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def parsed(*arguments: str) -> Any:
    return json.loads(call(*arguments, "--json").stdout, parse_constant=pytest.fail)


def test_entities_of_composite_keys_are_read_by_the_clock_of_the_data(b: Bench) -> None:
    b.sync()
    found = parsed("get", "customers", "a,1", '"b,c",2', "nobody,9")
    assert [entity["status"] for entity in found] == ["expired", "found", "missing"]
    assert found[0] | {"n": None, "age_seconds": 4 * 86_400.0} == found[0]
    assert (found[1]["id"], found[1]["shop"], found[1]["mean"]) == ("b,c", 2, "nan")
    assert found[1]["event_timestamp"] == day(4).isoformat()
    assert found[2]["age_seconds"] is None
    assert parsed("get", "customers", "a,1", "--as-of", "2019-03-02")[0]["status"] == "found"
    shown = call("get", "customers", "a,1", "d,3").stdout
    assert "expired" in shown
    assert f"as of {day(4).isoformat()}" in shown


def test_mistakes_are_named(b: Bench) -> None:
    with pytest.raises(NotFoundError, match="customers was never synced"):
        call("get", "customers", "a,1")
    b.sync()
    for arguments, error, said in (
        (("get", "nope", "a,1"), NotFoundError, "no feature view 'nope'; there are: customers"),
        (("get", "customers", "a"), DataError, "'a' has 1 parts; the key of customers is id,shop"),
        (("get", "customers", "a,one"), DataError, "'one' is no int64, which key column shop is"),
        (("diff", "customers", "nobody,9"), NotFoundError, "no entity nobody,9, neither offline nor online"),
    ):
        with pytest.raises(error, match=said):
            call(*arguments)
    assert call("sync", "customers", "--rows-per-second", "0").exit_code == 2


def test_offline_and_online_are_shown_side_by_side(b: Bench) -> None:
    b.sync()
    assert call("diff", "customers", "a,1").exit_code == 0
    b.rows([row("a", 1, at=0, mean=2.5)])
    differing = call("diff", "customers", "a,1")
    assert differing.exit_code == 1
    assert "differs" in differing.stdout
    assert [line for line in parsed("diff", "customers", "a,1") if not line["equal"]] == [
        {"name": "mean", "offline": 2.5, "online": 1.5, "equal": False}
    ]


def test_a_view_is_described_even_before_its_first_sync_and_without_a_column(b: Bench) -> None:
    told = parsed("describe", "customers")
    assert (told["online"], told["rows"], told["consumers"]) == (None, None, {"churn": ["n"]})
    b.sync()
    b.rows([row("a", 1, at=6)])
    b.warehouse.execute("ALTER TABLE features.customers DROP mean")
    told = parsed("describe", "customers")
    assert told["offline"] == {"id": "string", "shop": "int64", "n": "int64", "mean": None}
    assert told["seconds_behind_offline"] == 2 * 86_400.0
    assert "churn: n" in call("describe", "customers").stdout


def test_a_view_is_paused_resumed_and_rid_of_its_old_tables(b: Bench) -> None:
    b.sync()
    assert "nothing is shipped until it is resumed" in call("pause", "customers").stdout
    assert parsed("describe", "customers")["paused"]
    call("resume", "customers")
    assert b.sync(full=True).completed
    assert "dropped: customers__v1" in call("drop-retired", "customers").stdout
    assert "there was nothing to drop" in call("drop-retired", "customers").stdout
