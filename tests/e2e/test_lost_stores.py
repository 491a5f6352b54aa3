"""A store that was removed, or is an older copy, is noticed, and the next update ends where a rebuild would."""

import shutil
from pathlib import Path

import pytest
from e2e.conftest import Finished
from support.project import ONE, Project, state_of


def remove(home: Path, *names: str) -> None:
    for name in names:
        for path in home.glob(f"{name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_mended(project: Project, before: dict[str, object], said: str) -> None:
    """The loss is told, one update makes everything again, and the next has nothing to do."""
    told = project("status").stdout
    assert "not as it was last written" in told
    assert said in told
    project("run")
    after = state_of(project.home)
    assert {part: after[part] == before[part] for part in before} == dict.fromkeys(before, True)
    assert "not as it was last written" not in project("status").stdout
    assert "up to date" in project("run").stdout


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("warehouse.duckdb", "events.db"), "the warehouse "),
        (("online.db", "objects"), "the online store "),
    ],
)
def test_stores_that_are_gone_are_made_again(finished: Finished, names: tuple[str, ...], said: str) -> None:
    before = state_of(finished.project.home)
    remove(finished.project.home, *names)
    is_mended(finished.project, before, said)


def test_a_registry_that_is_gone_releases_what_served(finished: Finished) -> None:
    before = state_of(finished.project.home)
    remove(finished.project.home, "registry")
    is_mended(finished.project, before, "the registry ")


def test_the_files_of_a_champion_are_stored_again_and_it_is_not_called_new(finished: Finished) -> None:
    project = finished.project
    before = state_of(project.home)
    (folder,) = project.home.glob("registry/releases/card_fraud/model/2*")
    shutil.rmtree(folder)
    assert "the registry is not as it was last written" in project("status").stdout
    done = project("run", *ONE).stdout
    assert "champion    " + folder.name in done
    assert "released now" not in done
    assert state_of(project.home) == before


def test_of_an_older_warehouse_only_what_it_lacks_is_made_again(finished: Finished, tmp_path: Path) -> None:
    project, old = finished.project, tmp_path / "old.duckdb"
    shutil.copy(project.home / "warehouse.duckdb", old)
    project("simulate", "--days", "1")
    project("run")
    before = state_of(project.home)
    shutil.copy(old, project.home / "warehouse.duckdb")
    is_mended(project, before, "the warehouse ")


def test_a_lost_warehouse_does_not_publish_predictions_without_history(finished: Finished) -> None:
    project = finished.project
    remove(project.home, "warehouse.duckdb")
    project("simulate", "--days", "1")
    run = project("run").stdout
    assert "raw/payments, 100 days" in run or "raw/payments, 99 days" in run
    assert "up to date" in project("run").stdout


def test_a_warehouse_that_goes_while_a_run_is_at_work(finished: Finished, tmp_path: Path) -> None:
    project, before = finished.project, tmp_path / "before"
    shutil.copytree(project.home, before)
    project("simulate", "--days", "1")
    project("run")
    wanted = state_of(project.home)
    shutil.rmtree(project.home)
    shutil.copytree(before, project.home)
    process = project.start("run")
    assert process.stdout
    assert any("✓ raw/" in line for line in process.stdout), "any() stops reading at the first"
    remove(project.home, "warehouse.duckdb")
    process.communicate()
    assert process.returncode == 1, "it is not green, whatever it came to"
    project("run")
    assert state_of(project.home) == wanted
    assert "up to date" in project("run").stdout
