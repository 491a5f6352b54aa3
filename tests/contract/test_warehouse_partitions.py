"""The contract of a warehouse's partitions and data versions, run on every backend."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pytest
from support.warehouses import DAYS, HOURS, SCHEMA, batch, ids

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.warehouse.base import Warehouse

HOURLY = pa.schema([("id", pa.string()), ("hour", pa.timestamp("us", tz="UTC"))])
GOLDEN = "07c78974aa9ddb1b193e5db854edd19aaf036beafd98f14c6c4951add2c9f3f4"


def hourly(*rows: tuple[str, datetime | None]) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist([{"id": i, "hour": hour} for i, hour in rows], HOURLY)]


def test_partitions_may_be_hours(warehouse: Warehouse) -> None:
    def rows() -> list[tuple[str, datetime]]:
        table = warehouse.table("SELECT id, hour FROM raw.hours ORDER BY hour, id").to_pydict()
        return list(zip(table["id"], table["hour"], strict=True))

    warehouse.replace_partitions("raw.hours", "hour", HOURS, hourly(("a", HOURS[0]), ("b", HOURS[1])), HOURLY)
    tokyo = HOURS[1].astimezone(timezone(timedelta(hours=9)))
    assert warehouse.replace_partitions("raw.hours", "hour", [tokyo], hourly(("c", HOURS[1])), HOURLY) == 1
    assert rows() == [("a", HOURS[0]), ("c", HOURS[1])]
    versions = warehouse.partition_versions("raw.hours", "hour", [HOURS[0], tokyo, HOURS[2]])
    assert [versions[hour][1] for hour in HOURS] == [1, 1, 0]
    for stray in (HOURS[1] + timedelta(microseconds=1), None):
        with pytest.raises(DataError, match=r"raw\.hours"):
            warehouse.replace_partitions("raw.hours", "hour", HOURS[1:2], hourly(("d", stray)), HOURLY)
    assert rows() == [("a", HOURS[0]), ("c", HOURS[1])]


@pytest.mark.parametrize(
    "values",
    [DAYS, [HOURS[0], DAYS[0]], [HOURS[0].replace(tzinfo=None)]],
    ids=["dates", "mixed", "naive"],
)
def test_partitions_that_do_not_fit_the_column_are_refused(warehouse: Warehouse, values: list[date]) -> None:
    with pytest.raises(ConfigurationError):
        warehouse.replace_partitions("raw.hours", "hour", values, [], HOURLY)


def released(release: str | None, day: date, *ids: str) -> pa.RecordBatch:
    schema = SCHEMA.append(pa.field("release", pa.string()))
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rows = [{"id": i, "seen": at, "amount": 1.5, "day": day, "release": release} for i in ids]
    return pa.RecordBatch.from_pylist(rows, schema)


def test_only_rows_that_match_are_replaced_and_counted(warehouse: Warehouse) -> None:
    schema = SCHEMA.append(pa.field("release", pa.string()))

    def replace(release: str, *batches: pa.RecordBatch) -> int:
        where = {"release": release}
        return warehouse.replace_partitions("raw.things", "day", DAYS[:1], batches, schema, where=where)

    assert replace("one", released("one", DAYS[0], "a", "b")) == 2
    assert replace("two", released("two", DAYS[0], "c")) == 1
    assert ids(warehouse) == {DAYS[0]: ["a", "b", "c"]}
    assert replace("one", released("one", DAYS[0], "d")) == 1
    assert ids(warehouse) == {DAYS[0]: ["c", "d"]}
    for stray in (released("two", DAYS[0], "e"), released(None, DAYS[0], "e"), released("one", DAYS[1], "e")):
        with pytest.raises(DataError, match=r"raw\.things.*'release': 'one'"):
            replace("one", released("one", DAYS[0], "f"), stray)
    assert ids(warehouse) == {DAYS[0]: ["c", "d"]}
    assert replace("two") == 0
    assert ids(warehouse) == {DAYS[0]: ["d"]}
    for where in ({"release": None}, {"colour": "red"}):
        with pytest.raises(ConfigurationError):
            warehouse.replace_partitions("raw.things", "day", DAYS[:1], [], schema, where=where)


def test_versions_are_of_rows_that_match(warehouse: Warehouse) -> None:
    one, two = released("one", DAYS[0], "a", "b"), released("two", DAYS[0], "c")
    warehouse.replace_partitions("raw.alone", "day", DAYS, [one], one.schema)
    warehouse.replace_partitions("raw.things", "day", DAYS, [one, two], one.schema)
    alone = warehouse.partition_versions("raw.alone", "day", DAYS)
    assert warehouse.partition_versions("raw.things", "day", DAYS, where={"release": "one"}) == alone
    assert warehouse.partition_versions("raw.things", "day", DAYS)[DAYS[0]] != alone[DAYS[0]]
    with pytest.raises(ConfigurationError):
        warehouse.partition_versions("raw.things", "day", DAYS, where={"release": None})


def test_a_version_depends_on_content_alone(warehouse: Warehouse) -> None:
    rows = [batch(DAYS[1], f"{n}", amount=n / 7) for n in range(50)]
    warehouse.replace_partitions("raw.things", "day", DAYS[1:2], rows, SCHEMA)
    first = warehouse.partition_versions("raw.things", "day", DAYS)
    assert list(first) == DAYS
    assert [count for _, count in first.values()] == [0, 50, 0]
    assert first[DAYS[0]] == first[DAYS[2]] != first[DAYS[1]]
    turned = pa.schema([SCHEMA.field(i) for i in (3, 1, 0, 2)])
    whole = pa.Table.from_batches(rows[::-1]).select(turned.names).combine_chunks()
    warehouse.replace_partitions("raw.others", "day", DAYS[1:2], whole.to_batches(), turned)
    assert warehouse.partition_versions("raw.others", "day", DAYS) == first


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1x"},
        {"id": ""},
        {"id": None},
        {"amount": 1.5 + 1e-13},
        {"amount": None},
        {"seen": datetime(2000, 1, 1, 0, 0, 0, 1, tzinfo=UTC)},
    ],
)
def test_one_changed_cell_gives_another_version_to_its_day_alone(
    warehouse: Warehouse, change: dict[str, object]
) -> None:
    seen = datetime(2000, 1, 1, tzinfo=UTC)
    rows = [{"id": f"{n}", "seen": seen, "amount": 1.5, "day": day} for day in DAYS for n in range(5)]

    def versions() -> dict[date, tuple[str, int]]:
        batches = [pa.RecordBatch.from_pylist(rows, SCHEMA)]
        warehouse.replace_partitions("raw.things", "day", DAYS, batches, SCHEMA)
        return warehouse.partition_versions("raw.things", "day", DAYS)

    before = versions()
    rows[6] |= change
    after = versions()
    assert {day for day in DAYS if before[day] != after[day]} == {DAYS[1]}


def test_a_version_is_what_it_was_in_every_release_and_on_every_engine(warehouse: Warehouse) -> None:
    schema = pa.schema(
        [
            *SCHEMA,
            ("n", pa.int64()),
            ("flag", pa.bool_()),
            ("raw", pa.binary()),
            ("price", pa.decimal128(9, 2)),
        ]
    )
    amounts = [0.1, -0.0, 1e300, 5e-324, 123456.789, 2.0**60, 1e16, 1.5e-7, float("inf"), float("nan"), None]
    rows = [
        {
            "id": "ü|'" * n, "seen": datetime(1969, 12, 31, 23, tzinfo=UTC), "amount": amount, "day": DAYS[0],
            "n": -n, "flag": n % 2 == 0, "raw": bytes([n, 255]), "price": Decimal(n) / 4,
        }
        for n, amount in enumerate(amounts)
    ]  # fmt: skip
    batches = [pa.RecordBatch.from_pylist(rows, schema)]
    warehouse.replace_partitions("raw.things", "day", DAYS[:1], batches, schema)
    assert warehouse.partition_versions("raw.things", "day", DAYS[:1]) == {DAYS[0]: (GOLDEN, len(amounts))}


def test_a_repeated_row_counts(warehouse: Warehouse) -> None:
    versions = set()
    for copies in (1, 2, 3):
        warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], *["a"] * copies)], SCHEMA)
        versions.add(warehouse.partition_versions("raw.things", "day", DAYS[:1])[DAYS[0]])
    assert len(versions) == 3
