"""Each row of a file is loaded, in quarantine, or in a file that is refused by name: none is lost in another."""

import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import MLPlatformError
from ml_platform.ingestion.landing import LandingFile
from ml_platform.ingestion.readers import Rows, read_rows
from ml_platform.ingestion.source import RawColumn, RawSource

DAY = "2020-02-29"
HEADER = "id,seen,amount,note\n"
PARTS = st.sampled_from(
    ['"', '""', ",", "\n", "\r\n", "x", "12", "-1", " ", "\t", "\x00", "\u2028", "é", "'", "\\"]
)


def line(number: int, **values: str) -> str:
    row = {"id": f"t{number}", "seen": f"{DAY}T10:00:00Z", "amount": "1.5", "note": "n"}
    return ",".join((row | values).values())


def test_two_stray_quotes_hide_no_row(place) -> None:
    lines = [line(n) for n in range(1, 101)]
    lines[9] = lines[9].replace("t10", '"t10')
    lines[59] = lines[59].replace("t60", '"t60')
    place.drop(DAY, "a.csv", HEADER + "\n".join(lines) + "\n")
    (load,) = place.load(DAY)
    assert (load.rows, load.quarantined) == (49, 51)
    assert [number for _, number, _ in place.quarantine()] == list(range(10, 61))
    assert {int(one[1:]) for one in place.rows()} == {*range(1, 10), *range(61, 101)}


def test_rows_behind_a_record_of_many_lines_keep_their_numbers(place) -> None:
    lines = [line(n) for n in range(1, 21)]
    lines[4] = 't5,"a\nb\nc"'
    lines[15] = line(16, amount="-1")
    place.drop(DAY, "a.csv", HEADER + "\n".join(lines) + "\n")
    place.load(DAY)
    assert [number for _, number, _ in place.quarantine()] == [5, 6, 7, 18]


@pytest.mark.parametrize("odd", ["a\nb", "a\tb", "a\u0000b", "a\u2028b", "a\u0085"])
def test_an_identifier_is_of_one_line(place, odd: str) -> None:
    row = {"id": odd, "seen": f"{DAY}T10:00:00Z", "amount": 1}
    good = row | {"id": "good"}
    place.drop(DAY, "a.jsonl", f"{json.dumps(row)}\n{json.dumps(good)}\n")
    place.load(DAY)
    assert place.rows() == ["good"]
    assert place.quarantine("reason") == [("id is not an identifier",)]


def test_a_text_may_be_of_many_lines(place) -> None:
    place.drop(DAY, "a.csv", HEADER + line(1, note='"one\n\ntwo"') + "\n")
    place.load(DAY)
    assert place.rows("id, note") == [("t1", "one\n\ntwo")]


ONE_LINE = RawSource(
    name="things",
    columns={
        "id": RawColumn(kind="identifier"),
        "seen": RawColumn(kind="timestamp"),
        "amount": RawColumn(kind="number", nullable=True),
        "note": RawColumn(kind="identifier", nullable=True),
    },
)


def rows_or_refusal(file: LandingFile) -> list[Rows] | None:
    """The rows of a file; None when it is refused, which must be by its name."""
    refused = None
    try:
        return list(read_rows(file, ONE_LINE))
    except MLPlatformError as error:
        refused = str(error)
    assert file.name in refused
    return None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), PARTS), max_size=6), st.booleans())
def test_rows_of_a_damaged_csv_add_up(tmp_path_factory, damage: list[tuple[int, str]], newline: bool) -> None:
    text = "\n".join(line(n) for n in range(1, 16)) + ("\n" if newline else "")
    for place, part in damage:
        text = text[:place] + part + text[place:]
    path = tmp_path_factory.mktemp("damaged") / "a.csv"
    path.write_bytes((HEADER + text).encode())
    file = LandingFile(path, "things/a.csv", DAY, path.stat().st_size)
    parts = rows_or_refusal(file)
    if parts is None:
        return
    loaded = [number for part in parts for number in part.values.column("row_number").to_pylist()]
    rejected = [one.row_number for part in parts for one in part.rejected]
    rows = [one for one in text.replace("\r\n", "\n").replace("\r", "\n").split("\n") if one]
    assert sorted(loaded + rejected) == list(range(1, len(rows) + 1))


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_rows_of_json_lines_add_up(tmp_path_factory, kinds: list[int]) -> None:
    start = datetime(2020, 2, 29, tzinfo=UTC)
    lines = [
        [
            json.dumps(
                {"id": n, "seen": (start + timedelta(seconds=n)).isoformat(), "amount": 1, "note": None}
            ),
            json.dumps({"id": "a\nb", "seen": start.isoformat(), "amount": 1, "note": None}),
            '{"id": "x", "seen"',
            "[1]",
            "null",
            json.dumps({"id": n, "seen": start.isoformat(), "amount": "one", "note": None}),
        ][kind]
        for n, kind in enumerate(kinds)
    ]
    path = tmp_path_factory.mktemp("damaged") / "a.jsonl"
    path.write_text("\n".join(lines) + "\n")
    file = LandingFile(path, "things/a.jsonl", DAY, path.stat().st_size)
    parts = rows_or_refusal(file)
    assert parts is None or sum(part.values.num_rows + len(part.rejected) for part in parts) == len(lines)


def parquet_with_checksums(rows: list[dict[str, object]]) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=7, write_page_checksum=True)
    return sink.getvalue()


THINGS: list[dict[str, object]] = [
    {"id": f"t{n}", "seen": f"{DAY}T10:00:00Z", "amount": n / 4, "note": None} for n in range(20)
]
JSON_LINES = "".join(json.dumps(row) + "\n" for row in THINGS).encode()
CSV = (HEADER + "".join(line(n, amount=str(n / 4), note="") + "\n" for n in range(20))).encode()
WITH_CHECKSUMS = {
    "a.parquet": parquet_with_checksums(THINGS),
    "a.csv.gz": gzip.compress(CSV),
    "two members.csv.gz": gzip.compress(CSV[:300]) + gzip.compress(CSV[300:]),
    "a.jsonl.gz": gzip.compress(JSON_LINES),
}


@settings(deadline=None)
@given(
    st.sampled_from(sorted(WITH_CHECKSUMS)), st.floats(0, 0.999), st.integers(0, 40), st.binary(max_size=20)
)
def test_a_damaged_file_with_checksums_gives_its_own_rows_or_is_refused(
    tmp_path_factory, name: str, where: float, gone: int, instead: bytes
) -> None:
    content = WITH_CHECKSUMS[name]
    place = int(where * len(content))
    path = tmp_path_factory.mktemp("damaged") / name
    path.write_bytes(content[:place] + instead + content[place + gone :])
    parts = rows_or_refusal(LandingFile(path, f"things/{name}", DAY, path.stat().st_size))
    if parts is not None:
        found = [row for part in parts for row in part.values.select(["id", "amount"]).to_pylist()]
        assert found == [{"id": row["id"], "amount": row["amount"]} for row in THINGS]
