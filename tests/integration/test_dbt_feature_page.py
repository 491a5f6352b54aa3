"""docs/feature_models.md, followed literally: hours, days and weeks of a source that is not payments."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from support.dbt_runs import run_dbt
from support.dbt_sql import PROJECT, Models

PAGE = Path(__file__).parents[2] / "docs" / "feature_models.md"
MODELS = ["login_features", "login_daily", "login_weekly"]
START = datetime(2024, 2, 24, 7, tzinfo=UTC)  # a Saturday
HOURS, DAY, WEEK = 24 * 18, timedelta(days=1), timedelta(days=7)
BUILD = ["build", "--exclude-resource-type", "unit_test", "--quiet"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dbt project of our macros and tests, and the files of the page."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("dbt_project.yml", "profiles.yml"):
        shutil.copy(PROJECT / name, folder / name)
    for name in ("macros", "tests"):
        shutil.copytree(PROJECT / name, folder / name)
    blocks = re.findall(r"```\w+\n(?:--|#) (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for path, text in blocks:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    assert {f"models/features/{model}.sql" for model in MODELS} <= {path for path, _ in blocks}
    return folder


def load(path: Path) -> Path:
    """Logins by hash, none in some hours; often at the same instant."""
    with duckdb.connect(path) as warehouse:
        warehouse.execute(
            """
            SET TimeZone = 'UTC';
            CREATE SCHEMA raw;
            CREATE TABLE raw.logins AS
            SELECT
                'l' || i AS login_id, t AS occurred_at, 'c' || hash(i) % 9 AS customer_id,
                'd' || hash(i, 1) % 4 AS device_id, (hash(i, 2) % 900)::BIGINT AS seconds, date_trunc('hour', t) AS hour
            FROM (
                SELECT i, $start::TIMESTAMPTZ + to_minutes((hash(i, 3) % ($hours * 6) * 10)::BIGINT) AS t
                FROM range(400) r(i)
            )
            """,
            {"start": START, "hours": HOURS},
        )
    return path


def tables(path: Path) -> dict[str, list[dict[str, Any]]]:
    with duckdb.connect(path, read_only=True) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        found = {m: warehouse.sql(f"FROM features.{m}").to_arrow_table().to_pylist() for m in MODELS}
        found["logins"] = warehouse.sql("FROM raw.logins").to_arrow_table().to_pylist()
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


@pytest.fixture(scope="module")
def full(project: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """Every partition at once, with the page's unit test."""
    path = load(tmp_path_factory.mktemp("full") / "warehouse.duckdb")
    run_dbt(path, ([], ["build", "--quiet"]), project=project)
    return tables(path)


def test_every_row_is_what_an_obvious_program_computes(full):
    logins = full["logins"]

    def of(customer: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        return [x for x in logins if x["customer_id"] == customer and start < x["occurred_at"] <= end]

    assert len(full["login_features"]) == len(logins)
    for row in full["login_features"]:
        t = row["occurred_at"]
        assert row["logins_1h"] == len(of(row["customer_id"], t - timedelta(hours=1), t))
        assert row["logins_7d"] == len(of(row["customer_id"], t - WEEK, t))
    customers = {x["customer_id"] for x in logins}
    just = timedelta(microseconds=1)
    last = max(x["occurred_at"] for x in logins)
    days = [START.replace(hour=0) + n * DAY for n in range((last - START.replace(hour=0)).days + 1)]
    months = {
        (customer, day): of(customer, day - 27 * DAY - just, day + DAY - just)
        for customer in customers
        for day in days
    }
    assert {(row["customer_id"], row["day"]): row["devices_28d"] for row in full["login_daily"]} == {
        (customer, day.date()): len({x["device_id"] for x in found})
        for (customer, day), found in months.items()
        if found
    }
    mondays = [day for day in [*days, days[-1] + DAY] if day.weekday() == 0 and day > days[0]]
    assert len(mondays) == 3  # the last begins when the data end
    assert {(row["customer_id"], row["week"]): row["logins_28d"] for row in full["login_weekly"]} == {
        (customer, monday.date()): len(months[customer, monday - DAY])
        for customer in customers
        for monday in mondays
        if months[customer, monday - DAY]
    }


def test_each_calendar_built_alone_and_in_pieces_gives_the_same(project, full, tmp_path):
    path = load(tmp_path / "warehouse.duckdb")
    build = {m: [*BUILD, "--select", m] for m in MODELS}
    end = START + timedelta(hours=HOURS)
    half = START + timedelta(hours=HOURS // 2)
    run_dbt(
        path,
        ([], ["run", "--quiet", "--select", "stg_logins"]),
        ([f"{half:%Y-%m-%dT%H}..{end:%Y-%m-%dT%H}"], build["login_features"]),
        (
            [f"{START:%Y-%m-%d}..{half:%Y-%m-%d}"],
            build["login_features"],
        ),  # days, some of them for the second time
        ([f"{half:%Y-%m-%d}..{end:%Y-%m-%d}"], build["login_daily"]),
        ([f"{START:%Y-%m-%d}..{half:%Y-%m-%d}"], build["login_daily"]),
        (["2024-03-11"], build["login_weekly"]),
        (["2024-02-26..2024-03-04"], build["login_weekly"]),
        project=project,
    )
    assert tables(path) == full


def test_an_hours_correction_replaces_that_hour(project, full, tmp_path):
    path = load(tmp_path / "warehouse.duckdb")
    hour = START + timedelta(hours=100)
    with duckdb.connect(path) as warehouse:
        warehouse.execute("UPDATE raw.logins SET customer_id = 'c0' WHERE hour = ?", [hour])
    run_dbt(path, ([], [*BUILD, "--select", "stg_logins login_features"]), project=project, chunk_events=20)
    with duckdb.connect(path) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        warehouse.execute("DELETE FROM raw.logins WHERE hour = ?", [hour])
    run_dbt(
        path,
        ([f"{hour:%Y-%m-%dT%H}..{hour + WEEK:%Y-%m-%dT%H}"], [*BUILD, "--select", "login_features"]),
        project=project,
    )
    with duckdb.connect(path) as warehouse:
        left = warehouse.execute(
            "SELECT count(*), count(*) FILTER (hour = ?) FROM features.login_features", [hour]
        ).fetchall()
    removed = sum(row["hour"] == hour for row in full["logins"])
    assert removed
    assert left == [(len(full["logins"]) - removed, 0)]


def test_a_model_that_names_no_cadence_is_told_its_events(project, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(project, folder)
    model = folder / "models" / "features" / "login_features.sql"
    model.write_text(model.read_text().replace(", cadence='hourly'", ""))
    path = load(tmp_path / "warehouse.duckdb")
    with pytest.raises(AssertionError, match="would be daily, but stg_logins is hourly"):
        run_dbt(path, ([], ["run", "--select", "stg_logins login_features"]), project=folder)


@pytest.fixture
def raw_logins() -> str:
    columns = {
        "login_id": "STRING",
        "occurred_at": "TIMESTAMP",
        "customer_id": "STRING",
        "device_id": "STRING",
        "seconds": "INT64",
        "hour": "TIMESTAMP",
    }
    selected = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns.items())
    return f"(SELECT {selected} FROM (SELECT 1) WHERE FALSE)"


@pytest.mark.parametrize("model", MODELS)
def test_googlesql_accepts_the_pages_models(googlesql, project, raw_logins, model):
    for keys in (["2024-03-01T08..2024-03-12"], ["2024-03-04", "2024-03-25"]):
        googlesql(Models("bigquery", {"logins": raw_logins}, keys, project / "models").sql(model))
