"""Partitions that are built: the keys that name them, the rows that they read, and how a table is configured."""

from pathlib import Path

import pytest
from dbt_common.exceptions import CompilationError
from support.dbt_sql import Models

HOURLY = "{{ replaces_partitions('events', lookback='36 hours', cadence='hourly') }}"
DAILY = "{{ replaces_partitions('events', lookback=1.5) }}"
WEEKLY = "{{ replaces_partitions('events', lookback=30, cadence='weekly') }}"
INSTANT = "{{ replaces_partitions('events', lookback=30, cadence='weekly', instant=true) }}"


@pytest.fixture
def model(tmp_path: Path):
    """A function that renders a model for some partitions, on DuckDB or BigQuery, without spaces at its ends."""

    def render(text: str, partitions: list[str] | None, dialect: str = "duckdb") -> Models:
        (tmp_path / "events.sql").write_text("select 1")
        (tmp_path / "model.sql").write_text(text)
        return Models(dialect, {}, partitions, tmp_path)

    return render


def rendered(models: Models) -> str:
    return " ".join(models.sql("model").split())


@pytest.mark.parametrize(
    ("of", "keys", "own"),
    [
        (DAILY, ["2024-03-01"], "(day between date '2024-03-01' and date '2024-03-01')"),
        (DAILY, ["2024-02-28..2024-03-01"], "(day between date '2024-02-28' and date '2024-03-01')"),
        (
            DAILY,
            ["2024-03-02", "2023-12-31", "2024-03-01"],
            (
                "(day between date '2023-12-31' and date '2023-12-31' or "
                "day between date '2024-03-01' and date '2024-03-02')"
            ),
        ),
        (DAILY, ["2024-03-01T22..2024-03-02T01"], "(day between date '2024-03-01' and date '2024-03-02')"),
        (
            HOURLY,
            ["2024-02-29T23..2024-03-01T00"],
            "(hour between timestamptz '2024-02-29 23:00:00+00' and timestamptz '2024-03-01 00:00:00+00')",
        ),
        (
            HOURLY,
            ["2024-03-01"],
            "(hour between timestamptz '2024-03-01 00:00:00+00' and timestamptz '2024-03-01 23:00:00+00')",
        ),
        (WEEKLY, ["2024-02-26"], "(week between date '2024-02-26' and date '2024-02-26')"),
        (WEEKLY, ["2024-03-01..2024-03-04"], "(week between date '2024-02-26' and date '2024-03-04')"),
        (INSTANT, ["2024-02-26"], "(week between date '2024-02-26' and date '2024-02-26')"),
        (DAILY, None, "true"),
    ],
)
def test_keys_name_the_models_own_partitions(model, of, keys, own):
    assert rendered(model(of + "{{ built_partitions() }}", keys)) == own


@pytest.mark.parametrize(
    ("of", "key", "read", "predicate"),
    [
        (DAILY, "2024-03-01", "1.5, 'a.day'", "(a.day between date '2024-02-28' and date '2024-03-01')"),
        (
            DAILY,
            "2024-03-01",
            "'36 hours', 'a.hour'",
            "(a.hour between timestamptz '2024-02-28 12:00:00+00' and timestamptz '2024-03-01 23:00:00+00')",
        ),
        (HOURLY, "2024-03-01T05", "1, 'day'", "(day between date '2024-02-29' and date '2024-03-01')"),
        (
            HOURLY,
            "2024-03-01T05",
            "'90 minutes'",
            "(hour between timestamptz '2024-03-01 03:00:00+00' and timestamptz '2024-03-01 05:00:00+00')",
        ),
        (WEEKLY, "2024-03-04", "30, 'day'", "(day between date '2024-02-03' and date '2024-03-10')"),
        (
            WEEKLY,
            "2024-03-04",
            "'1 week', 'a.week'",
            "(a.week between date '2024-02-26' and date '2024-03-04')",
        ),
        (INSTANT, "2024-03-04", "30, 'day'", "(day between date '2024-02-03' and date '2024-03-03')"),
        (INSTANT, "2024-03-04", "7, 'week'", "(week between date '2024-02-26' and date '2024-02-26')"),
        (
            INSTANT,
            "2024-03-04..2024-03-11",
            "1, 'day'",
            (
                "(day between date '2024-03-03' and date '2024-03-03' or "
                "day between date '2024-03-10' and date '2024-03-10')"
            ),
        ),
        (INSTANT, "2024-03-04", "0, 'day'", "(false)"),
        (
            DAILY,
            "2024-03-01",
            "0, 'loaded_on', 'daily'",
            "(loaded_on between date '2024-03-01' and date '2024-03-01')",
        ),
    ],
)
def test_what_is_read_is_said_in_the_cadence_of_what_is_read(model, of, key, read, predicate):
    assert rendered(model(of + f"{{{{ built_partitions({read}) }}}}", [key])) == predicate


@pytest.mark.parametrize(
    ("text", "keys", "message"),
    [
        (DAILY, ["2024-3-1"], "names no partitions"),
        (DAILY, ["a..b..c"], "names no partitions"),
        (DAILY, ["2024-03-02..2024-03-01"], "ends before it begins"),
        (DAILY + "{{ built_partitions(1, 'loaded_on') }}", None, "does not say its cadence"),
        ("{{ replaces_partitions('events', cadence='monthly') }}", None, "there are hourly, daily, weekly"),
        ("{{ replaces_partitions('events', lookback='a while') }}", None, "no length of time"),
    ],
)
def test_a_mistake_is_named(model, text, keys, message):
    with pytest.raises(CompilationError, match=message):
        model(text + "{{ built_partitions() }}", keys).sql("model")


def test_the_orchestration_finds_the_calendar_in_meta(model):
    found = model(INSTANT, None).config("model")
    expected = {
        "events": "events",
        "cadence": "weekly",
        "instant": True,
        "column": "week",
        "lookback_seconds": 2592000,
    }
    assert found["materialized"] == "partitions"
    assert found["meta"]["partitions"].items() >= expected.items()
    assert model(DAILY, None).config("model")["meta"]["partitions"]["lookback_seconds"] == 36 * 3600
    assert model(HOURLY, None).config("model")["meta"]["partitions"]["lookback_seconds"] == 36 * 3600


@pytest.mark.parametrize(
    ("of", "keys", "kind", "granularity", "partitions"),
    [
        (DAILY, ["2024-02-29..2024-03-01"], "date", "day", ["date '2024-02-29'", "date '2024-03-01'"]),
        (WEEKLY, ["2024-03-01..2024-03-05"], "date", "day", ["date '2024-02-26'", "date '2024-03-04'"]),
        (HOURLY, ["2024-03-01T05"], "timestamp", "hour", ["timestamp '2024-03-01 05:00:00+00'"]),
        (HOURLY, None, "timestamp", "hour", None),
    ],
)
def test_bigquery_overwrites_the_partitions_built(model, of, keys, kind, granularity, partitions):
    found = model(of, keys, "bigquery").config("model")
    assert found["incremental_strategy"] == "insert_overwrite"
    assert (found["partition_by"]["data_type"], found["partition_by"]["granularity"]) == (kind, granularity)
    assert found["partitions"] == partitions
