"""Every use case of the project, brought up to date together by one command."""

import json

from e2e.conftest import Finished
from support.project import ROOT, state_of

from ml_platform.project import load_use_cases


def test_each_releases_predicts_publishes_and_serves(finished: Finished) -> None:
    state = state_of(finished.project.home)
    for use_case in load_use_cases(ROOT):
        for model in use_case.models:
            name = f"{use_case.name}/{model.name}"
            assert len(state["releases"][name]) == 1, name
            assert [action for _, action, _ in state["changes"][name]] == ["release"]
        for declared in use_case.batch_predictions:
            rows = sum(rows for _, rows in state["tables"][declared.relation].values())
            assert rows > 0
            assert len(state["events"][declared.topic]) == rows
        for view in use_case.feature_views:
            assert state["online"][view.name], view.name


def test_nothing_is_left_to_do_or_failed(finished: Finished) -> None:
    assets = json.loads(finished.project("status", "--json").stdout)["assets"]
    assert not [asset for asset in assets if asset["stale"] or asset["checks_failed"]]
    assert "Everything is up to date" in finished.project("run").stdout
