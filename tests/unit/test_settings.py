"""Settings: what is wrong is named, and its value is never shown."""

import json
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ml_platform.cli.main import main
from ml_platform.errors import ConfigurationError
from ml_platform.settings import DBT_VARIABLES, PREFIX, Settings

SECRET = "hunter2-do-not-print"
ROOT = Path(__file__).parents[2]


def fields(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name.upper()}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from fields(field.annotation, f"{prefix}{name.upper()}__")


ALL = sorted(fields(Settings))


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        Settings()
    trace = "".join(traceback.format_exception(raised.value))
    assert SECRET not in trace
    assert raised.value.__context__ is None
    return str(raised.value)


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("ML_PLATFORM_CASSANDRA__PASWORD", "ML_PLATFORM_CASSANDRA__PASSWORD"),
        ("ML_PLATFORM_CASSANDRA__PASSWORD__OF_ADA", "ML_PLATFORM_CASSANDRA__PASSWORD"),
        ("ML_PLATFORM_CASSANDRA_PASSWORD", "ML_PLATFORM_CASSANDRA__PASSWORD"),
        ("ML_PLATFORM_HOMES", "ML_PLATFORM_HOME"),
        ("ML_PLATFORM_LANDINGS", "ML_PLATFORM_LANDING"),
        ("ML_PLATFORM_COMPUTER", "ML_PLATFORM_COMPUTE"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(
    wrong: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = refused(monkeypatch, **{wrong: SECRET})
    assert said == f"{wrong} is no setting; the nearest is {right}: rename it, or unset it"


def test_an_unknown_name_within_a_group_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, ML_PLATFORM_CASSANDRA=json.dumps({"pasword": SECRET}))
    assert said.startswith("ML_PLATFORM_CASSANDRA__PASWORD is no setting; the nearest is ")
    assert "ML_PLATFORM_CASSANDRA__PASSWORD:" in said


@pytest.mark.parametrize("value", [f'{{"password": "{SECRET}"', SECRET, f'["{SECRET}"'])
def test_a_group_that_is_not_json_is_named_alone(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, ML_PLATFORM_CASSANDRA=value).startswith("ML_PLATFORM_CASSANDRA is not JSON")


def test_a_list_that_is_not_json_is_named_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, ML_PLATFORM_CASSANDRA__CONTACT_POINTS=SECRET)
    assert said == 'ML_PLATFORM_CASSANDRA__CONTACT_POINTS is not JSON; write it like ["one", "two"]'


@pytest.mark.parametrize(
    "variable", [name for name in ALL if re.search(r"SECONDS|PORT$|FACTOR|COMPUTE", name)]
)
def test_a_value_of_a_wrong_type_is_not_shown(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(monkeypatch, **{variable: SECRET}).startswith(f"{variable}: ")


@pytest.mark.parametrize("value", ["", " "])
@pytest.mark.parametrize("variable", ["ML_PLATFORM_HOME", "ML_PLATFORM_LANDING"])
def test_an_empty_folder_is_refused(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, **{variable: value})
    assert said == f"{variable}: it is empty; name a folder, or unset it for the default"


def test_every_setting_is_known_in_either_case(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ML_PLATFORM_HOME", raising=False)
    monkeypatch.setenv("ml_platform_home", str(tmp_path))
    assert Settings().root == tmp_path


def test_variables_of_dbt_are_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DBT_VARIABLES:
        monkeypatch.setenv(name, "of dbt")
    Settings()
    text = "".join(
        path.read_text() for path in (ROOT / "dbt_project").rglob("*") if path.suffix in (".yml", ".sql")
    )
    assert set(re.findall(rf"env_var\('({PREFIX}\w+)'", text)) - {*ALL} == DBT_VARIABLES


@given(st.sampled_from(ALL), st.text(st.characters(codec="ascii", exclude_characters="\0"), max_size=8))
def test_no_value_is_ever_shown(variable: str, noise: str) -> None:
    """Whatever a setting is given: it is taken, or refused without a word of it."""
    value = f"{noise}{SECRET}{noise}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(variable, value)
        try:
            Settings()
        except ConfigurationError as error:
            shown = "".join(traceback.format_exception(error))
            assert SECRET not in shown
            assert variable in shown


@pytest.mark.parametrize(
    "arguments", ["simulate", "simulate --traceback", "status", "run", "ui", "releases list"]
)
def test_no_command_prints_what_a_slip_was_set_to(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ML_PLATFORM_CASSANDRA__PASSWORT", SECRET)
    monkeypatch.setattr(sys, "argv", ["ml-platform", *arguments.split()])
    monkeypatch.chdir(ROOT)
    sys.modules.pop("definitions", None)
    with pytest.raises((SystemExit, ConfigurationError)):
        main()
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err
    assert "traceback" in arguments or "ML_PLATFORM_CASSANDRA__PASSWORD" in printed.err
