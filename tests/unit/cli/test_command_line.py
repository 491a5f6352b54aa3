"""The promises of every command: an example in its help, and one line when it fails."""

import io
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import typer
from rich.console import Console

from ml_platform.cli.main import app, main
from ml_platform.cli.options import within_time
from ml_platform.cli.summary import print_failures
from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.planning.up_to_date import Report


def commands(command: object, *path: str) -> Iterator[tuple[str, str]]:
    below = getattr(command, "commands", {})
    for name, found in below.items():
        yield from commands(found, *path, name)
    if not below:
        yield " ".join(path), getattr(command, "help", "") or ""


ALL = dict(commands(typer.main.get_command(app)))


def test_what_failed_for_one_reason_is_said_once() -> None:
    report = Report(
        failed={dg.AssetKey(name): "dbt ended" for name in ("b", "a", "c")} | {dg.AssetKey("d"): "[x]"}
    )
    console = Console(record=True, width=80, file=io.StringIO())
    print_failures(console, report, Path.cwd())
    assert console.export_text().split("\n") == ["", "a, b, c failed: dbt ended", "", "d failed: [x]", ""]


def called(arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The output of a failing command."""
    monkeypatch.setattr(sys, "argv", ["ml-platform", *arguments.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err


@pytest.mark.parametrize("command", sorted(ALL))
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    assert f"Example: ml-platform {command}" in ALL[command]


def options(command: object, *path: str) -> Iterator[tuple[str, Any]]:
    for name, found in getattr(command, "commands", {}).items():
        yield from options(found, *path, name)
    for parameter in getattr(command, "params", []):
        if getattr(parameter, "type_descriptor", None) is not None:
            yield f"{' '.join(path)} {parameter.opts[0]}", parameter


BOUNDED = {
    name: option
    for name, option in options(typer.main.get_command(app))
    if option.type_descriptor.annotation in (int, float, datetime)
}


@pytest.mark.parametrize("option", sorted(BOUNDED))
@pytest.mark.parametrize(
    "value",
    ["99999999999999999999", "-99999999999999999999", "nan", "inf", "0001-01-01", "9999-12-31T23:59:59"],
)
def test_no_number_or_date_overflows(
    option: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Values that lie far out are refused by the option, by its name, before anything is done."""
    command, _, name = option.rpartition(" ")
    monkeypatch.setattr(sys, "argv", ["ml-platform", *command.split(), f"{name}={value}"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert "Invalid value" in printed.err or "Missing argument" in printed.err
    bounds = BOUNDED[option]
    if bounds.type_descriptor.annotation is datetime:
        assert bounds.callback is not None
    else:
        assert None not in (bounds.min, bounds.max)


@pytest.mark.parametrize("value", ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"])
def test_a_moment_that_no_data_can_be_of_is_refused_with_the_bounds(value: str) -> None:
    with pytest.raises(typer.BadParameter, match=f"{value} is not between 1970-01-01 and 2199-12-31"):
        within_time(datetime.fromisoformat(value))


def test_a_wrong_setting_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ML_PLATFORM_LOCK_TIMEOUT_SECONDS", "soon")
    printed = called("simulate", monkeypatch, capsys)
    assert printed.startswith("error: ML_PLATFORM_LOCK_TIMEOUT_SECONDS: ")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("arguments", ["--traceback simulate", "simulate --traceback"])
def test_the_traceback_is_shown_when_asked_for(arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_LOCK_TIMEOUT_SECONDS", "soon")
    monkeypatch.setattr(sys, "argv", ["ml-platform", *arguments.split()])
    with pytest.raises(ConfigurationError):
        main()


def test_a_folder_that_cannot_be_written_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ML_PLATFORM_LANDING", str(tmp_path / "file" / "landing"))
    printed = called("simulate --days 1 --customers 5 --terminals 5", monkeypatch, capsys)
    assert printed.startswith(f"error: {tmp_path / 'file'}")
    assert "Not a directory; ML_PLATFORM_HOME and ML_PLATFORM_LANDING must" in printed
    assert printed.count("\n") == 1
