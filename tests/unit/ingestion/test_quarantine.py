"""Rows that are put into quarantine with the reason, while the rest is loaded."""

import json

import pyarrow as pa

from ml_platform.ingestion.checks import duplicates_outcome, quarantine_outcome, tally

DAY, NEXT = "2020-02-29", "2020-03-01"
HEADER = "id,seen,amount,note\n"
GOOD = "good,2020-02-29T00:00:00Z,1,\n"
BAD_CSV = {
    ",2020-02-29T00:00:00Z,1,": "id is missing",
    "b,,1,": "seen is missing",
    "b,2020-02-29T00:00:00,1,": "seen has no time zone",
    "b,2020-02-30T00:00:00Z,1,": "seen is not a timestamp",
    "b,9999-12-31T23:59:59-01:00,1,": "seen is not a timestamp",
    "b,29.02.2020 10:00+00:00,1,": "seen is not a timestamp",
    "b,2020-03-01T00:00:00Z,1,": "seen is not in the folder's day 2020-02-29: 2020-03-01 00:00:00+00:00",
    "b,2020-02-29T00:00:00+01:00,1,": "seen is not in the folder's day 2020-02-29: 2020-02-28 23:00:00+00:00",
    "b,2020-02-29T00:00:00Z,,": "amount is missing",
    "b,2020-02-29T00:00:00Z,ten,": "amount is not a number",
    "b,2020-02-29T00:00:00Z,1_000,": "amount is not a number",
    "b,2020-02-29T00:00:00Z,NaN,": "amount is missing",
    "b,2020-02-29T00:00:00Z,inf,": "amount is not finite: inf",
    "b,2020-02-29T00:00:00Z,-0.01,": "amount is negative: -0.01",
    "b,2020-02-29T00:00:00Z,1,,5": "the header has 4 columns, the row another number",
    "b,2020-02-29T00:00:00Z,1": "the header has 4 columns, the row another number",
}
BAD_JSON = {
    '{"id": null, "seen": "2020-02-29T00:00:00Z", "amount": 1}': "id is missing",
    '{"seen": "2020-02-29T00:00:00Z", "amount": 1}': "id is missing",
    '{"id": 1.5, "seen": "2020-02-29T00:00:00Z", "amount": 1}': "id is not an identifier",
    '{"id": true, "seen": "2020-02-29T00:00:00Z", "amount": 1}': "id is not an identifier",
    '{"id": "\\ud800", "seen": "2020-02-29T00:00:00Z", "amount": 1}': "id is not an identifier",
    '{"id": "b", "seen": 1582934400, "amount": 1}': "seen is not a timestamp",
    '{"id": "b", "seen": "2020-02-29T00:00:00", "amount": 1}': "seen has no time zone",
    '{"id": "b", "seen": "2020-02-29T00:00:00Z", "amount": "1"}': "amount is not a number",
    '{"id": "b", "seen": "2020-02-29T00:00:00Z", "amount": NaN}': "amount is missing",
    '{"id": "b", "seen": "2020-02-29T00:00:00Z", "amount": -1}': "amount is negative: -1.0",
    '{"id": "b", "seen": "2020-02-29T00:00:00Z", "amount": 1e999}': "amount is not finite: inf",
    '{"id": "b", "seen": "2020-02-29T00:00:00Z", "amount": 1, "note": 5}': "note is not a text",
    '{"id": "b", "seen"': "the line is not JSON",
    '["b"]': "the line is not a JSON object",
    "\x00": "the line is not JSON",
}


def test_bad_csv_rows(place) -> None:
    rows = "".join(row + "\n" + f"{n},2020-02-29T23:59:59Z,0,x\n" for n, row in enumerate(BAD_CSV))
    place.drop(DAY, "a.csv", HEADER + rows)
    (load,) = place.load(DAY)
    assert place.quarantine() == [
        (f"things/{DAY}/a.csv", 2 * n + 1, reason) for n, reason in enumerate(BAD_CSV.values())
    ]
    assert (load.rows, load.quarantined, load.duplicates) == (len(BAD_CSV), len(BAD_CSV), 0)


def test_bad_json_lines(place) -> None:
    good = '{"id": "%s", "seen": "2020-02-29T00:00:00Z", "amount": 0, "note": "x"}\n'
    place.drop(DAY, "a.jsonl", "".join(good % n + "\n" + row + "\n" for n, row in enumerate(BAD_JSON)))
    (load,) = place.load(DAY)
    assert place.quarantine() == [
        (f"things/{DAY}/a.jsonl", 3 * n + 3, reason) for n, reason in enumerate(BAD_JSON.values())
    ]
    assert (load.rows, load.quarantined, load.duplicates) == (len(BAD_JSON), len(BAD_JSON), 0)


def test_the_record_is_kept(place) -> None:
    place.drop(
        DAY, "a.csv", HEADER + GOOD + 'b,2020-02-29T00:00:00Z,ten,"x ""y"""\nc,2020-02-29T00:00:00Z,-5,z\n'
    )
    place.load(DAY)
    (unreadable, negative) = (json.loads(record) for (record,) in place.quarantine("record"))
    assert unreadable == {"id": "b", "seen": "2020-02-29T00:00:00Z", "amount": "ten", "note": 'x "y"'}
    assert negative == {"id": "c", "seen": "2020-02-29 00:00:00+00:00", "amount": -5.0, "note": "z"}


def test_rows_are_numbered_through_a_large_file(place) -> None:
    lines = [f"{n},2020-02-29T00:00:00.{n:06d}Z,1,{'x' * 60}" for n in range(150_000)]
    bad = {70: "broken", 99_999: "t,2020-02-29T00:00:00Z,-1,", 149_998: "a,b"}
    for number, line in bad.items():
        lines[number - 1] = line
    place.drop(DAY, "a.csv", HEADER + "\n".join(lines) + "\n")
    (load,) = place.load(DAY)
    assert [number for _, number, _ in place.quarantine()] == sorted(bad)
    assert load.rows == 150_000 - 3
    assert load.reasons == {"malformed row": 2, "amount is negative": 1}


def test_bad_rows_of_parquet(place) -> None:
    import pyarrow.parquet as pq

    seen = pa.array([1582934400 * 1000 + n for n in range(5)], pa.timestamp("ms", tz="Europe/Berlin"))
    table = pa.table(
        {
            "id": ["a", None, "c", "d", "e"],
            "seen": seen,
            "amount": [0.0, 1.0, float("nan"), -1.0, float("inf")],
        }
    )
    pq.write_table(table, place.path(DAY, "a.parquet"))
    place.load(DAY)
    assert place.rows() == ["a"]
    assert [(number, reason) for _, number, reason in place.quarantine()] == [
        (2, "id is missing"), (3, "amount is missing"),
        (4, "amount is negative: -1.0"), (5, "amount is not finite: inf"),
    ]  # fmt: skip


def test_times_that_python_cannot_name(place) -> None:
    import pyarrow.parquet as pq

    seen = pa.array(
        [-(2**62), 2**62, 1582934400 * 1000**2, 1582934400 * 1000**2], pa.timestamp("us", tz="Mars/Base")
    )
    table = pa.table({"id": ["a", "b", "c", "d"], "seen": seen, "amount": [1.0, 1.0, 1.0, -1.0]})
    pq.write_table(table, place.path(DAY, "a.parquet"))
    place.load(DAY)
    assert place.rows() == ["c"]
    assert [reason for _, _, reason in place.quarantine()] == [
        "seen is not a timestamp", "seen is not a timestamp", "amount is negative: -1.0",
    ]  # fmt: skip


def test_loading_again_replaces_the_day_in_both_tables(place, things) -> None:
    other = things.model_copy(update={"name": "others"})
    for source in (things, other):
        for day, row in ((DAY, ",2020-02-29T00:00:00Z,1,"), (NEXT, ",2020-03-01T00:00:00Z,1,")):
            place.drop(day, "a.csv", HEADER + f"{day},{day}T00:00:00Z,1,\n{row}\n", source)
        place.load(DAY, NEXT, source=source)
    assert len(place.quarantine()) == 4
    first = place.load(DAY)[0]
    assert len(place.quarantine()) == 4
    assert place.load(DAY)[0].version == first.version
    place.path(DAY, "a.csv").write_text(HEADER + f"new,{DAY}T00:00:00Z,2,\n")
    assert place.load(DAY)[0].version != first.version
    assert place.rows() == [NEXT, "new"]
    assert place.quarantine("source, partition") == [
        ("others", DAY),
        *[(s, NEXT) for s in ("others", "things")],
    ]
    place.path(DAY, "a.csv").unlink()
    assert place.load(DAY)[0].rows == 0
    assert place.rows() == [NEXT]


def test_the_check_fails_above_the_threshold(place, things) -> None:
    rows = "".join(f"{n},2020-02-29T00:00:00Z,1,\n" for n in range(98))
    place.drop(DAY, "a.csv", HEADER + rows + "x,2020-02-29T00:00:00Z,-1,\n0,2020-02-29T00:00:00Z,1,\n")
    place.drop(NEXT, "a.csv", HEADER + f"y,{NEXT}T00:00:00Z,1,\n")
    loads = place.load(DAY, NEXT)
    tallies = tally(place.warehouse, things)
    passed = quarantine_outcome(things, tallies, loads)
    assert passed.passed
    assert passed.metadata["quarantine"] == 1
    strict = quarantine_outcome(things.model_copy(update={"max_quarantined_share": 0.005}), tallies, loads)
    assert not strict.passed
    assert strict.severity == "ERROR"
    assert "2020-02-29 with 1.00%" in strict.description
    assert strict.metadata["reasons"] == {"amount is negative": 1, "duplicate id": 1}
    repeated = duplicates_outcome(things, tallies, loads)
    assert not repeated.passed
    assert repeated.severity == "WARN"
    assert duplicates_outcome(things, {NEXT: tallies[NEXT]}).passed
    place.drop(NEXT, "a.csv", HEADER + f"y,{NEXT}T00:00:00Z,2,\n")
    again = duplicates_outcome(things, tally(place.warehouse, things), place.load(NEXT))
    assert not again.passed, "a good day that is loaded later does not hide it"
