"""The landing folder of a simulated bank, and the command that fills it."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bank_simulator.bank import Bank
from bank_simulator.cli import simulate
from bank_simulator.landing import recall, simulated_days, write_days
from ml_platform.errors import ConfigurationError

OPENED = date(2024, 2, 1)
DAYS = [OPENED + timedelta(days=n) for n in range(12)]
BANK = Bank(customers=80, terminals=30, seed=5, opened=OPENED)


def contents(landing: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(landing)): path.read_bytes() for path in landing.rglob("*") if path.is_file()
    }


def times(landing: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in landing.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    landing = tmp_path_factory.mktemp("at_once")
    write_days(BANK, DAYS, landing)
    return landing


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command("simulate")(simulate)
    result = CliRunner().invoke(app, arguments, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_one_folder_a_day_for_each_source(at_once: Path) -> None:
    assert simulated_days(at_once) == DAYS
    for day in DAYS:
        assert pq.read_table(at_once / "payments" / day.isoformat()).equals(BANK.payments(day))
    customers = pq.read_table(at_once / "customers" / OPENED.isoformat())
    assert customers.num_rows == 80
    assert {path.parent.parent.name for path in at_once.glob("*/*/*")} == {
        "payments",
        "customers",
        "terminals",
        "fraud_reports",
    }
    for path in at_once.glob("*/*/*"):
        assert pq.read_metadata(path).num_rows > 0, "a source without news has no file"


@given(split=st.integers(min_value=1, max_value=len(DAYS) - 1))
@settings(max_examples=6, deadline=None)
def test_a_longer_run_continues_a_shorter_one(
    at_once: Path, tmp_path_factory: pytest.TempPathFactory, split: int
) -> None:
    landing = tmp_path_factory.mktemp("split")
    write_days(BANK, DAYS[:split], landing)
    write_days(BANK, DAYS[split:], landing)
    assert contents(landing) == contents(at_once)


def test_days_that_are_there_are_not_touched(tmp_path: Path) -> None:
    write_days(BANK, DAYS[:4], tmp_path)
    before = times(tmp_path)
    summary = write_days(BANK, DAYS[:4], tmp_path)
    assert summary.written == ()
    assert summary.unchanged == tuple(DAYS[:4])
    assert (summary.payments, summary.fraud_reports) == (0, 0)
    assert times(tmp_path) == before


def test_a_missing_or_damaged_file_is_written_again(tmp_path: Path, at_once: Path) -> None:
    write_days(BANK, DAYS, tmp_path)
    (tmp_path / "payments" / str(DAYS[2]) / "bank.parquet").unlink()
    (tmp_path / "payments" / str(DAYS[3]) / "bank.parquet").write_bytes(b"PAR1")
    assert write_days(BANK, DAYS, tmp_path).written == (DAYS[2], DAYS[3])
    assert contents(tmp_path) == contents(at_once)


def test_another_bank_is_refused_and_nothing_written(tmp_path: Path) -> None:
    write_days(BANK, DAYS[:2], tmp_path)
    before = times(tmp_path)
    with pytest.raises(ConfigurationError, match=r"seed 5, not 6.*--landing"):
        write_days(BANK.model_copy(update={"seed": 6}), DAYS[2:3], tmp_path)
    assert times(tmp_path) == before


def test_a_day_before_the_bank_opened_is_refused_and_nothing_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="opened on 2024-02-01"):
        write_days(BANK, [DAYS[1], OPENED - timedelta(days=1)], tmp_path)
    assert times(tmp_path) == {}


def test_somebody_elses_payments_are_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "payments" / "2019-05-01"
    theirs.mkdir(parents=True)
    (theirs / ".being-copied.csv").touch()
    (theirs / "ours.csv").touch()
    with pytest.raises(ConfigurationError, match=r"ours\.csv was not written by the simulator"):
        write_days(BANK, DAYS[:1], tmp_path)
    assert recall(tmp_path) is None
    assert not (tmp_path / "payments" / str(DAYS[0])).exists()


def test_a_file_beside_the_simulators_is_refused_before_its_day(tmp_path: Path) -> None:
    write_days(BANK, DAYS[:1], tmp_path)
    (tmp_path / "payments" / str(DAYS[0]) / "extra.csv").touch()
    write_days(BANK, DAYS[1:2], tmp_path)
    with pytest.raises(ConfigurationError, match=r"extra\.csv"):
        write_days(BANK, DAYS[:3], tmp_path)
    assert simulated_days(tmp_path) == DAYS[:2]


def test_an_unreadable_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".simulator.json").write_text("{}")
    with pytest.raises(ConfigurationError, match=r"\.simulator\.json does not describe a bank"):
        run("--landing", str(tmp_path))


def test_the_command_simulates_up_to_yesterday_and_then_says_so(tmp_path: Path) -> None:
    small = ("--customers", "20", "--terminals", "10", "--seed", "2", "--landing", str(tmp_path))
    assert "Simulated 90 days" in run(*small)
    days = simulated_days(tmp_path)
    assert days[-1] <= datetime.now(UTC).date()
    assert len(days) == 90
    before = times(tmp_path)
    assert "Up to date" in run("--landing", str(tmp_path), "--end", days[-1].isoformat())
    assert times(tmp_path) == before


def test_the_command_continues_the_bank_that_is_there(tmp_path: Path, at_once: Path) -> None:
    bank = ("--customers", "80", "--terminals", "30", "--seed", "5")
    landing = ("--landing", str(tmp_path))
    run("--start", "2024-02-01", "--days", "5", *bank, *landing)
    assert "Simulated 7 days, 2024-02-06 to 2024-02-12" in run("--days", "7", *landing)
    assert contents(tmp_path) == contents(at_once)
    with pytest.raises(ConfigurationError, match="customers 80, not 81"):
        run("--days", "1", "--customers", "81", *landing)


def test_the_default_landing_folder_is_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path))
    run("--days", "1", "--customers", "5", "--terminals", "3")
    assert len(simulated_days(tmp_path / "landing")) == 1
