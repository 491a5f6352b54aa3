"""Training in a process of its own, on a real project: use cases without Dagster, MLflow, and kill -9."""

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from samples import post
from samples.killed import start
from support.waiting import until

from ml_platform.backends import Backends, backends_for
from ml_platform.compute.base import TrainingJob
from ml_platform.compute.subprocess import SubprocessCompute
from ml_platform.errors import DataError, JobLostError, NotFoundError
from ml_platform.models.training.candidates import open_candidate
from ml_platform.settings import Settings

TESTS = Path(__file__).parents[1]
ROUNDS = {"rounds": 8, "max_depth": 2}

ASKS = """
import sys
from pathlib import Path
from ml_platform.backends import backends_for
from ml_platform.compute.base import TrainingJob
from ml_platform.settings import Settings
with backends_for(Settings()) as backends:
    print(backends.compute.run(TrainingJob.from_json(sys.argv[1])).run_id)
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the parcels, their snapshot and an empty MLflow."""
    root = tmp_path_factory.mktemp("filled")
    with backends_for(Settings(home=root / "home")) as backends:
        post.fill(backends.warehouse)
        post.snapshot(backends.warehouse, backends.objects)
        assert backends.tracking.aliases("parcels.model") == {}
    return root / "home"


class Project:
    """A project in a folder, as a person runs it: its folder is the current one, settings come from the environment."""

    def __init__(self, root: Path, filled: Path) -> None:
        self.root, self.home, self.notes = root, root / "home", root / "notes"
        shutil.copytree(filled, self.home)
        self.notes.mkdir()

    def job(self, **parameters: Any) -> TrainingJob:
        (version,) = [p.name for p in (self.home / "objects" / "datasets" / "parcels").iterdir()]
        return TrainingJob(
            use_case="parcels",
            model="model",
            snapshot=version,
            champion=None,
            parameters={**ROUNDS, **parameters},
            seed=0,
        )

    @property
    def patient(self) -> TrainingJob:
        return self.job(folder=str(self.notes))

    def begun(self, attempts: int = 1) -> int:
        note = self.notes / f"begun-{attempts - 1}"
        return int(until(lambda: note.exists() and note.read_text(), f"attempt {attempts}", 120, every=0.05))

    def statuses(self) -> list[str]:
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("parcels.model")
        return sorted(run.info.status for run in client.search_runs([experiment.experiment_id]))


@pytest.fixture
def project(tmp_path: Path, filled: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path, filled)
    monkeypatch.setenv("ML_PLATFORM_HOME", str(made.home))
    monkeypatch.setenv("ML_PLATFORM_COMPUTE", "subprocess")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def backends(project: Project) -> Iterator[Backends]:
    with backends_for(Settings()) as found:
        yield found


def test_a_worker_trains_what_the_project_declares_without_dagster(
    project: Project, backends: Backends
) -> None:
    post.project(project.root, "post.use_case()")
    assert isinstance(backends.compute, SubprocessCompute)
    said: list[str] = []
    result = backends.compute.run(project.job(), said.append)
    assert result.created
    assert any("training parcels.model" in line for line in said)
    use_case = post.use_case()
    found = open_candidate(
        use_case,
        use_case.model(),
        result.run_id,
        result.judgement,
        tracking=backends.tracking,
        scratch=project.root / "scratch",
    )
    assert found.passed
    again = backends.compute.run(project.job())
    assert again == result.model_copy(update={"created": False})
    other = backends.compute.run(project.job(max_depth=1))
    assert other.run_id != result.run_id, "the job's parameters count"
    assert project.statuses() == ["FINISHED", "FINISHED"]


def test_an_error_of_the_worker_arrives_with_its_class_and_remedy(
    project: Project, backends: Backends
) -> None:
    post.project(
        project.root,
        "labelled.use_case(split=labelled.Split(train_days=10, min_train_days=10, test_days=40))",
    )
    with pytest.raises(DataError, match=r"there are 30 days"):
        backends.compute.run(project.job())
    with pytest.raises(NotFoundError, match="parcels has no model 'second'"):
        backends.compute.run(project.job().model_copy(update={"model": "second"}))
    with pytest.raises(NotFoundError, match="no use case 'letters' to train; there are: parcels"):
        backends.compute.run(project.job().model_copy(update={"use_case": "letters"}))


def test_a_killed_worker_is_told_and_the_next_run_completes(project: Project, backends: Backends) -> None:
    post.project(project.root, "post.use_case(train=post.patient)")
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(backends.compute.run, project.patient)
        os.kill(project.begun(), signal.SIGKILL)
        with pytest.raises(JobLostError, match=r"parcels/model ended by signal 9.*Run it again"):
            asking.result()
    (project.notes / "go").touch()
    assert backends.compute.run(project.patient).created
    assert project.statuses() == ["FINISHED", "RUNNING"], "one finished run; the killed one is no candidate"


def test_when_who_asked_is_killed_the_worker_goes_on_and_the_next_attaches(
    project: Project, backends: Backends
) -> None:
    post.project(project.root, "post.use_case(train=post.patient)")
    other = start(ASKS, project.patient.to_json())
    project.begun()
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    with ThreadPoolExecutor(1) as pool:
        said: list[str] = []
        asking = pool.submit(backends.compute.run, project.patient, said.append)
        until(lambda: any("training" in line for line in said), "its progress", 120, every=0.05)
        (project.notes / "go").touch()
        result = asking.result()
    assert result.created, "it is the worker's own result"
    assert project.statuses() == ["FINISHED"]
    assert len(list(project.notes.glob("begun-*"))) == 2, "one fit a fold, of one training"


def test_a_worker_ends_in_order_when_who_asked_is_interrupted(project: Project, backends: Backends) -> None:
    post.project(project.root, "post.use_case(train=post.patient)")
    other = start(ASKS, project.patient.to_json())
    working = project.begun()
    os.kill(other.pid, signal.SIGINT)
    other.communicate(timeout=60)
    assert other.returncode != 0
    with pytest.raises(ProcessLookupError):
        os.kill(working, 0)
    assert project.statuses() == ["FAILED"]
    assert backends.compute.attach(project.patient) is None
