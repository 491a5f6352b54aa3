"""The columns that a model needs of feature views, and what is said when a view no longer gives it."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from samples.candidates import manifest
from samples.views import reading, release
from support.online import Bench, bench, customer

from ml_platform.checks import CheckOutcome
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.models.releases.manifest import Release, ReleaseFile, ViewInput
from ml_platform.models.releases.registry import Registry
from ml_platform.models.releases.view_inputs import released_models, view_inputs
from ml_platform.storage.folder import FolderStore


@pytest.fixture
def b(tmp_path: Path) -> Bench:
    made = bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db"))
    made.rows([customer("a", 0)])
    return made


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(FolderStore(tmp_path / "registry"))


def judged(b: Bench, registry: Registry, *use_cases: str) -> CheckOutcome:
    return released_models(b.view, b.warehouse, registry, use_cases or ("churn", "fraud"))


def retyped(b: Bench, column: str, kind: str) -> None:
    b.warehouse.execute(f"ALTER TABLE {b.view.relation} ALTER {column} SET DATA TYPE {kind}")


def test_what_a_model_reads_is_taken_from_the_snapshot_that_it_saw(b: Bench) -> None:
    dataset = reading("churn", b.view, "n", "mean").dataset
    schema = pa.schema([("id", "string"), ("customers__n", "int64"), ("customers__mean", "float")])
    found = view_inputs(dataset, schema, ["weight", "customers__n", "customers__mean"])
    columns = {"id": "string", "n": "int64", "mean": "float"}
    assert found == [{"view": "customers", "entity": ("id",), "columns": columns}]
    assert view_inputs(dataset, schema, ["customers__n"])[0]["columns"] == {"id": "string", "n": "int64"}
    assert view_inputs(dataset, schema, ["weight"]) == []


def test_nothing_is_needed_before_a_release_nor_by_models_of_other_views(
    b: Bench, registry: Registry, tmp_path: Path
) -> None:
    assert judged(b, registry).passed
    release(registry, tmp_path, "churn", {"n": "int64", "id": "string"})
    b.view = b.view.model_copy(update={"name": "others", "features": ("mean",)})
    assert judged(b, registry).passed


@pytest.mark.parametrize(
    ("needed", "said"),
    [
        ({"n": "int64", "mean": "double", "id": "string"}, ""),
        ({"gone": "int64"}, "needs customers.gone (int64), which the view declares no more"),
        ({"mean": "float"}, "needs customers.mean (float), which is double in features.customers now"),
        ({"id": "int64"}, "needs customers.id (int64), which is string in features.customers now"),
    ],
)
def test_every_column_is_needed_as_it_was(
    b: Bench, registry: Registry, tmp_path: Path, needed: dict[str, str], said: str
) -> None:
    released = release(registry, tmp_path, "churn", needed)
    outcome = judged(b, registry)
    assert outcome.blocking
    assert outcome.passed is not bool(said)
    if said:
        assert f"release {released.version} of churn/model {said}" in outcome.description
        assert "release a model that does not need it" in outcome.description


def test_a_column_that_the_relation_lost_or_a_key_that_changed(
    b: Bench, registry: Registry, tmp_path: Path
) -> None:
    release(registry, tmp_path, "fraud", {"n": "int64"})
    b.warehouse.execute(f"ALTER TABLE {b.view.relation} DROP n")
    assert "which features.customers has no more" in judged(b, registry).description
    b.view = b.view.model_copy(update={"entity": ("id", "mean"), "features": ("n",)})
    assert "reads customers by the key (id), which is (id, mean) now" in judged(b, registry).description


def test_only_what_a_stage_names_counts(b: Bench, registry: Registry, tmp_path: Path) -> None:
    release(registry, tmp_path, "churn", {"gone": "int64", "n": "int64"})
    assert not judged(b, registry).passed
    release(registry, tmp_path, "churn", {"n": "int64"})
    assert judged(b, registry).passed
    registry.rollback("churn", "model", who="on-call", why="alerts doubled")
    assert not judged(b, registry).passed


def test_a_shadow_counts_until_it_is_cleared(b: Bench, registry: Registry, tmp_path: Path) -> None:
    old = release(registry, tmp_path, "churn", {"gone": "int64", "n": "int64"})
    release(registry, tmp_path, "churn", {"n": "int64"})
    registry.assign("churn", "model", "trial", old.version, who="ada", why="a trial")
    assert "needs customers.gone" in judged(b, registry).description
    registry.clear("churn", "model", "trial", who="ada", why="done")
    assert judged(b, registry).passed


def test_a_sum_of_integers_is_what_a_snapshot_has_as_a_double(
    b: Bench, registry: Registry, tmp_path: Path
) -> None:
    release(registry, tmp_path, "churn", {"n": "double"})
    assert not judged(b, registry).passed
    retyped(b, "n", "HUGEINT")
    assert judged(b, registry).passed


def test_a_release_that_does_not_say_is_named_and_one_that_cannot_be_read_is_refused(
    b: Bench, registry: Registry, tmp_path: Path
) -> None:
    old = release(registry, tmp_path, "churn", None)
    outcome = judged(b, registry)
    assert outcome.passed
    assert f"trained before this was recorded: release {old.version} of churn/model" in outcome.description
    path = tmp_path / "registry" / "releases" / "churn" / "model" / old.version / "manifest.json"
    path.chmod(0o644)
    path.write_text("{}")
    assert "what churn's releases need is not known" in judged(b, registry).description
    assert judged(b, registry, "fraud").passed


def test_a_manifest_of_before_is_read_and_its_version_stays() -> None:
    files = (ReleaseFile(path="model.ubj", sha256="0" * 64, size=1),)
    needs = (ViewInput(view="customers", entity=("id",), columns={"n": "int64"}),)
    now = Release.of("churn", "model", files, manifest(views=needs))
    content = json.loads(now.to_json())
    del content["manifest"]["views"]
    before = Release.from_json(json.dumps(content).encode())
    assert before.is_consistent
    assert (before.version, before.manifest.views) == (now.version, None)
    assert Release.from_json(now.to_json()) == now
