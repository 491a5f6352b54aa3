"""The contract of a warehouse, run on every backend; SQL is what all of them understand."""

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.warehouses import DAYS, SCHEMA, batch, ids, numbers

from ml_platform.errors import ConfigurationError, DataError, NotFoundError, SchemaMismatchError
from ml_platform.storage.folder import FolderStore
from ml_platform.warehouse.base import Warehouse


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


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


@pytest.mark.parametrize("query", ["SELECT missing FROM raw.things", "SELECT id FROM raw.missing"])
def test_a_query_of_what_is_not_there_is_told_with_its_name(warehouse: Warehouse, query: str) -> None:
    warehouse.create("raw.things", SCHEMA)
    with pytest.raises(SchemaMismatchError, match="missing"):
        warehouse.scalar(query)


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
    content = store.read(first.key)[0]
    (other,) = warehouse.export(f"SELECT n FROM {things} WHERE n > 1 ORDER BY n", store, "export/")
    assert other.key != first.key
    store.write(first.key, content[:-1] + b"?")
    assert warehouse.export(whole, store, "export/") == [first]
    assert store.read(first.key)[0] == content, "what is there may be damaged"


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


def test_threads_share_a_warehouse(warehouse: Warehouse) -> None:
    days = [date(2001, 1, 1) + timedelta(n) for n in range(12)]

    def work(day: date) -> int:
        warehouse.replace_partitions("raw.things", "day", [day], [batch(day, "a", "b")], SCHEMA)
        of_day = f"day = {warehouse.dialect.parameter('day')}"
        return warehouse.scalar(f"SELECT count(*) FROM raw.things WHERE {of_day}", {"day": day})

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, days)) == [2] * len(days)
    assert warehouse.scalar("SELECT count(*) FROM raw.things") == 2 * len(days)
