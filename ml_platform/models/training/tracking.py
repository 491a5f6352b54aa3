"""Runs and candidates in MLflow. Nothing else in the library imports it, and it is imported on first use.

Each model has an experiment and a registered model of its own, both named ``<use_case>.<model>``. A training is one
run, found again by its key. Its model is stored as native files among the run's artifacts and registered as a model
version. A run that was not finished is never a candidate.
"""

import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from ml_platform.errors import ArtifactTamperedError, NotFoundError, StoreUnavailableError
from ml_platform.models.training.mlflow_tags import experiment_tags
from ml_platform.models.training.versions import files_digest

__all__ = ["CANDIDATE", "FinishedRun", "RunWriter", "Tracking", "tracked_name"]

CANDIDATE = "candidate"
"""Alias of the newest model that was trained, whether it is released or not."""

KEY_TAG = "ml_platform.training_key"
DIGEST_TAG = "ml_platform.files"
LONGEST_NAME = 250
LONGEST_PARAMETER = 6000
_ILLEGAL = re.compile(r"[^\w\-. /:]")
_TAKEN = re.compile(r"IntegrityError|UniqueViolation")  # of SQLite, MySQL and SQL Server; of PostgreSQL
CONTEXT_TAG = "mlflow.data.context"
MODEL_FOLDER = "model"

logger = logging.getLogger(__name__)


def tracked_name(use_case: str, model: str) -> str:
    """Name of a model's experiment and registered model."""
    return f"{use_case}.{model}"


class RunWriter:
    """Writes into one run while it is open."""

    def __init__(self, client: Any, run_id: str) -> None:  # noqa: ANN401 (mlflow is imported lazily)
        self._client = client
        self.run_id = run_id

    def parameters(self, parameters: Mapping[str, Any]) -> None:
        """Log parameters, flattened by the caller; values as text, cut where MLflow takes no more of it."""
        from mlflow.entities import Param

        items = [
            Param(_ILLEGAL.sub("_", name)[:LONGEST_NAME], str(value)[:LONGEST_PARAMETER])
            for name, value in parameters.items()
        ]
        for start in range(0, len(items), 100):  # what one request may hold
            self._client.log_batch(self.run_id, params=items[start : start + 100])

    def metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step (a fold)."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self.run_id, [Metric(name, value, now, step) for name, value in metrics.items()]
        )

    def dataset(
        self, name: str, version: str, source: str, schema: Mapping[str, str], profile: Mapping[str, Any]
    ) -> None:
        """Log the snapshot that the run reads as its input dataset."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=name,
            digest=version[
                :36
            ],  # the longest that MLflow stores; the whole version is in the source and a tag
            source_type="snapshot",
            source=json.dumps({"version": version, "uri": source}),
            schema=json.dumps({"columns": [{"name": key, "type": kind} for key, kind in schema.items()]}),
            profile=json.dumps(profile),
        )
        inputs = [DatasetInput(dataset, [InputTag(CONTEXT_TAG, "training")])]
        _while_inserts_collide(self._client.log_inputs, self.run_id, inputs)

    def artifacts(self, folder: Path) -> None:
        """Store a folder's files (the model's in ``model/``), and the model's digests as a tag of the run."""
        self._client.set_tag(self.run_id, DIGEST_TAG, json.dumps(files_digest(folder / MODEL_FOLDER)))
        self._client.log_artifacts(self.run_id, str(folder))


class FinishedRun:
    """A finished run."""

    def __init__(self, client: Any, run: Any) -> None:  # noqa: ANN401 (mlflow is imported lazily)
        self._client = client
        self._run = run
        self.run_id: str = run.info.run_id
        self.experiment_id: str = run.info.experiment_id

    @property
    def key(self) -> str:
        """The training key."""
        return str(self._run.data.tags.get(KEY_TAG, ""))

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each of the model's files, by its path, as its training left them."""
        found: dict[str, str] = json.loads(self._run.data.tags.get(DIGEST_TAG, "{}"))
        return found

    @property
    def artifact_uri(self) -> str:
        """URI of the run's artifacts."""
        return str(self._run.info.artifact_uri)

    @property
    def has_model(self) -> bool:
        """Tell whether the run's artifacts are still there."""
        return bool(self._client.list_artifacts(self.run_id, MODEL_FOLDER))

    def read(self, path: str) -> bytes | None:
        """Content of one artifact; None when there is none."""
        folder, _, _ = path.rpartition("/")
        if path not in {item.path for item in self._client.list_artifacts(self.run_id, folder or None)}:
            return None
        with tempfile.TemporaryDirectory() as scratch:
            return Path(self._client.download_artifacts(self.run_id, path, scratch)).read_bytes()

    def files(self, folder: str) -> dict[str, bytes]:
        """Artifacts directly within a folder, which need not be there: name to content."""
        if folder not in {item.path for item in self._client.list_artifacts(self.run_id)}:
            return {}
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(self._client.download_artifacts(self.run_id, folder, scratch))
            return {path.name: path.read_bytes() for path in sorted(local.iterdir()) if path.is_file()}

    def add(self, path: str, content: bytes) -> None:
        """Store one more small artifact; an older one of that path is replaced."""
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / name).write_bytes(content)
            self._client.log_artifact(self.run_id, str(Path(scratch) / name), folder or None)

    def model(self, scratch: Path) -> Path:
        """Bring the model's files to ``scratch/<run id>`` and return that folder.

        Raises:
            ArtifactTamperedError: a file is missing, is one too many, or does not have the digest of its
            training.
        """
        expected = self.digests
        folder = scratch / self.run_id
        if folder.is_dir() and files_digest(folder / MODEL_FOLDER) == expected:
            return folder / MODEL_FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if MODEL_FOLDER in {item.path for item in self._client.list_artifacts(self.run_id)}:
            self._client.download_artifacts(self.run_id, MODEL_FOLDER, str(folder))
        if (found := files_digest(folder / MODEL_FOLDER)) != expected:
            wrong = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
            raise ArtifactTamperedError(
                f"the model files {wrong} of run {self.run_id} are not those that were trained; delete "
                "the run (mlflow runs delete) and train again"
            )
        return folder / MODEL_FOLDER


class Tracking:
    """MLflow at a tracking URI. ``name`` is always that of :func:`tracked_name`.

    Example: ``Tracking("http://127.0.0.1:5000").find("card_fraud.model", key)``.

    Args:
        uri: SQLite (``sqlite:///…``; the database is made on first use) or a server (``http(s)://…``).
        artifact_root: folder or URI of the artifacts of new experiments; None leaves it to the server.
    """

    def __init__(self, uri: str, artifact_root: Path | str | None = None) -> None:
        self.uri = uri
        self._artifact_root = artifact_root.as_uri() if isinstance(artifact_root, Path) else artifact_root

    @contextmanager
    def run(self, name: str, key: str, tags: Mapping[str, str]) -> Iterator[RunWriter]:
        """Open a run; it is finished when the block ends, and failed when the block raises."""
        run = self._client.create_run(
            self._experiment(name), run_name=f"{name} {key[:8]}", tags={**tags, KEY_TAG: key}
        )
        writer = RunWriter(self._client, run.info.run_id)
        try:
            yield writer
        except BaseException:
            self._client.set_terminated(writer.run_id, "FAILED")
            raise
        self._client.set_terminated(writer.run_id, "FINISHED")

    def find(self, name: str, key: str) -> FinishedRun | None:
        """The first finished run of a training key; None when there is none."""
        runs = self._client.search_runs(
            [self._experiment(name)],
            f"tags.`{KEY_TAG}` = '{key}' and attributes.status = 'FINISHED'",
            order_by=["attributes.start_time ASC"],
            max_results=1,
        )
        return FinishedRun(self._client, runs[0]) if runs else None

    def open(self, name: str, run_id: str) -> FinishedRun:
        """A finished run by its id.

        Raises:
            NotFoundError: there is none of this model: it was deleted, or never finished.
        """
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(run_id)
        except MlflowException:
            run = None
        if (
            run is None
            or run.info.lifecycle_stage != "active"
            or run.info.status != "FINISHED"
            or run.info.experiment_id != self._experiment(name)
        ):
            raise NotFoundError(
                f"{name} has no finished run {run_id} at {self.uri}: it was deleted, or another server is meant; train "
                "again, or restore the run (mlflow runs restore)"
            )
        return FinishedRun(self._client, run)

    def register(self, name: str, run: FinishedRun) -> str:
        """The run's version of the registered model, made if there is none; it becomes the ``candidate``."""
        known = self._versions(name, run.run_id)
        if not known:
            self._make_registered_model(name)
            made = self._client.create_model_version(
                name, source=f"{run.artifact_uri}/{MODEL_FOLDER}", run_id=run.run_id
            )
            known = [str(made.version)]
        self.set_alias(name, CANDIDATE, known[0])
        return known[0]

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias (``candidate``, or a stage) of a registered model at a version."""
        if self.alias(name, alias) != version:
            _while_inserts_collide(self._client.set_registered_model_alias, name, alias, version)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; one that is not there does nothing."""
        if alias in self.aliases(name):
            self._client.delete_registered_model_alias(name, alias)

    def alias(self, name: str, alias: str) -> str | None:
        """The version that an alias points at; None when there is no such alias or model."""
        return self.aliases(name).get(alias)

    def aliases(self, name: str) -> dict[str, str]:
        """Every alias of a registered model, with the version that it points at; none when there is no such model."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise self._unavailable(error) from error
            return {}
        return {str(alias): str(version) for alias, version in found.aliases.items()}

    def version_of_run(self, name: str, run_id: str) -> str:
        """The registered version of a run.

        Raises:
            NotFoundError: there is none.
        """
        known = self._versions(name, run_id)
        if not known:
            raise NotFoundError(
                f"{name} has no registered version of run {run_id} at {self.uri}; train again"
            )
        return known[0]

    def run_of_version(self, name: str, version: str) -> str:
        """Id of the run that a registered version is of. Raises NotFoundError when there is no such version."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_model_version(name, version).run_id)
        except MlflowException as error:
            raise NotFoundError(
                f"{name} has no registered version {version} at {self.uri}; see the model's page in MLflow"
            ) from error

    def _versions(self, name: str, run_id: str) -> list[str]:
        """Registered versions of a run, the first of them first."""
        found = self._client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        return [str(version) for version in sorted(int(v.version) for v in found)]

    def _make_registered_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise self._unavailable(error) from error

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 (mlflow is imported lazily)
        # Read when MLflow is imported: no usage statistics leave the machine, and no progress bars in logs.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        if self.uri.startswith("sqlite:///"):
            _make_database(Path(self.uri.removeprefix("sqlite:///")))
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    def _experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_experiment_by_name(name)
            if found is not None:
                self._describe(found)
                return str(found.experiment_id)
            location = f"{self._artifact_root}/{name}" if self._artifact_root else None
            tags = experiment_tags(name)
            return str(self._client.create_experiment(name, artifact_location=location, tags=tags))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise self._unavailable(error) from error
            return str(self._client.get_experiment_by_name(name).experiment_id)  # somebody else made it first

    def _describe(self, experiment: Any) -> None:  # noqa: ANN401 (mlflow is imported lazily)
        """Give an experiment the tags of a new one that it lacks; those that a person set stay."""
        for tag, value in experiment_tags(experiment.name).items():
            if tag not in experiment.tags:
                self._client.set_experiment_tag(experiment.experiment_id, tag, value)

    def _unavailable(self, error: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(
            f"MLflow at {self.uri} refused: {error}; see that the server runs and that it is of this release"
        )


def _while_inserts_collide(call: Callable[..., Any], *arguments: object) -> None:
    """Repeat a call that MLflow answers by looking, then inserting: of two that come at once, the later one fails."""
    Retrying(
        retry=retry_if_exception(lambda error: _TAKEN.search(str(error)) is not None),
        stop=stop_after_attempt(10),
        wait=wait_exponential_jitter(multiplier=0.05, max=2, jitter=0.2),
        reraise=True,
    )(call, *arguments)


def _make_database(path: Path) -> None:
    """Make MLflow's database whole or not at all: MLflow cannot open a half migrated one."""
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    logger.info("making MLflow's database, once, at %s", path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        store = SqlAlchemyStore(f"sqlite:///{made}", path.parent.as_uri())
        store.engine.dispose()
        try:
            os.link(made, path)
        except FileExistsError:
            logger.info("another process made it first")
