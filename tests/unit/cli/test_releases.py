"""``ml-platform releases``: what a person sees, and what a wrong call is answered."""

import shutil
import sys
from pathlib import Path

import pytest
from samples import labelled
from samples.candidates import FAILED, PASSED, candidate_files, manifest

from ml_platform.cli.main import main
from ml_platform.models.releases.manifest import Release
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.tracking import Tracking
from ml_platform.orchestration.platform import Platform
from ml_platform.settings import Settings
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import UseCase

A, B = b"model A", b"model B"


class Bench:
    """A project with two use cases, one of which has two models, and its registry."""

    def __init__(self, folder: Path, settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.registry = Registry(FolderStore(settings.registry_path))
        parcels = labelled.use_case()
        second = parcels.model().model_copy(update={"name": "second"})
        letters = parcels.model_copy(update={"name": "letters", "models": (parcels.model(), second)})
        self.use_cases: list[UseCase] = [parcels, letters]

    def release(
        self, model: bytes, use_case: str = "parcels", name: str = "model", **changes: object
    ) -> Release:
        files = candidate_files(self.folder / model.decode(), model)
        said = manifest(run_id=None, **{key: changes.pop(key) for key in ("gates",) if key in changes})
        return self.registry.release(use_case, name, files, said, who="ada", why="new data", **changes)  # type: ignore[arg-type]

    def say(self, *arguments: str) -> str:
        """The output of a command."""
        sys.argv = ["ml-platform", "releases", *arguments]
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self.capsys.readouterr()
        assert ended.value.code == 0, printed.err
        return " ".join(printed.out.split())

    def refuse(self, *arguments: str) -> str:
        """The one line that a command is refused with."""
        sys.argv = ["ml-platform", "releases", *arguments]
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 1
        printed = self.capsys.readouterr()
        assert printed.out == ""
        assert printed.err.count("\n") == 1, printed.err
        return printed.err


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    assert Tracking(f"sqlite:///{path}").aliases("parcels.model") == {}
    return path


@pytest.fixture
def bench(
    tmp_path: Path,
    empty_mlflow: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Bench:
    made = Bench(tmp_path, settings, capsys)
    database = Path(settings.mlflow_uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True)
    shutil.copy(empty_mlflow, database)
    monkeypatch.setattr(sys, "argv", [])
    monkeypatch.setenv("COLUMNS", "200")

    def platform() -> Platform:
        return Platform(settings, made.use_cases, (), lambda: None)  # type: ignore[arg-type, return-value]

    monkeypatch.setattr("ml_platform.cli.releases.load_platform", platform)
    return made


def test_changes_of_every_stage_are_listed_and_what_serves_is_marked(bench: Bench) -> None:
    a, b = bench.release(A), bench.release(B)
    bench.registry.assign("parcels", "model", "trial", a.version, who="grace", why="to compare")
    listed = bench.say("list", "--use-case", "parcels")
    for said in ("releases of parcels/model", a.version, "serves now", "on trial now", "grace", "to compare"):
        assert said in listed
    assert listed.count("serves now") == 1
    assert b.version in bench.say("show", "--use-case", "parcels") or "Model card" in bench.say(
        "show", "--use-case", "parcels"
    )
    assert "no release yet" in bench.say("list", "--use-case", "letters", "--model", "second")


def test_the_only_use_case_with_models_needs_no_name(bench: Bench) -> None:
    bench.release(A)
    bench.use_cases = [
        bench.use_cases[0],
        bench.use_cases[0].model_copy(update={"name": "views", "models": ()}),
    ]
    assert "releases of parcels/model" in bench.say("list")
    assert "has no models" in bench.refuse("list", "--use-case", "views")


def test_several_use_cases_or_models_are_told_apart(bench: Bench) -> None:
    assert "letters, parcels" in bench.refuse("list")
    assert "letters has: model, second (say --model NAME)" in bench.refuse("list", "--use-case", "letters")
    assert "has no model 'third'" in bench.refuse("list", "--use-case", "letters", "--model", "third")
    assert "letters/second has no release yet" in bench.refuse(
        "show", "--use-case", "letters", "--model", "second"
    )


def test_a_rollback_makes_an_earlier_release_serve_again(bench: Bench) -> None:
    a, _ = bench.release(A), bench.release(B)
    said = bench.say("rollback", "--why", "alerts doubled", "--use-case", "parcels", "--who", "on-call")
    assert f"parcels/model: {a.version} serves now" in said
    newest = bench.registry.promotion("parcels", "model")
    assert newest
    assert (newest.action, newest.who, newest.why) == ("rollback", "on-call", "alerts doubled")
    assert "no earlier release" in bench.refuse("rollback", "--why", "again", "--use-case", "parcels")
    assert "has no release to roll back from" in bench.refuse(
        "rollback", "--why", "x", "--use-case", "letters", "--model", "second"
    )


def test_a_shadow_begins_and_ends_by_name(bench: Bench) -> None:
    a, _ = bench.release(A), bench.release(B)
    one = ("--use-case", "parcels")
    assert f"{a.version} is the shadow challenger now" in bench.say(
        "shadow", a.version, "--name", "challenger", *one
    )
    assert bench.registry.current("parcels", "model", "challenger") == a
    assert "challenger predicts no more" in bench.say("unshadow", "challenger", *one)
    assert bench.registry.current("parcels", "model", "challenger") is None
    assert "challenger predicts no more" in bench.say("unshadow", "challenger", *one)
    assert "no shadow 'trial'; it has: challenger" in bench.refuse("unshadow", "trial", *one)


def test_what_cannot_be_a_shadow_is_refused_with_the_remedy(bench: Bench) -> None:
    a = bench.release(A)
    failed = bench.release(B, stage="tried", force=True, gates=[PASSED, FAILED])
    one = ("--use-case", "parcels")
    assert f"it has: {a.version}" in bench.refuse("shadow", "20110101-nothing", "--name", "trial", *one)
    assert "`champion` is no shadow" in bench.refuse("shadow", a.version, "--name", "champion", *one)
    assert "is not the name of a stage" in bench.refuse("shadow", a.version, "--name", "v2", *one)
    assert "or force it" in bench.refuse("shadow", failed.version, "--name", "trial", *one)
    assert "is the shadow trial now" in bench.say(
        "shadow", failed.version, "--name", "trial", "--force", *one
    )
    assert "has no candidate; materialise parcels/model" in bench.refuse(
        "shadow", "candidate", "--name", "other", *one
    )
    assert "cannot be cleared" in bench.refuse("unshadow", "champion", *one)


def test_a_registry_of_an_earlier_version_is_one_line(bench: Bench) -> None:
    bench.registry._store.write("releases/parcels/current.json", b"{}")
    assert "an earlier version" in bench.refuse("list", "--use-case", "parcels")
