"""The contract of a warehouse and of its dialect, run on every backend; SQL is what all of them understand."""

import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.errors import ConfigurationError, DataError, NotFoundError
from ml_platform.storage.folder import FolderStore
from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb import DuckDBWarehouse

BACKENDS: dict[str, Callable[[Path], Warehouse]] = {
    "duckdb": lambda folder: DuckDBWarehouse(folder / "warehouse.duckdb"),
}
"""A backend that is added is a line here."""

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("seen", pa.timestamp("us", tz="UTC")),
        ("amount", pa.float64()),
        ("day", pa.date32()),
    ]
)
GOLDEN = "07c78974aa9ddb1b193e5db854edd19aaf036beafd98f14c6c4951add2c9f3f4"
DAYS = [date(1999, 12, 31), date(2000, 1, 1), date(2000, 1, 2)]
HOURS = [datetime(2000, 1, 1, hour, tzinfo=UTC) for hour in range(3)]
HOURLY = pa.schema([("id", pa.string()), ("hour", pa.timestamp("us", tz="UTC"))])


@pytest.fixture(params=BACKENDS)
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Warehouse:
    return BACKENDS[request.param](tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


def numbers(warehouse: Warehouse, count: int) -> str:
    """A relation of the numbers from 0."""
    schema = pa.schema([("n", pa.int64()), ("day", pa.date32())])
    rows = pa.table({"n": range(count), "day": [DAYS[0]] * count}, schema=schema)
    warehouse.replace_partitions("raw.numbers", "day", DAYS[:1], rows.to_batches(50_000), schema)
    return "raw.numbers"


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
        wanted = f"id = {warehouse.dialect.parameter('id')}"
        with warehouse.read(f"SELECT * FROM raw.things WHERE {wanted}", {"id": "b"}) as reader:
            yield from reader

    warehouse.replace_partitions("raw.things", "day", DAYS[:1], copied(), SCHEMA)
    assert ids(warehouse) == {DAYS[0]: ["b"]}


def test_the_rows_of_a_large_first_load_are_found_at_once(warehouse: Warehouse) -> None:
    with warehouse.session():
        things = numbers(warehouse, 200_000)
        assert warehouse.scalar(f"SELECT max(n) FROM {things}") == 199_999
        assert warehouse.scalar(f"SELECT count(*) FROM {things} WHERE n = 150000") == 1
        assert warehouse.scalar(f"SELECT count(*) FROM {things} a JOIN {things} b USING (n)") == 200_000


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
    assert warehouse.scalar("SELECT one FROM (SELECT 1 AS one) AS ones WHERE one = 2") is None


@pytest.mark.parametrize("name", ["raw.things; DROP TABLE x", "raw.", "", "a b", '"a"'])
def test_identifiers_are_checked(warehouse: Warehouse, name: str) -> None:
    with pytest.raises(ConfigurationError):
        warehouse.columns(name)
    with pytest.raises(ConfigurationError):
        warehouse.replace_partitions(name, "day", DAYS, [], SCHEMA)


def test_parameters_are_bound(warehouse: Warehouse) -> None:
    a, b, gone = map(warehouse.dialect.parameter, ("a", "b", "gone"))
    assert warehouse.scalar(f"SELECT {a}", {"a": "'; DROP TABLE x; --"}) == "'; DROP TABLE x; --"
    assert warehouse.scalar(f"SELECT {a} + {b} + {a}", {"a": 1, "b": 2}) == 4
    warehouse.replace_partitions("raw.things", "day", DAYS[:1], [batch(DAYS[0], "a", "b")], SCHEMA)
    warehouse.execute(f"DELETE FROM raw.things WHERE id = {gone}", {"gone": "a"})
    warehouse.execute(f"DELETE FROM raw.things WHERE day = {gone}", {"gone": DAYS[1]})
    assert ids(warehouse) == {DAYS[0]: ["b"]}


def test_a_query_streams_in_order(warehouse: Warehouse) -> None:
    things = numbers(warehouse, 100_000)
    with warehouse.read(f"SELECT n FROM {things} ORDER BY n DESC", batch_rows=1000) as reader:
        batches = [b.column("n") for b in reader]
    assert max(len(column) for column in batches) < 10_000
    assert [n for column in batches for n in column.to_pylist()] == list(range(99_999, -1, -1))


def test_a_reader_need_not_be_exhausted(warehouse: Warehouse) -> None:
    warehouse.create("raw.things", SCHEMA)
    things = numbers(warehouse, 200_000)
    with warehouse.read(f"SELECT n FROM {things}", batch_rows=1000) as reader:
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


def parquet(store: FolderStore, key: str) -> pa.Table:
    return pq.read_table(io.BytesIO(store.read(key)[0]))


@pytest.mark.parametrize(
    ("rows", "files"), [(0, [0]), (9_999, [9_999]), (10_000, [10_000]), (25_001, [10_000] * 2 + [5_001])]
)
def test_export_writes_the_rows_in_order(
    warehouse: Warehouse, store: FolderStore, rows: int, files: list[int]
) -> None:
    store.write("export/other", b"is left alone")
    least = warehouse.dialect.parameter("least")
    written = warehouse.export(
        f"SELECT n, day FROM {numbers(warehouse, rows + 5)} WHERE n >= {least} ORDER BY n DESC",
        store,
        "export/",
        parameters={"least": 5},
        rows_per_file=10_000,
    )
    assert sorted(info.key for info in store.list()) == sorted([*(f.key for f in written), "export/other"])
    assert all(f.key.startswith("export/") and f.key.endswith(".parquet") for f in written)
    contents = [store.read(f.key)[0] for f in written]
    assert [f.sha256 for f in written] == [hashlib.sha256(content).hexdigest() for content in contents]
    assert [f.bytes for f in written] == [len(content) for content in contents]
    assert [f.rows for f in written] == files
    tables = [parquet(store, f.key) for f in written]
    assert [table.num_rows for table in tables] == files
    assert pa.concat_tables(tables)["n"].to_pylist() == list(range(rows + 4, 4, -1))
    assert tables[0].schema.types == [pa.int64(), pa.date32()]


def test_exports_of_other_rows_do_not_overwrite_each_other(warehouse: Warehouse, store: FolderStore) -> None:
    things = numbers(warehouse, 10)
    whole = f"SELECT n FROM {things} ORDER BY n"
    (first,) = warehouse.export(whole, store, "export/")
    generation = store.read(first.key)[1]
    (other,) = warehouse.export(f"SELECT n FROM {things} WHERE n > 1 ORDER BY n", store, "export/")
    assert other.key != first.key
    assert warehouse.export(whole, store, "export/") == [first]
    assert store.read(first.key)[1] == generation, "what is there is not written again"


def test_a_query_is_kept_for_several_others(warehouse: Warehouse, store: FolderStore) -> None:
    things, least = numbers(warehouse, 100), warehouse.dialect.parameter("least")
    with warehouse.temporary(f"SELECT n FROM {things} WHERE n >= {least}", {"least": 90}) as relation:
        kept = warehouse.dialect.quoted(relation)
        assert warehouse.columns(relation) == {"n": pa.int64()}
        assert warehouse.scalar(f"SELECT min(n) FROM {kept}") == 90
        with warehouse.temporary(f"SELECT n FROM {kept} WHERE n > 95") as other:
            (file,) = warehouse.export(f"SELECT n FROM {other} ORDER BY n", store, "kept/")
    assert parquet(store, file.key)["n"].to_pylist() == [96, 97, 98, 99]
    assert not warehouse.exists(relation)
    with pytest.raises(DataError, match="odd"), warehouse.temporary(f"SELECT n FROM {things}") as relation:
        raise DataError("row 7 is odd")
    assert not warehouse.exists(relation)


def hourly(*rows: tuple[str, datetime | None]) -> list[pa.RecordBatch]:
    return [pa.RecordBatch.from_pylist([{"id": i, "hour": hour} for i, hour in rows], HOURLY)]


def test_partitions_may_be_hours(warehouse: Warehouse) -> None:
    def rows() -> list[tuple[str, datetime]]:
        table = warehouse.table("SELECT id, hour FROM raw.hours ORDER BY hour, id").to_pydict()
        return list(zip(table["id"], table["hour"], strict=True))

    warehouse.replace_partitions("raw.hours", "hour", HOURS, hourly(("a", HOURS[0]), ("b", HOURS[1])), HOURLY)
    tokyo = HOURS[1].astimezone(timezone(timedelta(hours=9)))
    assert warehouse.replace_partitions("raw.hours", "hour", [tokyo], hourly(("c", tokyo)), HOURLY) == 1
    assert rows() == [("a", HOURS[0]), ("c", HOURS[1])]
    versions = warehouse.partition_versions("raw.hours", "hour", HOURS)
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


def test_any_name_can_name_a_column(warehouse: Warehouse, store: FolderStore) -> None:
    schema = pa.schema([("order", pa.int64()), ("select", pa.string()), ("group", pa.date32())])
    rows = pa.RecordBatch.from_pylist([{"order": n, "select": "x", "group": DAYS[0]} for n in (2, 1)], schema)
    where = {"select": "x"}
    assert warehouse.replace_partitions("raw.table", "group", DAYS, [rows], schema, where=where) == 2
    assert warehouse.partition_versions("raw.table", "group", DAYS, where=where)[DAYS[0]][1] == 2
    wider = schema.append(pa.field("where", pa.int64()))
    warehouse.create("raw.table", wider)
    assert warehouse.columns("raw.table") == dict(zip(wider.names, wider.types, strict=True))
    quoted = warehouse.dialect.quoted
    whole = f"SELECT * FROM {quoted('raw.table')} ORDER BY {quoted('order')}"
    assert warehouse.table(whole)["order"].to_pylist() == [1, 2]
    with warehouse.temporary(whole) as relation:
        (file,) = warehouse.export(f"SELECT * FROM {quoted(relation)}", store, "named/")
    assert parquet(store, file.key).column_names == wider.names


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


def test_threads_share_a_warehouse(warehouse: Warehouse) -> None:
    days = [date(2001, 1, 1) + timedelta(n) for n in range(12)]

    def work(day: date) -> int:
        warehouse.replace_partitions("raw.things", "day", [day], [batch(day, "a", "b")], SCHEMA)
        of_day = f"day = {warehouse.dialect.parameter('day')}"
        return warehouse.scalar(f"SELECT count(*) FROM raw.things WHERE {of_day}", {"day": day})

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, days)) == [2] * len(days)
    assert warehouse.scalar("SELECT count(*) FROM raw.things") == 2 * len(days)


KEYS = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.int64()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("on", pa.date32()),
        ("raw", pa.binary()),
        ("flag", pa.bool_()),
        ("day", pa.date32()),
    ]
)


def keyed(warehouse: Warehouse) -> None:
    rows = [
        {"text": f"t{n}", "number": n, "at": HOURS[n], "on": DAYS[n], "raw": bytes([n]), "flag": n == 1, "day": DAYS[0]}
        for n in range(3)
    ]  # fmt: skip
    rows.append(dict.fromkeys(KEYS.names) | {"day": DAYS[0]})
    batches = [pa.RecordBatch.from_pylist(rows, KEYS)]
    warehouse.replace_partitions("raw.keys", "day", DAYS[:1], batches, KEYS)


@pytest.mark.parametrize(
    ("column", "wanted", "found"),
    [
        ("text", ["t2", "t0", "none", "t0"], 2),
        ("number", [1], 1),
        ("at", [HOURS[0], HOURS[2].astimezone(timezone(timedelta(hours=5)))], 2),
        ("on", DAYS, 3),
        ("raw", [b"\x00"], 1),
        ("text", [], 0),
        ("at", [], 0),
    ],
)
def test_a_value_is_looked_up_in_a_list(
    warehouse: Warehouse, column: str, wanted: list[object], found: int
) -> None:
    keyed(warehouse)
    sql = warehouse.dialect
    for kind in [KEYS.field(column).type, *([None] if wanted else [])]:
        inside = sql.is_in(sql.quoted(column), "wanted", kind)
        query = f"SELECT count(*) FROM raw.keys WHERE {inside}"
        assert warehouse.scalar(query, {"wanted": wanted}) == found


def test_several_values_are_looked_up_together(warehouse: Warehouse) -> None:
    keyed(warehouse)
    sql = warehouse.dialect
    wanted = {"text": ["t0", "t1", "t2"], "number": [0, 2, 2], "at": [HOURS[0], HOURS[1], HOURS[2]]}
    for names, numbers_found in [
        (("text",), [0, 1, 2]),
        (("text", "number"), [0, 2]),
        (tuple(wanted), [0, 2]),
    ]:
        lists = {f"list_{name}": wanted[name] for name in names}
        together = sql.are_in([sql.quoted(name) for name in names], list(lists))
        found = warehouse.table(f"SELECT number FROM raw.keys WHERE {together} ORDER BY number", lists)
        assert found["number"].to_pylist() == numbers_found


def test_what_dialects_say_alike(warehouse: Warehouse) -> None:
    keyed(warehouse)
    sql = warehouse.dialect
    row = warehouse.table(
        f"SELECT {sql.micros(sql.quoted('at'))} AS micros, {sql.cast('number', pa.string())} AS as_text,"
        f" {sql.cast(sql.quoted('at'), pa.date32())} AS as_date, {sql.characters(sql.quoted('text'))} AS long,"
        f" {sql.hexadecimal(sql.quoted('raw'))} AS digits, {sql.hashed(['number', sql.quoted('text')])} AS hashed,"
        f" {sql.hashed(['number', sql.quoted('text')])} AS again FROM raw.keys WHERE number = 2"
    ).to_pylist()[0]
    micros = (HOURS[2] - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert 0 <= row["hashed"] == row.pop("again") < 2**63
    del row["hashed"]
    assert row == {"micros": micros, "as_text": "2", "as_date": date(2000, 1, 1), "long": 2, "digits": "02"}


def test_hashes_are_spread_evenly(warehouse: Warehouse) -> None:
    low = f"{warehouse.dialect.hashed(['n'])} < {2**62}"
    share = warehouse.scalar(f"SELECT count(*) FROM {numbers(warehouse, 20_000)} WHERE {low}") / 20_000
    assert 0.48 < share < 0.52


def test_marks_tell_rows_apart_to_the_bit(warehouse: Warehouse) -> None:
    schema = pa.schema(
        [
            ("text", pa.string()),
            ("number", pa.float64()),
            ("values", pa.list_(pa.float64())),
            ("at", pa.timestamp("us", tz="UTC")),
            ("day", pa.date32()),
        ]
    )
    mark = warehouse.dialect.mark({name: schema.field(name).type for name in schema.names})
    if mark is None:
        pytest.skip("the engine has no marks: whole rows are compared")
    texts, values = ["", "a", "null", None], [None, [], [0.0], [-0.0], [1.0, 2.0]]
    floats = [0.0, -0.0, 1.5, 0.1 + 0.2, 0.3, float("inf"), None]
    rows = [
        {"text": text, "number": number, "values": value, "at": HOURS[0], "day": DAYS[0]}
        for text in texts
        for number in floats
        for value in values
    ]
    rows.append(rows[0] | {"at": HOURS[0] + timedelta(microseconds=1)})
    batches = [pa.RecordBatch.from_pylist(rows, schema)]
    warehouse.replace_partitions("raw.marked", "day", DAYS[:1], batches, schema)
    marks = warehouse.table(f"SELECT {mark} AS mark FROM raw.marked")["mark"].to_pylist()
    assert all(0 <= mark < 2**64 for mark in marks)
    assert len(set(marks)) == len(rows)
    assert marks == warehouse.table(f"SELECT {mark} AS mark FROM raw.marked")["mark"].to_pylist()
    assert isinstance(warehouse.scalar(f"SELECT {warehouse.dialect.mark_scheme}"), str)
