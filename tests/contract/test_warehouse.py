"""The contract of a warehouse, run on every backend."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.errors import ConfigurationError, DataError, NotFoundError
from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb import DuckDBWarehouse

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("seen", pa.timestamp("us", tz="UTC")),
        ("amount", pa.float64()),
        ("day", pa.date32()),
    ]
)
DAYS = [date(1999, 12, 31), date(2000, 1, 1), date(2000, 1, 2)]


@pytest.fixture(params=["duckdb"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    return {"duckdb": lambda: DuckDBWarehouse(tmp_path / "warehouse.duckdb")}[request.param]()


def batch(day: date, *ids: str, amount: float | None = 1.5, schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    at = datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, tzinfo=UTC)
    return pa.RecordBatch.from_pylist(
        [{"id": i, "seen": at, "amount": amount, "day": day} for i in ids], schema
    )


def ids(warehouse: Warehouse) -> dict[date, list[str]]:
    rows = warehouse.table("SELECT id, day FROM raw.things ORDER BY day, id").to_pylist()
    return {
        day: [row["id"] for row in rows if row["day"] == day] for day in sorted({row["day"] for row in rows})
    }


def test_values_and_types_come_back_as_they_went_in(warehouse: Warehouse) -> None:
    schema = pa.schema([*SCHEMA, ("count", pa.int64()), ("flag", pa.bool_()), ("small", pa.int32())])
    row = {
        "id": "ü'\n", "seen": datetime(1999, 12, 31, 23, 59, 59, 123_456, tzinfo=UTC), "amount": 0.1,
        "day": DAYS[0], "count": 2**62, "flag": True, "small": -1,
    }  # fmt: skip
    rows = [row, dict.fromkeys(row) | {"day": DAYS[0]}]
    assert (
        warehouse.replace_partitions(
            "raw.things", "day", DAYS[:1], [pa.RecordBatch.from_pylist(rows, schema)], schema
        )
        == 2
    )
    assert warehouse.columns("raw.things") == {field.name: field.type for field in schema}
    result = warehouse.table("SELECT * FROM raw.things WHERE id IS NOT NULL")
    assert result.schema == schema
    assert result.to_pylist() == [row]


def test_replace_partitions_replaces_those_days_and_no_others(warehouse: Warehouse) -> None:
    warehouse.replace_partitions(
        "raw.things", "day", DAYS, [batch(DAYS[0], "a"), batch(DAYS[1], "b", "c")], SCHEMA
    )
    assert warehouse.replace_partitions("raw.things", "day", DAYS[1:], [batch(DAYS[2], "d")], SCHEMA) == 1
    assert ids(warehouse) == {DAYS[0]: ["a"], DAYS[2]: ["d"]}
    assert warehouse.replace_partitions("raw.things", "day", [], [], SCHEMA) == 0
    assert warehouse.replace_partitions("raw.things", "day", DAYS[2:], [], SCHEMA) == 0
    assert ids(warehouse) == {DAYS[0]: ["a"]}


def test_rows_of_other_days_are_refused_and_nothing_is_written(warehouse: Warehouse) -> None:
    warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "a")], SCHEMA)
    with pytest.raises(DataError, match=r"raw\.things"):
        warehouse.replace_partitions(
            "raw.things", "day", DAYS[:1], [batch(DAYS[0], "b"), batch(DAYS[1], "c")], SCHEMA
        )
    assert ids(warehouse) == {DAYS[0]: ["a"]}


def test_an_error_while_rows_are_made_leaves_the_old_rows_and_arrives_as_itself(warehouse: Warehouse) -> None:
    warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "a")], SCHEMA)

    def broken() -> Iterator[pa.RecordBatch]:
        yield batch(DAYS[0], "b")
        raise DataError("row 7 is odd")

    with pytest.raises(DataError, match="row 7 is odd"):
        warehouse.replace_partitions("raw.things", "day", DAYS[:1], broken(), SCHEMA)
    assert ids(warehouse) == {DAYS[0]: ["a"]}


def test_rows_may_be_made_from_the_same_table(warehouse: Warehouse) -> None:
    warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "a", "b")], SCHEMA)

    def copied() -> Iterator[pa.RecordBatch]:
        with warehouse.read("SELECT * FROM raw.things WHERE id = ?", ["b"]) as reader:
            yield from reader

    warehouse.replace_partitions("raw.things", "day", DAYS[:1], copied(), SCHEMA)
    assert ids(warehouse) == {DAYS[0]: ["b"]}


def test_the_rows_of_a_large_first_load_are_found_at_once(warehouse: Warehouse) -> None:
    schema = pa.schema([("n", pa.int64()), ("day", pa.date32())])
    rows = pa.table({"n": range(200_000), "day": [DAYS[0]] * 200_000}, schema=schema)
    with warehouse.session():
        warehouse.replace_partitions("raw.things", "day", DAYS[:1], rows.to_batches(50_000), schema)
        assert warehouse.scalar("SELECT max(n) FROM raw.things") == 199_999
        assert warehouse.scalar("SELECT count(*) FROM raw.things WHERE n = 150000") == 1
        assert warehouse.scalar("SELECT count(*) FROM raw.things a JOIN raw.things b USING (n)") == 200_000


def test_a_session_changes_nothing_but_the_time_it_takes(warehouse: Warehouse) -> None:
    with warehouse.session():
        warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "a")], SCHEMA)
        with warehouse.session():
            assert ids(warehouse) == {DAYS[0]: ["a"]}
        warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "b")], SCHEMA)
    assert ids(warehouse) == {DAYS[0]: ["b"]}


def test_missing_columns_are_added(warehouse: Warehouse) -> None:
    warehouse.create("raw.things", SCHEMA)
    warehouse.create("raw.things", SCHEMA)
    assert warehouse.exists("raw.things")
    warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "a")], SCHEMA)
    wider = SCHEMA.append(pa.field("noted", pa.timestamp("us", tz="UTC")))
    warehouse.replace_partitions("raw.things", "day", DAYS[1:2], [batch(DAYS[1], "b", schema=wider)], wider)
    assert warehouse.columns("raw.things")["noted"] == pa.timestamp("us", tz="UTC")
    warehouse.replace_partitions("raw.things", "day", DAYS[2:], [batch(DAYS[2], "c")], SCHEMA)
    assert ids(warehouse) == {DAYS[0]: ["a"], DAYS[1]: ["b"], DAYS[2]: ["c"]}


def test_what_is_not_there(warehouse: Warehouse) -> None:
    assert warehouse.columns("raw.nothing") == {}
    assert not warehouse.exists("raw.nothing")
    with pytest.raises(NotFoundError, match=r"raw\.nothing"):
        warehouse.partition_versions("raw.nothing", "day", DAYS)
    assert warehouse.scalar("SELECT 1 WHERE 1 = 2") is None


@pytest.mark.parametrize("name", ["raw.things; DROP TABLE x", "raw.", "", "a b", '"a"'])
def test_identifiers_are_checked(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(ConfigurationError):
        warehouse.columns(name)
    with pytest.raises(ConfigurationError):
        warehouse.replace_partitions(name, "day", DAYS, [], SCHEMA)


def test_parameters_are_bound(warehouse: Warehouse) -> None:
    assert warehouse.scalar("SELECT ?", ["'; DROP TABLE x; --"]) == "'; DROP TABLE x; --"
    assert warehouse.scalar("SELECT $a + $b", {"a": 1, "b": 2}) == 3
    warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "a", "b")], SCHEMA)
    warehouse.execute("DELETE FROM raw.things WHERE id = ?", ["a"])
    warehouse.execute("DELETE FROM raw.things WHERE day = $day", {"day": DAYS[1]})
    assert ids(warehouse) == {DAYS[0]: ["b"]}


def test_a_query_streams_in_order(warehouse: Warehouse) -> None:
    with warehouse.read("SELECT range AS n FROM range(100000) ORDER BY n DESC", batch_rows=1000) as reader:
        batches = [b.column("n") for b in reader]
    assert max(len(column) for column in batches) <= 2048
    assert [n for column in batches for n in column.to_pylist()] == list(range(99_999, -1, -1))


def test_a_reader_need_not_be_exhausted(warehouse: Warehouse) -> None:
    warehouse.create("raw.things", SCHEMA)
    with warehouse.read("SELECT range AS n FROM range(1000000)", batch_rows=1000) as reader:
        assert reader.read_next_batch().num_rows > 0
        assert warehouse.scalar("SELECT count(*) FROM raw.things") == 0
    warehouse.execute("DROP TABLE raw.things")


def test_times_are_utc(warehouse: Warehouse) -> None:
    zone = pa.timestamp("us", tz="Asia/Tokyo")
    schema = pa.schema([("seen", zone), ("day", pa.date32())])
    rows = pa.RecordBatch.from_pylist(
        [{"seen": datetime(2000, 1, 1, 20, tzinfo=UTC), "day": DAYS[1]}], schema
    )
    warehouse.replace_partitions("raw.times", "day", DAYS[1:2], [rows], schema)
    result = warehouse.table("SELECT seen, CAST(seen AS DATE) AS utc_day FROM raw.times")
    assert result.schema.field("seen").type == pa.timestamp("us", tz="UTC")
    assert result.to_pylist() == [{"seen": datetime(2000, 1, 1, 20, tzinfo=UTC), "utc_day": date(2000, 1, 1)}]


@pytest.mark.parametrize(
    ("rows", "files"), [(0, [0]), (9_999, [9_999]), (10_000, [10_000]), (25_001, [10_000] * 2 + [5_001])]
)
def test_export_writes_the_rows_in_order(
    warehouse: Warehouse, tmp_path: Path, rows: int, files: list[int]
) -> None:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "part-00099.parquet").write_bytes(b"of an export that was killed")
    sql = "SELECT range AS n, TIMESTAMPTZ '2000-01-01 00:00:00+00' AS seen FROM range(?) ORDER BY n DESC"
    written = warehouse.export_parquet(sql, folder, parameters=[rows], rows_per_file=10_000)
    assert written == sorted(folder.iterdir())
    assert [path.name for path in written] == [f"part-{i:05d}.parquet" for i in range(len(files))]
    tables = [pq.read_table(path) for path in written]
    assert [table.num_rows for table in tables] == files
    assert pa.concat_tables(tables)["n"].to_pylist() == list(range(rows - 1, -1, -1))
    assert tables[0].schema.field("seen").type == pa.timestamp("us", tz="UTC")


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
        "id = '1x'",
        "id = ''",
        "id = NULL",
        "amount = amount + 1e-13",
        "amount = NULL",
        "seen = seen + INTERVAL 1 MICROSECOND",
    ],
)
def test_one_changed_cell_gives_another_version_to_its_day_alone(warehouse: Warehouse, change: str) -> None:
    rows = [batch(day, *(f"{n}" for n in range(5)), amount=1.5) for day in DAYS]
    warehouse.replace_partitions("raw.things", "day", DAYS, rows, SCHEMA)
    before = warehouse.partition_versions("raw.things", "day", DAYS)
    warehouse.execute(f"UPDATE raw.things SET {change} WHERE id = '1' AND day = ?", [DAYS[1]])
    after = warehouse.partition_versions("raw.things", "day", DAYS)
    assert {day for day in DAYS if before[day] != after[day]} == {DAYS[1]}


def test_a_repeated_row_counts(warehouse: Warehouse) -> None:
    versions = set()
    for copies in (1, 2, 3):
        warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], *["a"] * copies)], SCHEMA)
        versions.add(warehouse.partition_versions("raw.things", "day", DAYS[:1])[DAYS[0]])
    assert len(versions) == 3


def test_threads_share_a_warehouse(warehouse: Warehouse) -> None:
    days = [date(2001, 1, 1) + timedelta(n) for n in range(12)]

    def work(day: date) -> int:
        warehouse.replace_partitions("raw.things", "day", [day], [batch(day, "a", "b")], SCHEMA)
        return warehouse.scalar("SELECT count(*) FROM raw.things WHERE day = ?", [day])

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, days)) == [2] * len(days)
    assert warehouse.scalar("SELECT count(*) FROM raw.things") == 2 * len(days)
