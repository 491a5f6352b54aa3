"""The contract of tracking: runs, registered models and aliases, on SQLite and on a real MLflow server."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples.candidates import candidate_files, manifest
from support.mlflow_server import mlflow_server

from ml_platform.errors import ArtifactTamperedError, NotFoundError
from ml_platform.models.releases.manifest import Release
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.aliases import compare_aliases, mirror_aliases
from ml_platform.models.training.tracking import FinishedRun, Tracking, tracked_name
from ml_platform.storage.folder import FolderStore


@pytest.fixture(scope="module", params=["sqlite", "server"])
def tracking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tracking]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
        return
    with mlflow_server(folder) as address:
        yield Tracking(address)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A model of its own for each test, as the server is shared."""
    test = "".join(c if c.isalnum() else "_" for c in request.node.name).lower()
    return tracked_name(test[-50:].strip("_0123456789"), "model")


def trained(
    tracking: Tracking, name: str, folder: Path, key: str = "k1", model: bytes = b"model A"
) -> FinishedRun:
    draft = folder / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "model" / "words").mkdir(parents=True)
    (draft / "model" / "model.ubj").write_bytes(model)
    (draft / "model" / "words" / "a.json").write_bytes(b"{}")
    (draft / "report.json").write_bytes(b"[1]")
    with tracking.run(name, key, {"data_version": "d1"}) as run:
        run.parameters({f"p{i}": i for i in range(150)} | {"stop words*": ["and"] * 10_000})
        run.metrics({"auc": 0.7}, 0)
        run.metrics({"auc": 0.8}, 1)
        run.dataset(name, "d1", "file:///data", {"amount": "double"}, {"rows": 3})
        run.artifacts(draft)
    found = tracking.find(name, key)
    assert found is not None
    return found


def client(tracking: Tracking):
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=tracking.uri, registry_uri=tracking.uri)


def test_a_finished_run_is_found_by_its_key_and_opened_by_its_id(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    assert tracking.find(name, "k1") is None
    run = trained(tracking, name, tmp_path)
    assert tracking.open(name, run.run_id).run_id == run.run_id
    assert tracking.find(name, "k2") is None
    assert tracking.find(f"{name}2", "k1") is None, "another model's experiment"
    stored = client(tracking).get_run(run.run_id)
    assert stored.data.params["p149"] == "149"
    assert stored.data.params["stop words_"].startswith("['and', 'and'"), "any JSON, cut to what MLflow takes"
    assert stored.data.metrics["auc"] == 0.8, "the newest step"
    assert client(tracking).get_experiment(run.experiment_id).name == name


def test_an_experiment_is_one_of_models_and_says_what_it_is_for(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    run = trained(tracking, name, tmp_path)
    tags = client(tracking).get_experiment(run.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"
    assert name.partition(".")[0] in tags["mlflow.note.content"]
    client(tracking).set_experiment_tag(run.experiment_id, "mlflow.note.content", "by a person")
    client(tracking).delete_experiment_tag(run.experiment_id, "mlflow.experimentKind")
    tracking.find(name, "k1")
    tags = client(tracking).get_experiment(run.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development", (
        "also of one that an earlier version made"
    )
    assert tags["mlflow.note.content"] == "by a person"


def test_the_artifacts_of_a_run_come_back_as_they_were(tracking: Tracking, name: str, tmp_path: Path) -> None:
    run = trained(tracking, name, tmp_path)
    assert run.has_model
    assert run.key == "k1"
    assert sorted(run.digests) == ["model.ubj", "words/a.json"]
    assert run.read("report.json") == b"[1]"
    assert run.read("nothing.json") is None
    assert run.read("gates/nothing.json") is None
    assert run.files("gates") == {}
    for content in (b"one", b"two"):
        run.add("gates/abc.json", content)
    assert run.read("gates/abc.json") == b"two"
    assert run.files("gates") == {"abc.json": b"two"}
    for _ in range(2):
        model = run.model(tmp_path / "scratch")
        assert (model / "model.ubj").read_bytes() == b"model A"
        assert (model / "words" / "a.json").read_bytes() == b"{}"


def test_files_that_are_not_those_that_were_trained_are_refused(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    run = trained(tracking, name, tmp_path)
    run.add("model/model.ubj", b"model B")
    with pytest.raises(ArtifactTamperedError, match=rf"\['model.ubj'\] of run {run.run_id}"):
        tracking.open(name, run.run_id).model(tmp_path / "scratch")


def test_a_run_that_failed_or_was_deleted_is_no_candidate(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError, match="out of memory"), tracking.run(name, "k1", {}) as writer:
        raise RuntimeError("out of memory")
    assert client(tracking).get_run(writer.run_id).info.status == "FAILED"
    assert tracking.find(name, "k1") is None
    run = trained(tracking, name, tmp_path)
    elsewhere = trained(tracking, f"{name}2", tmp_path)
    client(tracking).delete_run(run.run_id)
    assert tracking.find(name, "k1") is None
    for id_ in (writer.run_id, run.run_id, elsewhere.run_id, "0" * 32):
        with pytest.raises(NotFoundError, match=f"no finished run {id_}.*train again"):
            tracking.open(name, id_)


def test_of_two_finished_runs_of_a_key_the_first_answers(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    first = trained(tracking, name, tmp_path)
    second = trained(tracking, name, tmp_path)
    assert second.run_id == first.run_id


def test_a_run_is_registered_once_and_becomes_the_candidate(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    assert tracking.aliases(name) == {}
    first = trained(tracking, name, tmp_path)
    second = trained(tracking, name, tmp_path, "k2", b"model B")
    assert [tracking.register(name, run) for run in (first, second, first)] == ["1", "2", "1"]
    assert tracking.aliases(name) == {"candidate": "1"}
    assert tracking.version_of_run(name, second.run_id) == "2"
    assert tracking.run_of_version(name, "2") == second.run_id
    with pytest.raises(NotFoundError, match="no registered version of run"):
        tracking.version_of_run(name, "0" * 32)
    with pytest.raises(NotFoundError, match="no registered version 9"):
        tracking.run_of_version(name, "9")


def test_many_at_once_share_one_experiment_and_registered_model(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    def one(number: int) -> str:
        run = trained(tracking, name, tmp_path / str(number), f"k{number}")
        return tracking.register(name, run)

    assert tracking.aliases(name) == {}  # MLflow's database is made once, before
    with ThreadPoolExecutor(4) as pool:
        versions = set(pool.map(one, range(4)))
    assert versions == {"1", "2", "3", "4"}
    assert len(client(tracking).search_experiments(filter_string=f"name = '{name}'")) == 1


def test_an_alias_follows_and_can_be_removed(tracking: Tracking, name: str, tmp_path: Path) -> None:
    for key in ("k1", "k2"):
        tracking.register(name, trained(tracking, name, tmp_path, key))
    for version in ("1", "2", "2"):
        tracking.set_alias(name, "champion", version)
        assert tracking.alias(name, "champion") == version
    for _ in range(2):
        tracking.delete_alias(name, "champion")
    assert tracking.alias(name, "champion") is None
    assert tracking.aliases(name) == {"candidate": "2"}


def test_aliases_mirror_every_stage_and_a_difference_is_told(
    tracking: Tracking, name: str, tmp_path: Path
) -> None:
    use_case = name.partition(".")[0]
    registry = Registry(FolderStore(tmp_path / "registry"))

    def released(key: str, model: bytes, stage: str) -> Release:
        run = trained(tracking, name, tmp_path, key, model)
        tracking.register(name, run)
        files = candidate_files(tmp_path / key, model)
        said = manifest(run_id=run.run_id)
        return registry.release(use_case, "model", files, said, stage=stage, who="ada", why="x")

    assert mirror_aliases(registry, tracking, use_case, "model").passed
    a = released("k1", b"model A", "champion")
    released("k2", b"model B", "trial")
    before = compare_aliases(registry, tracking, use_case, "model")
    assert not before.passed
    assert "alias champion names version nothing, and the registry 1" in before.description
    assert f"materialise {use_case}/model/champion" in before.description
    client(tracking).set_registered_model_alias(name, "mine", "1")
    assert mirror_aliases(registry, tracking, use_case, "model").passed
    everything = {"candidate": "2", "champion": "1", "mine": "1", "trial": "2"}
    assert tracking.aliases(name) == everything
    tracking.set_alias(name, "champion", "2")
    assert (
        "alias champion names version 2, and the registry 1"
        in compare_aliases(registry, tracking, use_case, "model").description
    )
    registry.clear(use_case, "model", "trial", who="ada", why="done")
    assert mirror_aliases(registry, tracking, use_case, "model").passed
    assert tracking.aliases(name) == {"candidate": "2", "champion": "1", "mine": "1"}
    client(tracking).delete_model_version(name, "1")
    lost = compare_aliases(registry, tracking, use_case, "model")
    assert not lost.passed
    assert f"no registered version of run {a.manifest.run_id}" in lost.description
