"""Code that changes nothing has the same normal form, and code that may change something another one."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.orchestration.dbt.normal_form import normal_form

CODE = """
select id, 'a -- b' as "x -- y", {{ whole('extract(hour from t)') }} as hour, 1 -2 as n
from {{ ref('things') }}
where note <> '/* no comment */' and n - -1 > 0
"""


@pytest.mark.parametrize(
    "other",
    [
        CODE.replace("from {{ ref", "-- a word\nfrom {{ ref"),
        CODE.replace("from {{ ref", "/* two\nlines */ from {{ ref"),
        CODE.replace("from {{ ref", "{# of Jinja, with {{ braces }} #}\n\n   from\t{{ ref"),
        CODE.replace("\n", "\n\n").replace("where", "   where"),
        CODE + "-- the end",
    ],
)
def test_comments_and_space_change_nothing(other: str) -> None:
    assert normal_form(other) == normal_form(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'a -- b'", "'a -- c'"),
        ("'a -- b'", "'a  -- b'"),
        ('"x -- y"', '"x -- z"'),
        ("/* no comment */", "/* no  comment */"),
        ("- -1", "--1"),
        ("1 -2", "1 -3"),
        ("hour from t", "hour  from t"),
        ("from {{ ref", "-- {{ ref('other') }}\nfrom {{ ref"),
        ("where note", "where e'\\'' <> '--' and note"),
    ],
)
def test_what_may_change_a_row_changes_it(old: str, new: str) -> None:
    assert old in CODE
    assert normal_form(CODE.replace(old, new)) != normal_form(CODE)


WORDS = st.sampled_from(
    ["'", '"', "--", "\n", "/*", "*/", " ", "a", "1", ",", "''", "- ", "$$", "x y", "/", "*"]
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=12))
def test_the_normal_form_gives_what_the_code_gives(words: list[str]) -> None:
    code = "select 1 as one, " + "".join(words)
    with duckdb.connect() as connection:

        def result(text: str) -> object:
            try:
                done = connection.execute(text)
                return [column[:2] for column in done.description or []], done.fetchall()
            except duckdb.Error:
                return "refused"

        before = result(code)
        assert before == "refused" or result(normal_form(code)) == before
