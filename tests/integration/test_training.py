"""Training against a real MLflow on SQLite."""

import json
import os
import shutil
import signal
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from samples import labelled
from samples.killed import start

from ml_platform.errors import ArtifactTamperedError, ConfigurationError, DataError, NotFoundError
from ml_platform.models.training.candidate import CandidateRecord
from ml_platform.models.training.candidates import Champion, judge_again, open_recorded, train_candidate
from ml_platform.models.training.tracking import Tracking
from ml_platform.models.training.versions import files_digest
from ml_platform.use_case import Metric, Plot


@pytest.fixture(scope="module")
def empty_mlflow(tmp_path_factory):
    """An MLflow database without runs; its migrations take seconds."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    assert Tracking(f"sqlite:///{path}").alias("parcels.model", "candidate") is None
    return path


@pytest.fixture
def home(empty_mlflow, tmp_path):
    shutil.copy(empty_mlflow, tmp_path / "mlflow.db")
    return tmp_path


def tracking_at(home):
    return Tracking(f"sqlite:///{home / 'mlflow.db'}", home / "artifacts")


def train(home, table=None, *, champion=None, snapshot=None, **changes):
    snapshot = snapshot or labelled.TableSnapshot(labelled.parcels() if table is None else table)
    return train_candidate(
        labelled.use_case(**changes),
        snapshot,
        tracking=tracking_at(home),
        champion=champion,
        scratch=home / "scratch",
    )


def runs(home):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("parcels.model")
    return client, client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def test_a_candidate_is_tracked_judged_and_registered(home):
    found = train(home)
    assert found.created
    assert found.passed, [outcome for outcome in found.gates if not outcome.passed]
    client, (run,) = runs(home)
    assert run.info.run_id == found.run_id
    assert run.data.params["max_depth"] == "2"
    assert run.data.params["split.train_days"] == "10"
    assert run.data.tags["data_version"] == "d1"
    assert run.data.metrics["auc"] == found.metrics["auc"]
    assert (
        run.data.metrics["baseline.logistic_regression.auc"] == found.baselines["logistic_regression"]["auc"]
    )
    assert len(client.get_metric_history(run.info.run_id, "auc")) == 2, "one step a fold"
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("parcels", "d1")
    stored = {item.path for item in client.list_artifacts(run.info.run_id)}
    assert {"model", "plots", "report.json", "requirements.txt"} <= stored
    assert [path.name for path in found.folder.iterdir()] == ["model.ubj"], "native files, no pickle"
    version = client.get_model_version_by_alias("parcels.model", "candidate")
    assert (str(version.version), version.run_id) == (found.model_version, found.run_id)


def test_its_metrics_have_a_spread_over_the_folds_and_its_windows_keep_the_gap(home):
    found = train(home)
    values = [fold["metrics"]["auc"] for fold in found.report["folds"]]
    assert len(values) == 2
    assert found.report["spread"]["auc"]["mean"] == pytest.approx(sum(values) / 2)
    assert found.test_window[0] - found.train_window[1] == timedelta(days=3)
    assert sum(found.distribution.shares) == pytest.approx(1)


def test_its_manifest_says_what_a_release_needs(home):
    manifest = train(home).manifest()
    assert [feature.name for feature in manifest.features] == ["weight", "distance", "at_night"]
    assert manifest.data_version == "d1"
    assert not manifest.failed_gates
    assert manifest.libraries["xgboost-cpu"]


def test_training_again_is_answered_from_the_run_that_exists(home):
    first = train(home)
    snapshot = labelled.TableSnapshot(labelled.parcels())
    second = train(home, snapshot=snapshot)
    assert (second.created, second.run_id, second.key) == (False, first.run_id, first.key)
    assert snapshot.reads == 0, "not even the data are read"
    assert second.metrics == first.metrics
    assert second.plots == first.plots
    assert second.gates == first.gates
    assert second.model_version == first.model_version
    assert len(runs(home)[1]) == 1


def test_other_parameters_or_data_are_another_training(home):
    first = train(home)
    deeper = train(home, parameters={"rounds": 8, "max_depth": 3})
    newer = train(home, snapshot=labelled.TableSnapshot(labelled.parcels(seed=1), "d2"))
    assert len({first.run_id, deeper.run_id, newer.run_id}) == 3
    assert newer.model_version == "3"


def test_a_new_champion_and_a_new_gate_are_judged_without_training(home):
    weak = train(home, parameters={"rounds": 1, "max_depth": 1})
    first = train(home)
    other = train(home, champion=Champion("v1", weak.load()))
    assert other.run_id == first.run_id
    by_name = {outcome.name: outcome for outcome in other.gates}
    assert by_name["beats_champion"].passed
    assert by_name["beats_champion"].metadata["champion"] == weak.metrics["average_precision"]
    strict = train(home, gate=labelled.Gate(limits={"auc": 0.999}))
    assert strict.run_id == first.run_id
    assert not strict.passed
    assert len(runs(home)[1]) == 2


def test_a_worse_candidate_does_not_pass_against_the_champion(home):
    good = train(home)
    weak = train(home, champion=Champion("v2", good.load()), parameters={"rounds": 1, "max_depth": 1})
    assert [outcome.name for outcome in weak.gates if not outcome.passed and outcome.blocking] >= [
        "beats_champion"
    ]
    assert not weak.passed


def test_two_homes_train_the_same_model_to_the_byte(home, empty_mlflow, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(empty_mlflow, other / "mlflow.db")
    table = labelled.parcels()
    one, two = train(home, table), train(other, table.take(list(range(table.num_rows))[::-1]))
    assert files_digest(one.folder) == files_digest(two.folder)
    assert one.report == two.report


def test_a_tampered_model_is_refused(home):
    found = train(home)
    stored = next((home / "artifacts").rglob("model.ubj"))
    stored.write_bytes(stored.read_bytes()[:-1] + b"\x00")
    shutil.rmtree(home / "scratch")
    with pytest.raises(ArtifactTamperedError, match=rf"\['model.ubj'\] of run {found.run_id}.*train again"):
        train(home)
    for lose in (stored.unlink, lambda: shutil.rmtree(stored.parent)):
        lose()
        with pytest.raises(ArtifactTamperedError, match=r"model.ubj"):
            train(home)


def test_a_damaged_copy_is_fetched_again(home):
    found = train(home)
    before = files_digest(found.folder)
    (found.folder / "model.ubj").write_bytes(b"")
    assert files_digest(train(home).folder) == before


def test_a_deleted_run_is_trained_again(home):
    first = train(home)
    runs(home)[0].delete_run(first.run_id)
    second = train(home)
    assert second.created
    assert files_digest(first.folder) == files_digest(second.folder)


def test_a_failed_training_is_no_candidate(home):
    def broken(data, parameters, seed):
        raise DataError("no")

    with pytest.raises(DataError):
        train(home, train=broken)
    client, (run,) = runs(home)
    assert run.info.status == "FAILED"
    assert client.search_registered_models() == []


def test_what_is_not_a_model_of_the_framework_is_refused(home):
    with pytest.raises(ConfigurationError, match="returned str; return XGBoostModel"):
        train(home, train=lambda data, parameters, seed: "model")


def test_a_shorter_history_than_declared_is_trained_and_warned_of(home):
    snapshot = labelled.TableSnapshot(labelled.parcels(days=13), "short", labelled.START + timedelta(days=13))
    found = train(home, snapshot=snapshot)
    warned = next(outcome for outcome in found.gates if outcome.name == "enough_history")
    assert (warned.passed, warned.severity, warned.blocking) == (False, "WARN", False)
    assert "the 3 days there are, of 10 declared" in warned.description
    assert "1 of the 2 folds" in warned.description


def test_metrics_that_rest_on_half_of_the_labels_are_warned_of(home):
    late = labelled.TableSnapshot(labelled.parcels(days=30, per_day=300, slowest=12), "late")
    reported = late.table().column("lost_available_at")
    known = pc.fill_null(pc.less_equal(reported, pa.scalar(late.as_of, reported.type)), False)
    rows = late.table()
    for name, value in (
        ("lost", pc.if_else(known, 1, 0)),
        ("lost_available_at", pc.if_else(known, reported, None)),
    ):
        rows = rows.set_column(rows.column_names.index(name), name, value)
    found = train(home, snapshot=labelled.TableSnapshot(rows, "half"))
    warned = next(outcome for outcome in found.gates if outcome.name == "labels_known")
    assert (warned.passed, warned.severity, warned.blocking) == (False, "WARN", False)
    assert 0.2 < warned.metadata["share known"] < 0.7
    assert found.metrics["average_precision"] < warned.metadata["ripe average_precision"]
    _, (run,) = runs(home)
    assert run.data.metrics["labels_known"] == warned.metadata["share known"]


def test_too_short_a_history_is_refused_before_a_run_is_made(home):
    snapshot = labelled.TableSnapshot(labelled.parcels(days=9), "tiny", labelled.START + timedelta(days=9))
    with pytest.raises(DataError, match=r"there are 9 days of events .* Needed are 11:"):
        train(home, snapshot=snapshot)
    assert {run.info.status for run in runs(home)[1]} <= {"FAILED"}


KILLED = """
import os, signal, sys
from pathlib import Path
from samples import labelled
from ml_platform.models.training import candidates as training
from ml_platform.models.training.tracking import RunWriter, Tracking

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

home, where = Path(sys.argv[1]), sys.argv[2]
owner, method = {
    "before the model was stored": (RunWriter, "artifacts"),
    "before it was registered": (Tracking, "register"),
}[where]
setattr(owner, method, die)
training.train_candidate(
    labelled.use_case(), labelled.TableSnapshot(labelled.parcels()),
    tracking=Tracking(f"sqlite:///{home / 'mlflow.db'}", home / "artifacts"), scratch=home / "scratch",
)
"""


@pytest.mark.parametrize(
    ("where", "trained_again"),
    [
        ("before the model was stored", True),
        ("before it was registered", False),
    ],
)
def test_a_killed_training_is_completed_by_the_next(home, empty_mlflow, tmp_path, where, trained_again):
    process = start(KILLED, home, where)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    found = train(home)
    assert found.created is trained_again
    assert found.passed
    client, all_runs = runs(home)
    finished = [run for run in all_runs if run.info.status == "FINISHED"]
    assert [run.info.run_id for run in finished] == [found.run_id]
    assert [version.run_id for version in client.search_model_versions("name = 'parcels.model'")] == [
        found.run_id
    ]
    undisturbed = tmp_path / "undisturbed"
    undisturbed.mkdir()
    shutil.copy(empty_mlflow, undisturbed / "mlflow.db")
    assert files_digest(found.folder) == files_digest(train(undisturbed).folder)


MAKES_A_DATABASE = """
import sys
from ml_platform.models.training.tracking import Tracking
print(Tracking("sqlite:///" + sys.argv[1]).alias("parcels.model", "candidate"))
"""


def test_a_killed_migration_leaves_no_database_behind(tmp_path):
    path = tmp_path / "mlflow.db"
    process = start(MAKES_A_DATABASE, path)
    while process.poll() is None and not list(tmp_path.glob(".making-*/mlflow.db")):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not path.exists()
    assert Tracking(f"sqlite:///{path}").alias("parcels.model", "candidate") is None


def test_processes_that_start_at_once_share_one_database(tmp_path):
    processes = [start(MAKES_A_DATABASE, tmp_path / "mlflow.db") for _ in range(2)]
    said = [process.communicate()[0].strip() for process in processes]
    assert said == ["None", "None"]
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_the_recorded_candidate_is_opened_without_training_or_judging(home):
    found = train(home)
    record = CandidateRecord.model_validate_json(found.record.model_dump_json())
    case = labelled.use_case()
    opened = open_recorded(case, case.model(), record, tracking=tracking_at(home), scratch=home / "elsewhere")
    assert (opened.run_id, opened.created, opened.gates) == (found.run_id, False, found.gates)
    assert files_digest(opened.folder) == files_digest(found.folder)
    assert opened.record == record
    assert opened.manifest() == found.manifest()


def opened(home, record):
    case = labelled.use_case()
    return open_recorded(case, case.model(), record, tracking=tracking_at(home), scratch=home / "elsewhere")


def test_a_record_that_mlflow_does_not_agree_with_is_refused_with_a_remedy(home):
    record = train(home).record
    other = train(home, parameters={"rounds": 8, "max_depth": 3}).record
    for changed in ("files", "key", "judgement_sha256", "champion", "snapshot"):
        with pytest.raises(
            ArtifactTamperedError, match=rf"{changed} differ.*materialise parcels/model again"
        ):
            opened(home, record.model_copy(update={changed: "x"}))
    with pytest.raises(ArtifactTamperedError, match="files, judgement_sha256, key differ"):
        opened(home, record.model_copy(update={"run_id": other.run_id}))
    with pytest.raises(NotFoundError, match=r"lost its gates/x.json; materialise its model again"):
        opened(home, record.model_copy(update={"judgement": "gates/x.json"}))
    runs(home)[0].delete_run(record.run_id)
    with pytest.raises(NotFoundError, match=f"no finished run {record.run_id}.*train again"):
        opened(home, record)


def test_a_candidate_is_judged_again_without_training(home):
    weak, found = train(home, parameters={"rounds": 1, "max_depth": 1}), train(home)
    assert found.judgement.champion is None
    again = judge_again(
        found,
        labelled.TableSnapshot(labelled.parcels()),
        Champion("v7", weak.load()),
        tracking=tracking_at(home),
    )
    assert (again.run_id, again.judgement.champion) == (found.run_id, "v7")
    assert again.passed
    assert again.record != found.record
    assert opened(home, again.record).judgement == again.judgement
    assert len(runs(home)[1]) == 2


def test_a_plot_decides_nothing_and_a_metric_is_measured_anew(home):
    first = train(home)
    drawn = train(home, plots=(Plot(name="mine", function=lambda predictions, test: b"\x89PNG"),))
    assert drawn.run_id == first.run_id
    measured = train(
        home, metrics=(Metric(name="rows", function=lambda predictions, test: len(predictions)),)
    )
    assert measured.run_id != first.run_id
    assert measured.metrics["rows"] == measured.report["folds"][0]["test_rows"]


def test_models_of_one_use_case_are_apart(home):
    first = train(home)
    case = labelled.use_case()
    second = train_candidate(
        case,
        labelled.TableSnapshot(labelled.parcels()),
        model=case.model().model_copy(update={"name": "second"}),
        tracking=tracking_at(home),
        scratch=home / "scratch",
    )
    assert second.run_id != first.run_id
    assert second.key == first.key
    assert tracking_at(home).alias("parcels.second", "candidate") == "1"
    assert files_digest(second.folder) == files_digest(first.folder)


def test_the_run_says_which_libraries_trained_it(home):
    found = train(home)
    assert json.loads(json.dumps(found.report["libraries"]))["python"]
    assert runs(home)[1][0].data.params["library.numpy"] == found.report["libraries"]["numpy"]
