"""Sources whose files come each hour, day or week, side by side."""

from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from ml_platform.cadence import Cadence
from ml_platform.errors import ConfigurationError
from ml_platform.ingestion.checks import landing_outcome, quarantine_outcome, tally
from ml_platform.ingestion.source import RawColumn, RawSource

HEADER = "id,seen,amount\n"
HOUR, NEXT_HOUR = "2024-03-01T13", "2024-03-01T14"
MONDAY, NEXT_MONDAY = "2024-02-26", "2024-03-04"


@pytest.fixture
def hourly(things: RawSource) -> RawSource:
    return things.model_copy(update={"name": "hourly", "cadence": Cadence.HOURLY})


@pytest.fixture
def weekly(things: RawSource) -> RawSource:
    return things.model_copy(update={"name": "weekly", "cadence": Cadence.WEEKLY})


def test_rows_belong_to_the_folders_hour(place, hourly: RawSource) -> None:
    place.drop(
        HOUR, "a.csv", HEADER + "a,2024-03-01T13:00:00Z,1\nb,2024-03-01T13:59:59.999999Z,1\n"
        "late,2024-03-01T14:00:00Z,1\nearly,2024-03-01T13:59:59+01:00,1\n", hourly,
    )  # fmt: skip
    (load,) = place.load(HOUR, source=hourly)
    assert (load.partition, load.rows, load.quarantined) == (HOUR, 2, 2)
    assert place.rows("id, hour", hourly) == [
        ("a", datetime(2024, 3, 1, 13, tzinfo=UTC)),
        ("b", datetime(2024, 3, 1, 13, tzinfo=UTC)),
    ]
    assert [reason for _, _, reason in place.quarantine()] == [
        f"seen is not in the folder's hour {HOUR}: 2024-03-01 14:00:00+00:00",
        f"seen is not in the folder's hour {HOUR}: 2024-03-01 12:59:59+00:00",
    ]


def test_rows_belong_to_the_folders_week(place, weekly: RawSource) -> None:
    place.drop(
        MONDAY, "a.csv", HEADER + "a,2024-02-26T00:00:00Z,1\nb,2024-03-03T23:59:59Z,1\nc,2024-03-04T00:00:00Z,1\n",
        weekly,
    )  # fmt: skip
    place.load(MONDAY, source=weekly)
    assert place.rows("id, week", weekly) == [("a", date(2024, 2, 26)), ("b", date(2024, 2, 26))]
    assert place.quarantine("reason, starts_at") == [
        (
            f"seen is not in the folder's week {MONDAY}: 2024-03-04 00:00:00+00:00",
            datetime(2024, 2, 26, tzinfo=UTC),
        )
    ]


def test_a_date_column_may_say_the_day_or_week_but_not_the_hour(place, things: RawSource) -> None:
    columns = {"id": RawColumn(kind="identifier"), "on": RawColumn(kind="date")}
    dated = RawSource(name="dated", columns=columns, cadence=Cadence.WEEKLY, partition_of="on")
    place.drop(MONDAY, "a.csv", "id,on\na,2024-03-03\nb,2024-03-04\n", dated)
    place.load(MONDAY, source=dated)
    assert place.rows("id", dated) == ["a"]
    with pytest.raises(
        ValidationError, match="partition_of 'on' is a date; of a hourly source it must be a timestamp"
    ):
        RawSource(name="dated", columns=columns, cadence=Cadence.HOURLY, partition_of="on")


def test_an_id_of_another_hour_is_a_duplicate_of_it(place, hourly: RawSource) -> None:
    for hour in (HOUR, NEXT_HOUR):
        place.drop(hour, "a.csv", HEADER + f"x,{hour}:00:00Z,1\n", hourly)
    assert [load.duplicates for load in place.load(HOUR, NEXT_HOUR, source=hourly)] == [0, 1]
    assert place.load(NEXT_HOUR, source=hourly)[0].duplicates == 1
    assert place.quarantine("reason")[-1] == (f"duplicate of id x of {HOUR}",)


def test_quarantine_keeps_sources_and_partitions_apart(
    place, things, hourly: RawSource, weekly: RawSource
) -> None:
    for source, key in ((things, MONDAY), (hourly, f"{MONDAY}T00"), (weekly, MONDAY)):
        place.drop(key, "a.csv", HEADER + f"a,{MONDAY}T00:00:00Z,1\n,{MONDAY}T00:00:00Z,1\n", source)
        place.load(key, source=source)
    told = [("hourly", f"{MONDAY}T00"), ("things", MONDAY), ("weekly", MONDAY)]
    assert sorted(place.quarantine("source, partition")) == told
    place.drop(MONDAY, "a.csv", HEADER, weekly)
    place.load(MONDAY, source=weekly)
    assert sorted(place.quarantine("source, partition")) == told[:2]


def test_a_quarantine_of_an_earlier_version_is_brought_along(place, things: RawSource) -> None:
    place.warehouse.execute("CREATE SCHEMA raw")
    place.warehouse.execute(
        "CREATE TABLE raw.quarantine AS SELECT 'things' AS source, DATE '2020-01-01' + unnest([0, 1]) AS day,"
        " 'f' AS file, 1::BIGINT AS row_number, 'old' AS reason, '{}' AS record"
    )
    place.drop("2020-01-02", "a.csv", HEADER + ",2020-01-02T00:00:00Z,1\nb,2020-01-02T00:00:00Z,1\n")
    place.load("2020-01-02")
    assert place.quarantine("partition, starts_at, reason") == [
        ("2020-01-01", datetime(2020, 1, 1, tzinfo=UTC), "old"),
        ("2020-01-02", datetime(2020, 1, 2, tzinfo=UTC), "id is missing"),
    ]
    assert "day" not in place.warehouse.columns("raw.quarantine")


def test_folders_are_found_and_judged_by_the_source_s_own_cadence(
    place, hourly: RawSource, weekly: RawSource
) -> None:
    for key in (NEXT_HOUR, HOUR, "2024-03-01", "2024-03-01T24"):
        place.drop(key, "a.csv", HEADER, hourly)
    for key in (NEXT_MONDAY, MONDAY, "2024-03-05", HOUR):
        place.drop(key, "a.csv", HEADER, weekly)
    assert place.folder.partitions(hourly) == [HOUR, NEXT_HOUR]
    assert place.folder.partitions(weekly) == [MONDAY, NEXT_MONDAY]
    assert place.folder.oddities(hourly) == [
        "hourly/2024-03-01: a day's folder, but the source is hourly; rename it to <YYYY-MM-DDThh>",
        "hourly/2024-03-01T24: not the name of an hour of 1900 to 2199; rename it to <YYYY-MM-DDThh>",
    ]
    assert place.folder.oddities(weekly) == [
        f"weekly/{HOUR}: an hour's folder, but the source is weekly; rename it to <YYYY-MM-DD>, a Monday",
        "weekly/2024-03-05: a Tuesday, but the source is weekly and its folders are Mondays; rename it to 2024-03-04",
    ]


def test_a_key_of_another_cadence_is_refused_before_anything_is_read(place, weekly: RawSource) -> None:
    with pytest.raises(
        ConfigurationError, match="'2024-03-05' is not the key of a week; write YYYY-MM-DD, a Monday"
    ):
        place.load("2024-03-05", source=weekly)
    assert not place.warehouse.exists("raw.weekly")


def test_a_required_source_is_measured_by_sources_of_its_cadence(place, things, hourly: RawSource) -> None:
    required = things.model_copy(update={"required": True})
    place.drop("2020-01-01", "a.csv", HEADER, required)
    place.drop("2020-01-02T00", "a.csv", HEADER, hourly)
    assert landing_outcome(place.folder, required, [required, hourly]).passed


def test_one_source_tells_of_folders_that_belong_to_none(place, things, weekly: RawSource) -> None:
    (place.landing / "thingz").mkdir(parents=True)
    told = [landing_outcome(place.folder, source, [weekly, things]) for source in (things, weekly)]
    assert [outcome.passed for outcome in told] == [False, True]
    assert "thingz: no such source; there are things, weekly" in told[0].description


def test_a_check_speaks_of_the_source_s_partitions(place, hourly: RawSource) -> None:
    place.drop(HOUR, "a.csv", HEADER + f",{HOUR}:00:00Z,1\nb,{HOUR}:00:00Z,1\n", hourly)
    loads = place.load(HOUR, source=hourly)
    outcome = quarantine_outcome(hourly, tally(place.warehouse, hourly), loads)
    assert f"1 hour is above 1.00%, worst is {HOUR} with 50.00%" in outcome.description
    assert outcome.metadata["worst_partition"] == HOUR


@pytest.mark.parametrize("cadence", Cadence)
def test_a_column_cannot_have_the_name_of_the_partition_column(cadence: Cadence) -> None:
    taken = {"id": RawColumn(kind="identifier"), cadence.column.upper(): RawColumn(kind="text")}
    with pytest.raises(
        ValidationError, match=f"cannot be named '{cadence.column}'; that is the partition column"
    ):
        RawSource(name="s", columns=taken, cadence=cadence)
    others = {c.column: RawColumn(kind="text") for c in Cadence if c is not cadence}
    assert RawSource(name="s", columns=others, cadence=cadence).schema.names[-1] == cadence.column


def test_columns_may_have_names_that_sql_knows(place) -> None:
    names = ("order", "group", "place", "reason", "id")
    columns = {name: RawColumn(kind="identifier") for name in names}
    odd = RawSource(name="odd", columns=columns, unique="order", unique_within="partition")
    row = ",".join("x" * len(names))
    place.drop("2020-01-01", "a.csv", f"{','.join(names)}\n{row}\n{row}\n", odd)
    (load,) = place.load("2020-01-01", source=odd)
    assert (load.rows, load.duplicates) == (1, 1)
    assert place.load("2020-01-02", source=odd)[0].rows == 0
