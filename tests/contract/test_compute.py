"""The contract of compute, run on every backend: a job is run once, whoever asks and whoever is killed."""

import os
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from samples import jobs
from samples.jobs import OddError, PlainError, job
from samples.killed import start
from support.waiting import until

from ml_platform.compute.base import Compute, TrainingJob, TrainingResult
from ml_platform.compute.in_process import InProcessCompute
from ml_platform.compute.subprocess import SubprocessCompute
from ml_platform.errors import DataError, JobFailedError, JobLostError, MLPlatformError

TESTS = Path(__file__).parents[1]

ASKS = """
import sys
from pathlib import Path
from samples.jobs import job
sys.path.insert(0, str(Path(sys.argv[3])))
from test_compute import BACKENDS
print(BACKENDS[sys.argv[1]](Path(sys.argv[2])).run(job(Path(sys.argv[2]), sys.argv[4])).run_id)
"""


def in_process(folder: Path) -> Compute:
    return InProcessCompute(jobs.train, folder / "jobs")


def in_subprocess(folder: Path) -> Compute:
    path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    os.environ["PYTHONPATH"] = path
    return SubprocessCompute(folder, folder / "jobs", {"ML_PLATFORM_HOME": str(folder)}, "samples.jobs:train")


BACKENDS: dict[str, Callable[[Path], Compute]] = {"in_process": in_process, "subprocess": in_subprocess}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))  # put back afterwards
    return str(request.param)


@pytest.fixture
def compute(backend: str, tmp_path: Path) -> Compute:
    return BACKENDS[backend](tmp_path)


def asked(backend: str, folder: Path, does: str) -> "subprocess.Popen[str]":
    """Another process that asks for a job."""
    return start(ASKS, backend, folder, Path(__file__).parent, does)


def begun(folder: Path, attempts: int = 1) -> int:
    """Wait until so many attempts have begun; the process of the last."""
    note = folder / f"begun-{attempts - 1}"
    return int(until(lambda: note.exists() and note.read_text(), f"attempt {attempts}", 60, every=0.02))


def noted(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name.startswith(("begun", "ended")))


def test_a_job_is_plain_data_and_its_key_is_of_all_that_it_says() -> None:
    one = TrainingJob(
        use_case="parcels",
        model="model",
        snapshot="d1",
        champion="v1",
        parameters={"a": [1, None], "b": 2.5},
        seed=7,
    )
    assert TrainingJob.from_json(one.to_json()) == one
    assert one.model_copy(update={"parameters": {"b": 2.5, "a": [1, None]}}).key == one.key
    others = [
        {"use_case": "letters"},
        {"model": "second"},
        {"snapshot": "d2"},
        {"champion": None},
        {"parameters": {"a": [1, None], "b": 2}},
        {"seed": 8},
    ]
    assert len({one.key, *(one.model_copy(update=change).key for change in others)}) == len(others) + 1


def test_a_job_gives_its_result_and_tells_its_progress(compute: Compute, tmp_path: Path) -> None:
    said: list[str] = []
    result = compute.run(job(tmp_path), said.append)
    assert result == TrainingResult(
        run_id="run-0", key=job(tmp_path).key, created=True, judgement="gates/x.json"
    )
    assert [line.replace("\n", " ") for line in said] == ["attempt 0 began", "attempt 0 ended well"]
    assert compute.run(job(tmp_path)).run_id == "run-1", (
        "asked for again, it is for the job to say that it is done"
    )


def test_nobody_at_work_is_nobody_to_attach_to(compute: Compute, tmp_path: Path) -> None:
    assert compute.attach(job(tmp_path)) is None
    compute.run(job(tmp_path))
    assert compute.attach(job(tmp_path)) is None
    assert noted(tmp_path) == ["begun-0", "ended-0"]


@pytest.mark.parametrize(
    ("does", "kind", "says"),
    [
        ("fail", DataError, "the history is too short; bring more days"),
        ("fail plainly", PlainError, "no such team"),
    ],
)
def test_an_error_arrives_as_what_was_raised(
    compute: Compute, tmp_path: Path, does: str, kind: type[Exception], says: str
) -> None:
    for _ in range(2):
        with pytest.raises(kind) as told:
            compute.run(job(tmp_path, does))
        assert (type(told.value), str(told.value)) == (kind, says)
    assert compute.run(job(tmp_path)).run_id, "another job is not concerned"


def test_an_error_that_cannot_be_made_here_is_named(compute: Compute, tmp_path: Path) -> None:
    with pytest.raises((OddError, JobFailedError), match="3 rows are odd"):
        compute.run(job(tmp_path, "fail oddly"))


def test_who_asks_for_a_job_that_is_at_work_waits_for_it(
    compute: Compute, backend: str, tmp_path: Path
) -> None:
    other, said = asked(backend, tmp_path, "wait"), list[str]()
    begun(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(compute.run, job(tmp_path, "wait"), said.append)
        attached = pool.submit(compute.attach, job(tmp_path, "wait"))
        until(lambda: any("attempt 0 began" in line for line in said), "its progress", 60, every=0.02)
        assert not asking.done()
        assert not attached.done()
        (tmp_path / "go").touch()
        assert asking.result().run_id == "run-0"
        found = attached.result()
    assert found is None or found.run_id == "run-0"
    assert other.communicate(timeout=60)[0].strip() == "run-0"
    assert noted(tmp_path) == ["begun-0", "ended-0"], "it was run once"


def test_who_waited_for_a_job_that_fails_gets_its_error(compute: Compute, tmp_path: Path) -> None:
    failing, said = job(tmp_path, "wait", then="fail"), list[str]()
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(compute.run, failing)
        begun(tmp_path)
        attached = pool.submit(compute.attach, failing, said.append)
        until(lambda: said, "its progress", 60, every=0.02)
        (tmp_path / "go").touch()
        for future in (asking, attached):
            with pytest.raises(DataError, match="bring more days"):
                future.result()
    assert noted(tmp_path) == ["begun-0"]


def test_several_who_ask_at_once_run_it_once(backend: str, tmp_path: Path) -> None:
    others = [asked(backend, tmp_path, "wait") for _ in range(3)]
    begun(tmp_path)
    (tmp_path / "go").touch()
    said = [other.communicate(timeout=120)[0].strip() for other in others]
    ended = [name for name in noted(tmp_path) if name.startswith("ended")]
    # Who came when it was over already ran it again; nobody ran it beside another.
    assert len(set(said)) == len(ended) <= len(others)


def test_a_job_whose_process_is_killed_is_completed_by_the_next(backend: str, tmp_path: Path) -> None:
    other = asked(backend, tmp_path, "wait")
    os.kill(begun(tmp_path), signal.SIGKILL)
    other.communicate(timeout=60)
    assert other.returncode != 0
    compute = BACKENDS[backend](tmp_path)
    assert compute.attach(job(tmp_path, "wait")) is None
    (tmp_path / "go").touch()
    assert compute.run(job(tmp_path, "wait")).run_id == "run-1"
    assert noted(tmp_path) == ["begun-0", "begun-1", "ended-1"]


def test_who_waits_for_a_job_whose_process_is_killed_takes_it_over(backend: str, tmp_path: Path) -> None:
    other = asked(backend, tmp_path, "wait")
    working = begun(tmp_path)
    said: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(BACKENDS[backend](tmp_path).run, job(tmp_path, "wait"), said.append)
        until(lambda: any("attempt 0 began" in line for line in said), "its progress", 60, every=0.02)
        os.kill(working, signal.SIGKILL)
        begun(tmp_path, attempts=2)
        (tmp_path / "go").touch()
        assert asking.result().run_id == "run-1"
    other.communicate(timeout=60)


def test_when_who_asked_is_killed_there_is_one_finished_run(backend: str, tmp_path: Path) -> None:
    other = asked(backend, tmp_path, "wait")
    begun(tmp_path)
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    (tmp_path / "go").touch()
    compute = BACKENDS[backend](tmp_path)
    found = compute.attach(job(tmp_path, "wait")) or compute.run(job(tmp_path, "wait"))
    ended = [name for name in noted(tmp_path) if name.startswith("ended")]
    assert found.run_id.replace("run", "ended") in ended


def test_a_worker_goes_on_when_who_asked_is_killed_and_the_next_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    compute = in_subprocess(tmp_path)
    other = asked("subprocess", tmp_path, "wait")
    begun(tmp_path)
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    with ThreadPoolExecutor(1) as pool:
        attached = pool.submit(compute.attach, job(tmp_path, "wait"))
        (tmp_path / "go").touch()
        found = attached.result() or compute.run(job(tmp_path, "wait"))
    assert found.run_id in ("run-0", "run-1")
    assert "ended-0" in noted(tmp_path)


def test_a_worker_that_ends_without_a_word_is_told_with_what_it_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
    with pytest.raises(JobLostError, match=r"parcels/model ended by code 3, without a result.*output-"):
        in_subprocess(tmp_path).run(job(tmp_path, "exit"))
    assert issubclass(JobLostError, MLPlatformError)
