"""From the snapshot to published predictions: what is promoted is what the gate judged, and shadows stop nothing."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import DagsterAssetCheckFailedError
from samples import labelled, post
from samples.candidates import candidate_files, manifest

from ml_platform.cadence import Cadence
from ml_platform.compute.base import TrainingJob
from ml_platform.compute.in_process import InProcessCompute
from ml_platform.compute.training import train_job
from ml_platform.errors import (
    ConfigurationError,
    GateNotPassedError,
    MLPlatformError,
)
from ml_platform.events.local import LocalEventLog
from ml_platform.models.releases.registry import Registry
from ml_platform.models.training.candidate import CandidateRecord
from ml_platform.models.training.candidates import open_recorded, registered_candidate
from ml_platform.models.training.promotion import release_candidate
from ml_platform.models.training.tracking import Tracking
from ml_platform.orchestration.assets.model import RECORD
from ml_platform.orchestration.assets.use_case import use_case_definitions
from ml_platform.orchestration.planning.calendars import Calendar, Calendars
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.up_to_date import Updater
from ml_platform.orchestration.pointers import report_changes
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import Gate, UseCase
from ml_platform.warehouse.duckdb import DuckDBWarehouse

NAME = ("parcels", "model")
MODEL, CHAMPION = dg.AssetKey(["parcels", "model"]), dg.AssetKey(["parcels", "model", "champion"])
PREDICTIONS, EVENTS = (dg.AssetKey([*NAME, name]) for name in ("predictions", "prediction_events"))
DATASET = dg.AssetKey(["parcels", "dataset"])
CALENDAR = Calendar("parcels", Cadence.DAILY)
WEAK = {"rounds": 1, "max_depth": 1}
DAY = "2011-03-30"


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    assert Tracking(f"sqlite:///{path}").aliases("parcels.model") == {}
    return path


class Graph:
    """The assets of the use case on real backends; a stand-in for the dataset says which snapshot there is."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.folder, self.instance = folder, instance
        self.warehouse = DuckDBWarehouse(folder / "w.duckdb")
        self.objects, self.store = FolderStore(folder / "objects"), FolderStore(folder / "registry")
        self.tracking = Tracking(f"sqlite:///{folder / 'mlflow.db'}", folder / "artifacts")
        self.log = LocalEventLog(folder / "events.db")
        self.registry = Registry(self.store)
        self.use_case = post.use_case()
        self.jobs: list[TrainingJob] = []
        post.fill(self.warehouse)
        self.snapshot = post.snapshot(self.warehouse, self.objects)
        Calendars(instance).extend(CALENDAR, [f"2011-03-{day:02d}" for day in range(1, 31)])

    def declare(self, **changes: object) -> None:
        self.use_case = post.use_case(**changes)

    def resources(self) -> dict[str, Any]:
        scratch = self.folder / "scratch"
        train = partial(
            train_job,
            use_cases={"parcels": self.use_case},
            objects=self.objects,
            registry=self.store,
            tracking=self.tracking,
            scratch=scratch,
        )

        def noted(job: TrainingJob, progress: Any) -> Any:
            self.jobs.append(job)
            return train(job, progress)

        return {
            "warehouse": self.warehouse,
            "objects": self.objects,
            "registry": self.store,
            "tracking": self.tracking,
            "publisher": self.log,
            "scratch": scratch,
            "compute": InProcessCompute(noted, scratch / "jobs"),
        }

    def definitions(self) -> dg.Definitions:
        @dg.asset(key=DATASET)
        def dataset(context: dg.AssetExecutionContext) -> None:
            Recording(context).finish(DATASET, self.snapshot.version)

        made = use_case_definitions(self.use_case, lambda _: CALENDAR, lambda _: [])
        assets = [asset for asset in made.assets or () if DATASET not in asset.keys]  # type: ignore[union-attr]
        return dg.Definitions([dataset, *assets], resources=self.resources(), executor=dg.in_process_executor)

    def make(self, *keys: dg.AssetKey, partition: str | None = None) -> dg.ExecuteInProcessResult:
        job = self.definitions().resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=list(keys), instance=self.instance, partition_key=partition
        )

    def record(self) -> CandidateRecord:
        event = self.instance.get_latest_materialization_event(MODEL)
        assert event
        assert event.asset_materialization
        return CandidateRecord.model_validate_json(str(event.asset_materialization.metadata[RECORD].value))

    def runs(self) -> int:
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=self.tracking.uri)
        experiment = client.get_experiment_by_name("parcels.model")
        return len(client.search_runs([experiment.experiment_id]))

    def rollback(self) -> None:
        self.registry.rollback(*NAME, who="on-call", why="alerts doubled")

    def told(self) -> object:
        """The release that the champion's page names."""
        event = self.instance.get_latest_materialization_event(CHAMPION)
        assert event
        assert event.asset_materialization
        return event.asset_materialization.metadata["release"].value

    def serves(self) -> str:
        entry = self.registry.promotion(*NAME)
        assert entry
        return str(entry.version)

    def champion(self) -> tuple[str, str | None]:
        """The run that serves, and what it was judged against."""
        release = self.registry.current(*NAME)
        assert release
        gate = next(g for g in release.manifest.gates if g.name == "beats_champion")
        return str(release.manifest.run_id), gate.description


@pytest.fixture
def graph(tmp_path: Path, empty_mlflow: Path) -> Iterator[Graph]:
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    with dg.DagsterInstance.ephemeral() as instance:
        yield Graph(tmp_path, instance)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def test_the_run_that_was_judged_is_released_predicts_and_is_announced(graph: Graph) -> None:
    judged = graph.make(DATASET, MODEL, CHAMPION)
    assert all(found.passed for found in checks(judged).values())
    record, release = graph.record(), graph.registry.current(*NAME)
    assert release
    assert (release.manifest.run_id, record.champion) == (record.run_id, None)
    assert release.manifest.test_predictions
    assert [f.name for f in release.manifest.predictions] == ["score"]
    (job,) = graph.jobs
    assert job == TrainingJob(
        use_case="parcels",
        model="model",
        snapshot=graph.snapshot.version,
        champion=None,
        parameters={"rounds": 8, "max_depth": 2},
        seed=0,
    )
    assert graph.tracking.aliases("parcels.model") == {"candidate": "1", "champion": "1"}
    made = graph.make(PREDICTIONS, EVENTS, partition=DAY)
    assert checks(made)["shadows"].passed
    rows = graph.warehouse.table(
        f"SELECT DISTINCT release, stage, promotion FROM {post.RELATION}"
    ).to_pylist()
    assert rows == [{"release": release.version, "stage": "champion", "promotion": 1}]
    (topic, published), *_ = graph.log.topics().items()
    assert topic == "parcels.predictions"
    assert published == graph.warehouse.scalar(f"SELECT count(*) FROM {post.RELATION}")


def test_made_again_nothing_is_trained_and_the_same_release_serves(graph: Graph) -> None:
    graph.make(DATASET, MODEL, CHAMPION)
    for keys in ((CHAMPION,), (MODEL, CHAMPION)):
        graph.make(*keys)
    assert graph.runs() == 1
    assert len(graph.registry.history(*NAME)) == 1
    assert graph.jobs[1].champion == graph.registry.promotion(*NAME).version  # type: ignore[union-attr]


def test_the_champion_asset_releases_what_was_recorded_and_not_what_is_newer(graph: Graph) -> None:
    graph.make(DATASET, MODEL)
    recorded = graph.record()
    newer = post.use_case(parameters={"rounds": 9, "max_depth": 2})
    resources = graph.resources()
    trained = train_job(
        graph.jobs[0].model_copy(update={"parameters": {"rounds": 9, "max_depth": 2}}),
        print,
        use_cases={"parcels": newer},
        objects=graph.objects,
        registry=graph.store,
        tracking=graph.tracking,
        scratch=resources["scratch"],
    )
    assert graph.tracking.alias("parcels.model", "candidate") == "2"
    graph.make(CHAMPION)
    assert graph.champion()[0] == recorded.run_id != trained.run_id
    assert graph.runs() == 2


def test_without_a_record_there_is_nothing_to_release(graph: Graph) -> None:
    with pytest.raises(dg.Failure, match="materialise parcels/model first"):
        graph.make(CHAMPION)
    with pytest.raises(dg.Failure, match="materialise parcels/dataset"):
        graph.make(MODEL)


def test_a_record_that_mlflow_does_not_agree_with_is_refused_with_a_remedy(graph: Graph) -> None:
    from mlflow.tracking import MlflowClient

    graph.make(DATASET, MODEL)
    stored = next((graph.folder / "artifacts").rglob("model.ubj"))
    before = stored.read_bytes()
    shutil.rmtree(graph.folder / "scratch")
    stored.write_bytes(before[:-1] + b"\x00")
    with pytest.raises(dg.Failure, match=r"model\.ubj"):
        graph.make(CHAMPION)
    stored.write_bytes(before)
    gates = next((graph.folder / "artifacts").rglob("gates/*.json"))
    gates.write_text(gates.read_text().replace('"passed": true', '"passed": false', 1))
    with pytest.raises(dg.Failure, match=r"judgement_sha256 differ.*materialise parcels/model again"):
        graph.make(CHAMPION)
    MlflowClient(tracking_uri=graph.tracking.uri).delete_run(graph.record().run_id)
    with pytest.raises(dg.Failure, match=r"no finished run.*train again"):
        graph.make(CHAMPION)
    assert graph.registry.current(*NAME) is None
    graph.make(MODEL, CHAMPION)
    assert graph.registry.current(*NAME) is not None


def test_when_the_champion_changed_since_the_gate_judged_it_is_judged_again(graph: Graph) -> None:
    graph.declare(parameters=WEAK)
    graph.make(DATASET, MODEL, CHAMPION)
    first = graph.champion()[0]
    graph.declare()
    graph.make(MODEL)  # judged against the first
    assert graph.record().champion == graph.registry.promotion(*NAME).version  # type: ignore[union-attr]
    other = Registry(graph.store)
    declared = graph.use_case.model()
    third = registered_candidate(
        graph.use_case, declared, "1", tracking=graph.tracking, scratch=graph.folder / "scratch"
    )
    files = candidate_files(graph.folder / "third", (third.folder / "model.ubj").read_bytes())
    (files / "vocabulary" / "words.json").unlink()
    said = third.manifest().model_copy(update={"code_version": "another"})
    changed = other.release(*NAME, files, said, who="ada", why="a hand-made one")
    told = checks(graph.make(CHAMPION))["judged_against_what_serves"]
    assert told.passed
    assert f"to {changed.version}, so it was judged again" in (told.description or "")
    second, compared = graph.champion()
    assert second == graph.record().run_id != first
    assert "the champion's" in str(compared)
    assert graph.runs() == 2, "it was judged, not trained"


def test_a_candidate_that_does_not_pass_against_the_new_champion_is_not_released(graph: Graph) -> None:
    graph.declare(parameters=WEAK)
    graph.make(DATASET, MODEL)  # judged when there was no champion
    weak = graph.record()
    assert weak.champion is None
    graph.declare()
    graph.make(MODEL, CHAMPION)
    good = graph.champion()[0]
    graph.declare(parameters=WEAK)
    candidate = open_recorded(
        graph.use_case, graph.use_case.model(), weak, tracking=graph.tracking, scratch=graph.folder / "s"
    )
    with pytest.raises(MLPlatformError, match="judge it again"):
        release_candidate(graph.registry, candidate, who="ada", why="x", judged_against=weak.champion)
    with pytest.raises(DagsterAssetCheckFailedError, match="beats_champion"):
        graph.make(MODEL, CHAMPION)
    with pytest.raises(dg.Failure, match="beats_champion"):
        graph.make(CHAMPION)
    assert graph.champion()[0] == good


def test_what_was_rolled_back_is_not_released_again_by_itself(graph: Graph) -> None:
    graph.declare(parameters=WEAK)
    graph.make(DATASET, MODEL, CHAMPION)
    first = graph.champion()[0]
    graph.declare()
    graph.make(MODEL, CHAMPION)
    graph.rollback()
    assert graph.told() != graph.serves()
    assert [
        entry.action for entry in report_changes(graph.registry, graph.instance, *NAME, lambda _: [])
    ] == ["rollback"]
    assert graph.told() == graph.serves()
    assert CHAMPION not in Updater(graph.definitions(), graph.instance, {}).staleness().stale
    for keys in ((CHAMPION,), (MODEL, CHAMPION)):
        graph.make(*keys)
        assert graph.champion()[0] == first
        assert graph.told() == graph.serves()
        assert report_changes(graph.registry, graph.instance, *NAME, lambda _: []) == []
    graph.make(PREDICTIONS, EVENTS, partition=DAY)
    assert graph.warehouse.scalar(f"SELECT any_value(release) FROM {post.RELATION}") == graph.serves()
    assert graph.tracking.aliases("parcels.model") == {"candidate": "2", "champion": "1"}


def test_a_shadow_scores_beside_the_champion_and_one_that_fails_is_a_warning(graph: Graph) -> None:
    graph.declare(parameters=WEAK)
    graph.make(DATASET, MODEL, CHAMPION)
    graph.declare(gate=Gate(limits={"auc": 0.999}))
    with pytest.raises(DagsterAssetCheckFailedError, match="limits"):
        graph.make(MODEL, CHAMPION)
    candidate = registered_candidate(
        graph.use_case,
        graph.use_case.model(),
        "candidate",
        tracking=graph.tracking,
        scratch=graph.folder / "s",
    )
    with pytest.raises(GateNotPassedError, match="or force it"):
        release_candidate(graph.registry, candidate, stage="trial", who="ada", why="x")
    trial = release_candidate(graph.registry, candidate, stage="trial", who="ada", why="x", force=True)
    assert checks(graph.make(PREDICTIONS, EVENTS, partition=DAY))["shadows"].passed
    counts = f"SELECT stage, count(*) AS n FROM {post.RELATION} GROUP BY stage ORDER BY stage"
    scored = {row["stage"]: row["n"] for row in graph.warehouse.table(counts).to_pylist()}
    assert list(scored) == ["champion", "trial"]
    assert scored["champion"] == scored["trial"]
    assert graph.log.topics()["parcels.predictions"] == scored["champion"], "a shadow's are not announced"
    key = f"releases/parcels/model/{trial.version}/model.ubj"
    graph.store.delete(key)
    told = checks(graph.make(PREDICTIONS, partition="2011-03-29"))["shadows"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "trial" in (told.description or "")
    assert graph.warehouse.scalar(f"SELECT count(*) FROM {post.RELATION} WHERE day = DATE '2011-03-29'")


def test_models_of_a_use_case_are_assets_of_their_own() -> None:
    first = post.use_case().model()
    two = post.use_case().model_copy(update={"models": (first, first.model_copy(update={"name": "second"}))})
    keys = {key.to_user_string() for asset in made_of(two) for key in asset.keys}
    assert keys == {
        "parcels/dataset",
        *(f"parcels/{model}{part}" for model in ("model", "second") for part in ("", "/champion")),
        *(f"parcels/model/{name}" for name in ("predictions", "prediction_events", "performance")),
    }


def made_of(use_case: UseCase, **others: UseCase) -> list[dg.AssetsDefinition]:
    found = use_case_definitions(use_case, lambda _: CALENDAR, lambda _: [], others)
    return [asset for asset in found.assets or () if isinstance(asset, dg.AssetsDefinition)]


def test_two_parts_that_want_one_key_and_events_without_a_calendar_are_refused() -> None:
    twice = post.PREDICTION.model_copy(update={"relation": "predictions.again"})
    with pytest.raises(ConfigurationError, match="parcels/model/predictions"):
        made_of(post.use_case().model_copy(update={"batch_predictions": (post.PREDICTION, twice)}))
    with pytest.raises(ConfigurationError, match=r"post\.parcels.*follows no calendar"):
        use_case_definitions(post.use_case(), lambda _: None, lambda _: [])


def test_a_use_case_may_ask_another_ones_model_only() -> None:
    asks = post.PREDICTION.model_copy(update={"model": "parcels/model", "cadence": Cadence.WEEKLY})
    only = labelled.use_case().model_copy(
        update={"name": "mail", "dataset": None, "models": (), "batch_predictions": (asks,)}
    )
    made = {
        key.to_user_string(): asset for asset in made_of(only, parcels=post.use_case()) for key in asset.keys
    }
    assert sorted(made) == [
        f"mail/model/{name}" for name in ("performance", "prediction_events", "predictions")
    ]
    predictions = made["mail/model/predictions"]
    assert CHAMPION in predictions.dependency_keys
    assert predictions.partitions_def == dg.DynamicPartitionsDefinition(name="mail_model_predictions")
    assert manifest().task == "binary"
