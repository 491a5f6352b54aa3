"""Files that are refused by name, before anything of their days is loaded."""

import gzip
import io
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.errors import DataError, SchemaMismatchError, UnreadableFileError
from ml_platform.ingestion.readers import check_columns, read_rows

DAY, NEXT = "2020-01-01", "2020-01-02"
HEADER = "id,seen,amount\n"
GOOD = HEADER + "a,2020-01-01T10:00:00Z,1\n"
NEXT_GOOD = HEADER + "n,2020-01-02T10:00:00Z,1\n"


def parquet(**columns: pa.Array | None) -> bytes:
    whole: dict[str, pa.Array | None] = {
        "id": pa.array(["x", "y"] * 500),
        "seen": pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * 1000, pa.timestamp("us", tz="UTC")),
        "amount": pa.array([1.0] * 1000),
    }
    sink = io.BytesIO()
    pq.write_table(pa.table({k: v for k, v in (whole | columns).items() if v is not None}), sink)
    return sink.getvalue()


def flipped() -> bytes:
    """A file whose pages have checksums, one bit of an amount turned over."""
    sink, amounts = io.BytesIO(), pa.array([1.0 + n for n in range(1000)])
    seen = pa.array([datetime(2020, 1, 1, tzinfo=UTC)] * 1000, pa.timestamp("us", tz="UTC"))
    table = pa.table({"id": [str(n) for n in range(1000)], "seen": seen, "amount": amounts})
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_page_checksum=True)
    content = bytearray(sink.getvalue())
    content[content.index(np.float64(500).tobytes())] ^= 1
    return bytes(content)


def json_lines(**values: str) -> str:
    row = {"id": '"x"', "seen": '"2020-01-01T10:00:00Z"', "amount": "1"} | values
    return "{" + ", ".join(f'"{k}": {v}' for k, v in row.items() if v) + "}\n"


NAIVE = pa.array([datetime(2020, 1, 1)] * 1000, pa.timestamp("ns"))  # noqa: DTZ001 (it lacks a zone on purpose)
NOT_UTF8 = pa.array([b"\xff"] * 1000).view(pa.string())
MISTYPED = {
    "no amount.parquet": (parquet(amount=None), "amount is missing; expected id, seen, amount"),
    "text amount.parquet": (parquet(amount=pa.array(["1.0"] * 1000)), "amount.*a number, found type string"),
    "boolean amount.parquet": (parquet(amount=pa.array([True] * 1000)), "found type bool"),
    "float id.parquet": (parquet(id=pa.array([1.0] * 1000)), "id should hold a.*, found type double"),
    "text time.parquet": (parquet(seen=pa.array(["2020-01-01"] * 1000)), "seen should hold a timestamp"),
    "naive.parquet": (parquet(seen=NAIVE), r"times with a time zone.*timestamp\[ns\].*naive_is_utc"),
    "no amount.csv": ("id,seen\nx,2020-01-01T10:00:00Z\n", "amount is missing.*found id, seen"),
    "semicolons.csv": ("id;seen;amount\nx;2020;1\n", "id, seen, amount is missing.*found id;seen;amount"),
    "twice.csv": ("id,seen,amount,id\nx,2020-01-01T10:00:00Z,1,y\n", "id should be there once"),
    "words.csv": (HEADER + "x,2020-01-01T10:00Z,one\ny,2020-01-01T10:00Z,two\n",
                  "amount.*none of its 2 values.*'one'"),
    "decimal commas.csv": (HEADER + 'x,2020-01-01T10:00:00Z,"1,5"\n', "amount should hold a number"),
    "naive.csv": (HEADER + "x,2020-01-01T10:00:00,1\ny,2020-01-01 10:00,1\n", "zone.*2020-01-01T10:00:00"),
    "no time.csv": (HEADER + "x,yesterday,1\n", "seen should hold a timestamp.*'yesterday'"),
    "no amount.jsonl": (json_lines(amount="") * 2, "amount is missing"),
    "text amount.jsonl": (json_lines(amount='"1.5"') * 2, "amount should hold a number.*'1.5'"),
    "float id.jsonl": (json_lines(id="1.0") * 2, "id should hold an identifier.*1.0"),
    "naive.jsonl": (json_lines(seen='"2020-01-01T10:00:00"') * 2, "time zone"),
    "epoch.jsonl": (json_lines(seen="1577836800") * 2, "seen should hold a timestamp.*1577836800"),
}  # fmt: skip
UNREADABLE = {
    "empty.parquet": (b"", "is empty"),
    "empty.csv": (b"", "is empty"),
    "empty.jsonl": (b"", "is empty"),
    "text.parquet": (b"id,seen,amount\n", "cannot be read as its name says"),
    "cut.parquet": (parquet()[:-100], "cannot be read as its name says"),
    "damaged.parquet": (parquet()[:4] + b"\xff" * 300 + parquet()[304:], "cannot be read as its name says"),
    "not utf-8.parquet": (parquet(id=NOT_UTF8), "Invalid UTF8"),
    "damaged.jsonl.gz": (gzip.compress(b"")[:10] + b"\xff" * 100, "cannot be read as its name says"),
    "not gzip.csv.gz": (GOOD.encode(), "cannot be read as its name says"),
    "cut.csv.gz": (gzip.compress((GOOD * 1000).encode())[:-20], "cannot be read as its name says"),
    "cut.jsonl.gz": (gzip.compress((json_lines() * 1000).encode())[:-20], "cannot be read as its name says"),
    "binary.csv": (HEADER.encode() + b"\xff\xfe\x00,\x81,1\n", "cannot be read as its name says"),
    "row cut.csv.gz": (
        gzip.compress((HEADER + "x,2020-01-01T10:00:00Z,1\ny,2020-01").encode()),
        "middle of row 2",
    ),
    "quote.csv": (
        HEADER + 'x,2020-01-01T10:00:00Z,1\n"y,2020-01-01T10:00:00Z,1\n' + 50 * GOOD[len(HEADER) :],
        "ends within a quoted value of row 2",
    ),
    "last quote.csv": (HEADER + 'x,2020-01-01T10:00:00Z,"1\n', "ends within a quoted value of row 1"),
    "quote.csv.gz": (
        gzip.compress((HEADER + '"x,2020-01-01T10:00:00Z,1').encode()),
        "ends within a quoted value",
    ),
    "long quote.csv": (HEADER + '"x' + 400_000 * GOOD[len(HEADER) :], "as when a quote is not closed"),
    "flipped.parquet": (flipped(), "cannot be read as its name says"),
    "cut.csv": ((HEADER + "x,2020-01-01T10:00:00Z,1\ny,2020-01").encode(), "ends in the middle of row 2"),
    "cut.jsonl": ((json_lines() * 2)[:-20].encode(), "ends in the middle of line 2"),
    "not json.jsonl": (b"id,seen,amount\nx,y,z\n", "none of its 2 rows"),
    "an array.jsonl": (b"[\n1\n]\n", "none of its 3 rows"),
    "malformed.csv": (HEADER.encode() + b"x,y\nz\n", "none of its 2 rows"),
}


@pytest.mark.parametrize("name", MISTYPED)
def test_a_missing_or_mistyped_column_refuses_the_file(place, things, name: str) -> None:
    content, message = MISTYPED[name]
    with pytest.raises(SchemaMismatchError, match=message) as caught:
        read(place, things, name, content)
    assert f"things/{DAY}/{name}" in str(caught.value), "the file is named"


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_file_is_refused(place, things, name: str) -> None:
    content, message = UNREADABLE[name]
    with pytest.raises(UnreadableFileError, match=message) as caught:
        read(place, things, name, content)
    assert f"things/{DAY}/{name}" in str(caught.value), "the file is named"


def read(place, things, name: str, content: str | bytes) -> None:
    place.drop(DAY, name, content)
    (file,) = place.folder.files(things, [DAY])
    check_columns(file, things)
    for _ in read_rows(file, things):
        pass


@pytest.mark.parametrize("name", ["no amount.parquet", "words.csv", "cut.jsonl", "cut.csv.gz"])
def test_a_refused_file_leaves_the_tables_as_they_were(place, things, name: str) -> None:
    place.drop(DAY, "before.csv", GOOD)
    place.load(DAY)
    place.drop(DAY, "more.csv", GOOD.replace("a,", "b,"))
    place.drop(DAY, name, (MISTYPED | UNREADABLE)[name][0])
    place.drop(NEXT, "good.csv", NEXT_GOOD)
    with pytest.raises(DataError, match=f"things/{DAY}/{name}"):
        place.load(DAY, NEXT)
    assert place.rows() == ["a"]
    place.path(DAY, name).unlink()
    place.load(DAY, NEXT)
    assert place.rows() == ["a", "b", "n"]


def test_nothing_is_created_for_a_refused_file(place) -> None:
    place.drop(DAY, "a.csv", "id,seen\n")
    with pytest.raises(SchemaMismatchError):
        place.load(DAY)
    assert not place.warehouse.exists("raw.things")


def test_naive_times_are_utc_where_the_declaration_says_so(place, things) -> None:
    utc = things.model_copy(update={"naive_is_utc": ("seen",)})
    place.drop(DAY, "a.csv", HEADER + "x,2020-01-01T10:00:00,1\ny,2020-01-01 12:00+02:00,1\n")
    place.drop(DAY, "b.parquet", parquet(seen=NAIVE, id=pa.array([f"p{n}" for n in range(1000)])))
    (load,) = place.load(DAY, source=utc)
    assert (load.rows, load.quarantined) == (1002, 0)
    assert place.rows("id, seen")[-2:] == [(i, datetime(2020, 1, 1, 10, tzinfo=UTC)) for i in "xy"]
    assert place.rows("min(seen)") == [datetime(2020, 1, 1, tzinfo=UTC)]


def test_a_header_alone_is_a_file_without_rows(place) -> None:
    place.drop(DAY, "a.csv", HEADER)
    types = {"id": pa.string(), "seen": pa.timestamp("us", "UTC"), "amount": pa.float64()}
    place.drop(DAY, "b.parquet", parquet(**{name: pa.array([], kind) for name, kind in types.items()}))
    (load,) = place.load(DAY)
    assert (load.partition, load.rows, load.files) == (DAY, 0, 2)
