"""The dbt project as dbt runs it: any order of days, interrupted or corrected, ends in the same tables, bit for bit."""

import os
import signal
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from support.dbt_runs import run_dbt, start_dbt

FIRST = date(2019, 12, 10)
TABLES = ("payment_features", "customer_daily", "terminal_daily")
LOUD_BUILD = ["build", "--exclude-resource-type", "unit_test"]
BUILD = [*LOUD_BUILD, "--quiet"]
DDL = """
    SET TimeZone = 'UTC';
    CREATE SCHEMA raw;
    CREATE TABLE raw.payments (
        payment_id VARCHAR, occurred_at TIMESTAMPTZ, customer_id VARCHAR, terminal_id VARCHAR, amount DOUBLE, day DATE
    );
    CREATE TABLE raw.customers (customer_id VARCHAR, x DOUBLE, y DOUBLE, day DATE);
    CREATE TABLE raw.terminals (terminal_id VARCHAR, x DOUBLE, y DOUBLE, day DATE);
    CREATE TABLE raw.fraud_reports (payment_id VARCHAR, reported_at TIMESTAMPTZ, day DATE);
    CREATE TABLE raw.messages (
        message_id VARCHAR, occurred_at TIMESTAMPTZ, customer_id VARCHAR, channel VARCHAR, language VARCHAR,
        text VARCHAR, day DATE
    );
    CREATE TABLE raw.resolutions (message_id VARCHAR, resolved_at TIMESTAMPTZ, team VARCHAR, day DATE);
    CREATE SCHEMA predictions;
    CREATE TABLE predictions.credit_limit (
        customer_id VARCHAR, occurred_at TIMESTAMPTZ, value DOUBLE, stage VARCHAR, release VARCHAR, promotion BIGINT,
        week DATE
    );
"""


def day(n: int) -> str:
    return str(FIRST + timedelta(days=n))


def load(path: Path, *, payments: int, days: int, places: bool = True) -> Path:
    """Payments spread evenly over the days, by hash; one in twelve is reported, days later."""
    with duckdb.connect(path) as warehouse:
        warehouse.execute(DDL)
        warehouse.execute(
            """
            INSERT INTO raw.payments
            SELECT 'p' || i, t, 'c' || hash(i) % 20, 't' || hash(i, 1) % 30, (hash(i, 2) % 30000) / 100, t::DATE
            FROM (
                SELECT i, $first::TIMESTAMPTZ + to_microseconds(($days * 86400000000 * i // $n)::BIGINT) AS t
                FROM range($n) r(i)
            )
            """,
            {"first": FIRST, "days": days, "n": payments},
        )
        warehouse.execute(
            """
            INSERT INTO raw.fraud_reports
            SELECT payment_id, t, t::DATE
            FROM (SELECT payment_id, occurred_at + to_hours((hash(payment_id) % 400)::BIGINT) AS t FROM raw.payments)
            WHERE hash(payment_id, 3) % 12 = 0
            """
        )
        if places:
            for entity, n in (("customer", 20), ("terminal", 30)):
                warehouse.execute(
                    f"INSERT INTO raw.{entity}s "
                    f"SELECT '{entity[0]}' || i, i % 7, i % 11, $first::DATE + (i % 9)::INT FROM range($n) r(i)",
                    {"first": FIRST, "n": n},
                )
    return path


def differing_rows(one: Path, other: Path) -> dict[str, int]:
    """Rows that are in one warehouse and not in the other, by table."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{one}' AS one (READ_ONLY); ATTACH '{other}' AS other (READ_ONLY)")
        query = """
            SELECT count(*) FROM (
                (FROM one.features.{0} EXCEPT ALL FROM other.features.{0}) UNION ALL
                (FROM other.features.{0} EXCEPT ALL FROM one.features.{0})
            )
        """
        assert all(connection.sql(f"SELECT count(*) FROM one.features.{t}").fetchall()[0][0] for t in TABLES)
        return {t: connection.sql(query.format(t)).fetchall()[0][0] for t in TABLES}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything at once, with the unit tests of the models."""
    path = load(tmp_path_factory.mktemp("full") / "warehouse.duckdb", payments=3000, days=60)
    run_dbt(path, ([], ["build", "--quiet"]))
    return path


def test_day_by_day_equals_all_at_once(full: Path, tmp_path: Path) -> None:
    path = load(tmp_path / "warehouse.duckdb", payments=3000, days=60)
    wrong = "UPDATE raw.payments SET customer_id = 'c1', amount = amount + 1 WHERE day = ?"
    with duckdb.connect(path) as warehouse:
        original = warehouse.sql(f"FROM raw.payments WHERE day = DATE '{day(20)}'").to_arrow_table()
        warehouse.execute(wrong, [day(20)])
    run_dbt(
        path,
        ([f"{day(0)}..{day(39)}"], BUILD),
        ([day(40)], BUILD),
        ([day(42), f"{day(44)}..{day(55)}"], BUILD),  # not every day, and not in order
        ([day(43), day(41)], BUILD),
        ([f"{day(50)}..{day(59)}"], BUILD),  # some of them again
    )
    assert differing_rows(full, path)["customer_daily"] > 0
    with duckdb.connect(path) as warehouse:
        warehouse.execute("DELETE FROM raw.payments WHERE day = ?", [day(20)])
        warehouse.execute("INSERT INTO raw.payments FROM original")
        assert original.num_rows
    run_dbt(path, ([f"{day(20)}..{day(20 + 37)}"], BUILD))
    assert differing_rows(full, path) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize(("chunk_events", "chunks"), [(1000, 2), (100, 4)])
def test_chunks_equal_all_at_once(full: Path, tmp_path: Path, chunk_events: int, chunks: int) -> None:
    path = load(tmp_path / "warehouse.duckdb", payments=3000, days=60)
    output = run_dbt(path, ([], LOUD_BUILD), chunk_events=chunk_events)
    assert f"({chunks} of {chunks})" in output
    assert differing_rows(full, path) == dict.fromkeys(TABLES, 0)


def test_a_day_that_lost_its_payments_loses_its_rows(tmp_path: Path) -> None:
    path = load(tmp_path / "warehouse.duckdb", payments=300, days=5)
    run_dbt(path, ([], BUILD))
    with duckdb.connect(path) as warehouse:
        warehouse.execute("DELETE FROM raw.payments WHERE day = ?", [day(2)])
    run_dbt(path, ([f"{day(1)}..{day(2)}"], BUILD))
    with duckdb.connect(path) as warehouse:
        left = warehouse.sql("SELECT DISTINCT day FROM features.payment_features ORDER BY day").fetchall()
    assert [str(d) for (d,) in left] == [day(0), day(1), day(3), day(4)]


def test_without_customers_and_terminals_there_is_no_distance(tmp_path: Path) -> None:
    path = load(tmp_path / "warehouse.duckdb", payments=200, days=3, places=False)
    run_dbt(path, ([], BUILD))
    with duckdb.connect(path) as warehouse:
        counts = warehouse.sql(
            "SELECT count(*), count(customer_home_distance) FROM features.payment_features"
        )
        assert counts.fetchall() == [(200, 0)]


def test_a_first_build_of_many_rows_is_found_again(tmp_path: Path) -> None:
    """DuckDB 2.0 loses rows that are inserted in the transaction of their table's CREATE TABLE AS, from 122,880 on."""
    path = load(tmp_path / "warehouse.duckdb", payments=130_000, days=10)
    run_dbt(path, ([], ["run", "--quiet", "--select", "+payment_features"]))
    with duckdb.connect(path) as warehouse:
        found = warehouse.sql("SELECT count(*), max(day) FROM features.payment_features").fetchall()
        of_a_day = warehouse.execute(
            "SELECT count(*) FROM features.payment_features WHERE day = ?", [day(9)]
        ).fetchall()
    assert found == [(130_000, FIRST + timedelta(days=9))]
    assert of_a_day == [(13_000,)]


def test_a_test_reads_only_the_days_that_are_built(tmp_path: Path) -> None:
    path = load(tmp_path / "warehouse.duckdb", payments=300, days=5)
    with duckdb.connect(path) as warehouse:
        warehouse.execute("UPDATE raw.payments SET amount = -1 WHERE day = ?", [day(1)])
    run_dbt(path, ([day(3)], BUILD))
    process = start_dbt(path, ([day(1)], BUILD))
    output, _ = process.communicate(timeout=600)
    assert process.returncode
    assert "stg_payments_amount_is_finite_and_not_negative" in output


@pytest.mark.parametrize(
    "line", ["customer_daily: ", "payment_features: ", "OK created sql partitions model features.payment"]
)
def test_killed_at_any_instant_the_next_build_completes_it(full: Path, tmp_path: Path, line: str) -> None:
    path = load(tmp_path / "warehouse.duckdb", payments=3000, days=60)
    run_dbt(path, ([f"{day(0)}..{day(30)}"], BUILD))
    later = ([f"{day(10)}..{day(59)}"], LOUD_BUILD)
    process = start_dbt(path, later)
    assert process.stdout
    for printed in process.stdout:
        if line in printed:
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with duckdb.connect(path) as warehouse:
        days = {
            warehouse.sql(f"SELECT count(DISTINCT day) FROM features.{t}").fetchall()[0][0] for t in TABLES
        }
    assert days <= {31, 60}  # all of the old rows, or all of the new
    run_dbt(path, later)
    assert differing_rows(full, path) == dict.fromkeys(TABLES, 0)
