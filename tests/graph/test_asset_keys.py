"""The keys and checks of the whole graph, as people and bookmarks know them; a change of one is meant or a mistake."""

from pathlib import Path

import pytest

SNAPSHOT = Path(__file__).with_name("assets.txt")


def graph_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every asset, and below it its checks."""
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path))
    from definitions import platform

    platform.cache_clear()
    graph = platform().definitions.resolve_asset_graph()
    lines = []
    for key in sorted(graph.get_all_asset_keys()):
        if graph.get(key).is_executable:
            lines.append(key.to_user_string())
            lines += [f"    {check.name}" for check in sorted(graph.get_check_keys_for_assets({key}))]
    platform.cache_clear()
    return lines


def test_keys_and_checks_are_those_that_people_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = graph_of_the_project(tmp_path, monkeypatch)
    known = SNAPSHOT.read_text(encoding="utf-8").splitlines()
    assert found == known, f"if this is meant, write the new lines to {SNAPSHOT.name}"
