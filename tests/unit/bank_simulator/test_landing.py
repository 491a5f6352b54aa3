"""The landing folder of a simulated bank, and the command that fills it."""

import json
import re
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
from bank_simulator.messages import messages
from bank_simulator.sources import PAYMENTS, SOURCES, sources_of
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
        for source in SOURCES:
            folder = at_once / source.name / day.isoformat()
            rows = source.rows(BANK, day)
            assert folder.exists() == (rows.num_rows > 0)
            assert not rows.num_rows or pq.read_table(folder).equals(rows)
    customers = pq.read_table(at_once / "customers" / OPENED.isoformat())
    assert customers.num_rows == 80
    assert {path.parent.parent.name for path in at_once.glob("*/*/*")} == {
        "payments",
        "customers",
        "terminals",
        "fraud_reports",
        "messages",
        "resolutions",
    }
    for path in at_once.glob("*/*/*"):
        assert pq.read_metadata(path).num_rows > 0, "a source without news has no file"


@given(split=st.integers(min_value=1, max_value=len(DAYS) - 1))
@settings(max_examples=3, deadline=None)
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
    assert set(summary.rows.values()) == {0}
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


def test_somebody_elses_messages_are_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "messages" / "2019-05-01"
    theirs.mkdir(parents=True)
    (theirs / "ours.csv").touch()
    with pytest.raises(ConfigurationError, match=r"ours\.csv was not written by the simulator"):
        write_days(BANK, DAYS[:1], tmp_path)
    assert recall(tmp_path) is None
    earlier = BANK.model_copy(update={"version": 1})
    assert write_days(earlier, DAYS[:1], tmp_path).written == (DAYS[0],), "it writes no messages"


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


def test_payments_complete_a_day() -> None:
    assert SOURCES[-1] is PAYMENTS
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert sources_of(BANK) == SOURCES


def remembered_by_an_earlier_version(landing: Path) -> None:
    """Fills the folder with five days as the simulator did before it wrote messages."""
    earlier = BANK.model_copy(update={"version": 1})
    write_days(earlier, DAYS[:5], landing)
    memory = json.loads((landing / ".simulator.json").read_text())
    del memory["bank"]["drift_from"]
    (landing / ".simulator.json").write_text(json.dumps(memory))


def test_a_folder_of_an_earlier_version_is_continued_as_it_began(tmp_path: Path, at_once: Path) -> None:
    remembered_by_an_earlier_version(tmp_path)
    before = times(tmp_path)
    said = run("--days", "7", "--landing", str(tmp_path))
    assert "it has no messages and no resolutions" in said
    assert not (tmp_path / "messages").exists()
    assert not (tmp_path / "resolutions").exists()
    after = contents(tmp_path)
    assert {path: content for path, content in contents(at_once).items() if path in after} == after | {
        ".simulator.json": (at_once / ".simulator.json").read_bytes()
    }, "its payments are the same"
    assert {path for path, time in times(tmp_path).items() if before.get(path, time) != time} == {
        tmp_path / ".simulator.json"
    }


def test_a_folder_of_an_earlier_version_gets_messages_when_its_version_is_raised(
    tmp_path: Path, at_once: Path
) -> None:
    remembered_by_an_earlier_version(tmp_path)
    memory = (tmp_path / ".simulator.json").read_text()
    (tmp_path / ".simulator.json").write_text(memory.replace('"version": 1', '"version": 2'))
    run("--start", "2024-02-01", "--days", "12", "--landing", str(tmp_path))
    assert contents(tmp_path) == contents(at_once)


def test_the_drift_is_part_of_the_memory(tmp_path: Path) -> None:
    bank = ("--customers", "80", "--terminals", "30", "--seed", "5", "--landing", str(tmp_path))
    said = run("--start", "2024-02-01", "--days", "3", "--drift-from", "2024-02-04", *bank)
    assert "seed 5, drift from 2024-02-04" in said
    run("--days", "2", *bank)
    drifting = BANK.model_copy(update={"drift_from": date(2024, 2, 4)})
    assert pq.read_table(tmp_path / "messages" / "2024-02-05").equals(messages(drifting, date(2024, 2, 5)))
    before = times(tmp_path)
    with pytest.raises(ConfigurationError, match=r"drift_from 2024-02-04, not 2024-02-05.*--landing"):
        run("--days", "1", "--drift-from", "2024-02-05", *bank)
    assert times(tmp_path) == before


def test_a_drift_is_not_added_to_a_bank_without_one(tmp_path: Path) -> None:
    write_days(BANK, DAYS[:2], tmp_path)
    with pytest.raises(ConfigurationError, match="drift_from None, not 2024-03-01"):
        run("--days", "1", "--drift-from", "2024-03-01", "--landing", str(tmp_path))


def test_the_report_counts_what_happened_in_one_line(tmp_path: Path) -> None:
    said = run("--start", "2024-02-01", "--days", "3", "--customers", "80", "--landing", str(tmp_path))
    counted = r"\d+ payments, \d+ fraud reports, \d+ messages and \d+ resolutions of a bank with 80 customers"
    assert re.search(counted, said)
    assert len(said.strip().splitlines()) == 2


def test_the_default_landing_folder_is_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path))
    run("--days", "1", "--customers", "5", "--terminals", "3")
    assert len(simulated_days(tmp_path / "landing")) == 1
