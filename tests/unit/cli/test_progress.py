"""The terminal while a step runs."""

import io
import re

import pytest
from rich.console import Console
from support.waiting import until

from ml_platform.cli.progress import RunProgress
from ml_platform.cli.run import _without_output_of_tools
from ml_platform.orchestration.assets.progress import PROGRESS


def drawn(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def test_the_spinner_says_what_the_step_does_and_for_how_long() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with RunProgress(console) as progress:
        progress.say("shop/model")
        PROGRESS.info("fold %d of %d: training on a long, long, long, long, long, long window", 2, 3)
        until(lambda: "fold 2" in drawn(console), "the fold", timeout=30, every=0.01)
    assert re.search(r"shop/model: fold 2 of 3: training on a long, .*… … \d+ s", drawn(console))


def test_what_tools_print_is_not_shown_between_the_lines() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with RunProgress(console) as progress, _without_output_of_tools(verbose=False):
        print("12:00:01  1 of 6 START sql view model")
        progress.tell("shop: trained on the 24 days there are", "yellow")
    assert "START" not in drawn(console)
    assert "trained on the 24 days" in drawn(console)


def test_where_nobody_watches_a_step_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), width=100)
    with RunProgress(console):
        PROGRESS.info("fold 1 of 3")
    assert drawn(console) == capsys.readouterr().err == ""
