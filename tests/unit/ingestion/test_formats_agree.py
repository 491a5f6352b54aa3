"""The same rows say the same, whatever the format."""

import gzip
import io
import json
import uuid
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

DAY = "1999-12-31"
ROWS = [
    ("7", datetime(1999, 12, 31, 0, 0, tzinfo=UTC), 0.0, None),
    ("8", datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 0.1, 'a, "quoted"\nnote'),
    ("9", datetime(1999, 12, 31, 22, 30, tzinfo=UTC), 1e6, "ü"),
]
FORMATS = ["parquet", "csv", "csv.gz", "jsonl", "jsonl.gz", "ndjson", "ndjson.gz", "PARQUET"]


def parquet(ids: pa.DataType | None = None, unit: str = "us", zone: str | None = "UTC") -> bytes:
    columns = [list(column) for column in zip(*ROWS, strict=True)]
    arrays = [
        array_of(ids or pa.int64(), columns[0]),
        pa.array(columns[1], pa.timestamp("us", tz="UTC")).cast(pa.timestamp(unit, tz=zone), safe=False),
        pa.array(columns[2]),
        pa.array(columns[3]),
    ]
    sink = io.BytesIO()
    table = pa.Table.from_arrays(arrays, names=["id", "seen", "amount", "note"])
    pq.write_table(table.append_column("ignored", pa.array([[1]] * 3)), sink, row_group_size=2)
    return sink.getvalue()


def array_of(kind: pa.DataType, values: list[str]) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(values).dictionary_encode().cast(kind)
    return pa.array(map(int, values)).cast(kind)


def content(name: str) -> bytes:
    if name.lower() == "parquet":
        return parquet()
    if "csv" in name:
        text = (
            "\ufeffseen,ignored,id,amount,note\r\n1999-12-31T00:00:00Z,x,7,0,\r\n"
            '1999-12-31 23:59:59.9999995+00:00,,8,0.1,"a, ""quoted""\nnote"\r\n'
            "2000-01-01T00:30+02:00,,9,1e6,ü"
        ).encode()
    else:
        times = ["1999-12-31T00:00:00Z", "1999-12-31 23:59:59.999999Z", "2000-01-01T00:30:00+0200"]
        ids: list[object] = [7, "8", 9]
        rows = zip(ids, times, [0, 0.1, 1_000_000], [None, ROWS[1][3], "ü"], strict=True)
        text = "\n".join(
            json.dumps(dict(zip(["id", "seen", "amount", "note"], row, strict=True)) | {"ignored": {}})
            for row in rows
        ).encode()
    return gzip.compress(text) if name.endswith("gz") else text


def test_every_format_gives_the_same_rows_and_version(place) -> None:
    versions = set()
    for name in FORMATS:
        path = place.drop(DAY, f"any name.{name}", content(name))
        (load,) = place.load(DAY)
        assert place.rows("id, seen, amount, note") == ROWS
        assert place.quarantine() == []
        assert (load.rows, load.quarantined, load.files) == (3, 0, 1)
        versions.add(load.version)
        path.unlink()
    assert len(versions) == 1


@pytest.mark.parametrize(
    "ids",
    [
        pa.int8(),
        pa.uint64(),
        pa.string(),
        pa.large_string(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.decimal128(20, 0),
    ],
)
def test_identifiers_may_be_text_or_integers_of_any_width(place, ids: pa.DataType) -> None:
    place.drop(DAY, "a.parquet", parquet(ids=ids))
    place.load(DAY)
    assert place.rows() == ["7", "8", "9"]


@pytest.mark.parametrize(
    ("unit", "zone"), [("s", "UTC"), ("ms", "Asia/Tokyo"), ("ns", "UTC"), ("us", "+02:00")]
)
def test_times_may_have_any_unit_and_zone(place, unit: str, zone: str) -> None:
    place.drop(DAY, "a.parquet", parquet(unit=unit, zone=zone))
    place.load(DAY)
    found = place.rows("seen")
    assert [time.replace(second=0, microsecond=0) for time in found] == [
        time.replace(second=0, microsecond=0) for time in sorted(row[1] for row in ROWS)
    ]


def test_text_identifiers_are_kept_as_they_are(place) -> None:
    rows = ["007", " 7", "7.0", "9999999999999999999999", "NA", "null"]
    lines = "".join(f"{row},1999-12-31T00:00:00Z,1\n" for row in rows)
    place.drop(DAY, "a.csv", "id,seen,amount\n" + lines)
    place.load(DAY)
    assert place.rows() == sorted(rows)


def test_uuids_are_text(place) -> None:
    named = uuid.UUID(int=7)
    seen = pa.array([ROWS[0][1]], pa.timestamp("us", tz="UTC"))
    table = pa.table({"id": pa.array([named.bytes], pa.uuid()), "seen": seen, "amount": [1]})
    pq.write_table(table, place.path(DAY, "a.parquet"))
    place.load(DAY)
    assert place.rows() == [str(named)]


def test_large_integer_identifiers_lose_no_digit(place) -> None:
    lines = [{"id": 2**70 + 1, "seen": "1999-12-31T00:00:00Z", "amount": 1}]
    place.drop(DAY, "a.jsonl", "\n".join(map(json.dumps, lines)))
    place.load(DAY)
    assert place.rows() == [str(2**70 + 1)]


def test_a_missing_optional_column_and_an_all_null_column_are_null(place) -> None:
    seen = pa.array([ROWS[0][1]], pa.timestamp("us", tz="UTC"))
    table = pa.table({"id": ["a"], "seen": seen, "amount": [1], "note": pa.nulls(1)})
    pq.write_table(table, place.path(DAY, "a.parquet"))
    pq.write_table(table.drop(["note"]).set_column(0, "id", pa.array(["b"])), place.path(DAY, "b.parquet"))
    place.load(DAY)
    assert place.rows("id, note") == [("a", None), ("b", None)]
