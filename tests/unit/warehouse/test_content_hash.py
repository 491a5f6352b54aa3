"""The canonical text behind a data version."""

import math
import struct

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import ConfigurationError
from ml_platform.warehouse.content_hash import content_version, content_version_sql
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

CONNECTION = duckdb.connect(":memory:")


def version(table: pa.Table) -> str:
    columns = {field.name: field.type for field in table.schema}
    CONNECTION.register("hashed", table)
    try:
        return content_version(
            columns,
            *CONNECTION.execute(content_version_sql(DuckDBDialect(), columns, "hashed")).fetchall()[0],
        )
    finally:
        CONNECTION.unregister("hashed")


def cell(value: object, kind: pa.DataType) -> str:
    return version(pa.table({"a": pa.array([value], kind)}))


texts = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
rows = st.lists(st.tuples(texts, texts, st.none() | st.integers(-3, 3)), max_size=6)
SCHEMA = pa.schema([("b", pa.string()), ("a", pa.string()), ("n", pa.int64())])


def table(content: list[tuple[object, ...]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in content], SCHEMA)


@settings(max_examples=30, deadline=None)
@given(rows, rows, st.randoms())
def test_versions_are_equal_when_the_rows_are(left: list, right: list, random) -> None:
    shuffled = random.sample(left, len(left))
    assert version(table(left)) == version(table(shuffled).select(["n", "a", "b"]))
    equal = sorted(map(repr, left)) == sorted(map(repr, right))
    assert (version(table(left)) == version(table(right))) == equal


@settings(max_examples=50, deadline=None)
@given(st.floats(), st.floats())
def test_floats_are_told_apart_by_their_bits_but_for_zero_and_nan(left: float, right: float) -> None:
    def canonical(value: float) -> bytes:
        return b"nan" if math.isnan(value) else struct.pack("d", value + 0.0)

    same = canonical(left) == canonical(right)
    assert (cell(left, pa.float64()) == cell(right, pa.float64())) == same


def test_zero_has_no_sign_and_nan_no_payload() -> None:
    assert cell(-0.0, pa.float64()) == cell(0.0, pa.float64())
    other_nan = struct.unpack("d", struct.pack("Q", 0xFFF8000000000001))[0]
    assert cell(math.nan, pa.float64()) == cell(other_nan, pa.float64()) != cell(None, pa.float64())


@pytest.mark.parametrize(
    ("value", "one", "other"),
    [
        ("x", pa.string(), pa.large_string()),
        ("x", pa.string(), pa.dictionary(pa.int32(), pa.string())),
        (7, pa.int16(), pa.uint64()),
        (7, pa.int64(), pa.float64()),
        (0.25, pa.float32(), pa.float64()),
        (1_000_000, pa.timestamp("us", tz="UTC"), pa.timestamp("us", tz="Asia/Tokyo")),
        (None, pa.null(), pa.string()),
        (None, pa.float64(), pa.timestamp("us", tz="UTC")),
    ],
)
def test_types_are_no_part_of_a_version(value: object, one: pa.DataType, other: pa.DataType) -> None:
    assert cell(value, one) == cell(value, other)


def test_decimals_are_equal_whatever_their_scale() -> None:
    from decimal import Decimal

    assert cell(Decimal("1.50"), pa.decimal128(9, 2)) == cell(Decimal("1.5"), pa.decimal128(9, 1))
    assert cell(Decimal(100), pa.decimal128(9, 0)) == cell(Decimal("100.00"), pa.decimal128(9, 2))
    assert cell(Decimal(100), pa.decimal128(9, 0)) != cell(Decimal(1), pa.decimal128(9, 0))


def test_the_columns_names_count() -> None:
    assert version(pa.table({"a": [1]})) != version(pa.table({"b": [1]}))
    assert version(pa.table({"a": [1], "b": [2]})) != version(pa.table({"a": [2], "b": [1]}))


def test_a_version_does_not_change_between_releases() -> None:
    assert version(table([("x", None, 1), ("", "ü", -2)])) == (
        "c8cc15b6a1c4d558521b69763b5bbf7593654719d4a06e4187a1deee4cf39232"
    )


def test_what_has_no_canonical_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="column a has type list"):
        content_version_sql(DuckDBDialect(), {"a": pa.list_(pa.int64())}, "t")
