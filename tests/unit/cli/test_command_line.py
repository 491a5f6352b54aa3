"""What every command promises: an example in its help, and one line when it fails."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import typer
from rich.console import Console

from ml_platform.cli.main import app, main
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
    print_failures(console, report)
    assert console.export_text().split("\n") == ["", "a, b, c failed: dbt ended", "", "d failed: [x]", ""]


def called(arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a failing command prints."""
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
