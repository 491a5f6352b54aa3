"""The contract of a dialect, run by the warehouse of every backend."""

from datetime import UTC, date, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from support.warehouses import DAYS, HOURS, numbers

from ml_platform.warehouse.base import Warehouse

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
        return  # the engine has no marks: whole rows are compared
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
