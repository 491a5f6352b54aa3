"""Errors of a use case's own code name the declaration, the line, the error and what the code was given."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from ml_platform.errors import DataError, UserCodeError
from ml_platform.user_code import call_user_code

ROWS = pa.table({"prediction": [0.5]})


def misspelt(table: pa.Table) -> pa.ChunkedArray:
    return table.column("predicton")


def misspelt_behind(table: pa.Table) -> pa.ChunkedArray:
    return misspelt(table)


def tuned(depth: int, table: pa.Table) -> int:
    return depth // table.num_columns // 0


class Called:
    def __call__(self, table: pa.Table) -> float:
        return float(table.column("prediction")[3].as_py())


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (misspelt, "KeyError"),
        (misspelt_behind, "KeyError"),
        (functools.partial(tuned, 3), "ZeroDivisionError"),
        (Called(), "IndexError"),
    ],
)
def test_an_error_names_where_it_was_raised(function: Callable[[pa.Table], object], says: str) -> None:
    with pytest.raises(UserCodeError) as raised:
        call_user_code("model one, metric two", function, ROWS, given="the column prediction")
    text = str(raised.value)
    assert text.startswith("model one, metric two: ")
    assert says in text
    assert "It was given the column prediction." in text
    file, line = re.search(r"\((\S+):(\d+)\)", text).groups()  # type: ignore[union-attr]
    assert Path(file).name == Path(__file__).name
    source = Path(__file__).read_text().splitlines()[int(line) - 1]
    assert source.strip().startswith("return"), source


def test_a_function_that_takes_other_arguments_is_told_so() -> None:
    with pytest.raises(
        UserCodeError, match=r"called with other arguments than it takes.*TypeError: misspelt\(\)"
    ):
        call_user_code("model one, metric two", misspelt, ROWS, 3)


def test_an_error_of_the_platform_passes_as_it_is() -> None:
    def refuse() -> None:
        raise DataError("no rows; load some")

    with pytest.raises(DataError, match=r"^no rows; load some$"):
        call_user_code("model one, train", refuse)
