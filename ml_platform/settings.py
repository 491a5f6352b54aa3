"""Settings: the one place where the environment is read.

What is wrong with a setting is said by its name, and its value is never shown: it may be a secret, also where a
person only thinks that it is one (a password under a name that does not exist).
"""

import difflib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeGuard, get_origin

from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from ml_platform.errors import ConfigurationError
from ml_platform.features.online.cassandra.settings import CassandraSettings

__all__ = ["Settings"]

PREFIX = "ML_PLATFORM_"
_NESTED = "__"

DBT_VARIABLES = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "PARTITIONS",
        "WAREHOUSE_PATH",
        "BIGQUERY_PROJECT",
        "BIGQUERY_DATASET",
        "BIGQUERY_LOCATION",
    )
)
"""Variables of the dbt project: it reads them itself, and no setting is called so."""


def _not_empty(value: object) -> object:
    if isinstance(value, str) and not value.strip():
        raise PydanticCustomError("empty_path", "it is empty; name a folder, or unset it for the default")
    return value


Folder = Annotated[Path, BeforeValidator(_not_empty)]
"""A folder; an empty text is refused, which Python would take for the current one."""


class Settings(BaseSettings):
    """Everything that differs between a laptop and production.

    Read from the environment (prefix ``ML_PLATFORM_``) when constructed, never at import. The defaults run everything
    embedded, under one folder, with no account and no server.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=_NESTED,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    if not TYPE_CHECKING:  # the fields say what it takes

        def __init__(self, **values: Any) -> None:  # noqa: ANN401 (any field)
            """Read the environment.

            Raises:
                ConfigurationError: a variable has a name that no setting has, or a value that its setting does not
                    take; it is named, its value is not.
            """
            wrong = list(_unknown(type(self), os.environ))
            if not wrong:
                try:
                    super().__init__(**values)
                except ValidationError as error:
                    wrong = [_said(type(self), found) for found in error.errors(include_input=False)]
                except SettingsError:
                    wrong = list(_unreadable(type(self), os.environ))
            # Not within the handler: the error must not carry the one that holds the values as its context.
            if wrong:
                raise ConfigurationError("; ".join(wrong))

    home: Folder = Field(
        default=Path(".ml_platform"),
        description="Folder of all local state (warehouse, registry, MLflow, Dagster). Delete it: all is new.",
    )
    landing: Folder | None = Field(
        default=None, description="Landing folder that raw files are dropped into; default: `<home>/landing`."
    )
    lock_timeout_seconds: float = Field(
        default=300.0,
        gt=0,
        description="How long to wait for a lock that another process holds before failing.",
    )
    run_timeout_seconds: float = Field(
        default=3600.0, gt=0, description="How long `ml-platform run` waits for another one that is at work."
    )
    warehouse_memory: str = Field(
        default="4GB",
        pattern=r"^[0-9]+(\.[0-9]+)? ?(MB|MiB|GB|GiB)$",
        description="Most memory that the local warehouse uses, here and in dbt; beyond it, it spills to disk.",
    )
    mlflow_ui_url: str = Field(
        default="http://127.0.0.1:5000", min_length=1, description="Where links to MLflow lead."
    )
    dagster_ui_url: str = Field(
        default="http://127.0.0.1:3000", min_length=1, description="Where links in alerts lead."
    )
    compute: Literal["in_process", "subprocess"] = Field(
        default="in_process",
        description="Where models are trained: in the process that asks, or in one of their own.",
    )
    online_store: Literal["sqlite", "cassandra"] = Field(
        default="sqlite", description="Which online store feature views are synced to."
    )
    cassandra: CassandraSettings = Field(
        default=CassandraSettings(), description="How to reach Cassandra, when it is the online store."
    )

    @cached_property
    def root(self) -> Path:
        """Absolute path of :attr:`home`."""
        return self.home.expanduser().absolute()

    @property
    def landing_path(self) -> Path:
        """Absolute path of the landing folder."""
        return (self.landing or self.root / "landing").expanduser().absolute()

    @property
    def digests_path(self) -> Path:
        """Digests of landed files, remembered so that they are read once; safe to delete at any time."""
        return self.root / "digests.db"

    @property
    def warehouse_path(self) -> Path:
        """The DuckDB file."""
        return self.root / "warehouse.duckdb"

    @property
    def object_store_path(self) -> Path:
        """Folder that stands in for the bucket of snapshots."""
        return self.root / "objects"

    @property
    def registry_path(self) -> Path:
        """Folder that stands in for the bucket of the production registry."""
        return self.root / "registry"

    @property
    def events_path(self) -> Path:
        """The durable local event log."""
        return self.root / "events.db"

    @property
    def online_path(self) -> Path:
        """The SQLite online store."""
        return self.root / "online.db"

    @property
    def online_place(self) -> str:
        """The place where feature views are kept online, as a text: when it changes, they are to be synced there."""
        if self.online_store == "cassandra":
            return f"cassandra {','.join(self.cassandra.contact_points)} {self.cassandra.keyspace}"
        return self.online_store

    @property
    def mlflow_uri(self) -> str:
        """Tracking URI of the local MLflow."""
        return f"sqlite:///{self.root / 'mlflow' / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Folder of MLflow's artifacts."""
        return self.root / "mlflow" / "artifacts"

    @property
    def scratch_path(self) -> Path:
        """Folder for files that only live while something is made; safe to delete when nothing runs."""
        return self.root / "scratch"

    @property
    def jobs_path(self) -> Path:
        """Folder of the training jobs that are at work on this machine."""
        return self.scratch_path / "jobs"

    @property
    def alerts_path(self) -> Path:
        """JSON lines of the alerts that were raised."""
        return self.root / "alerts.jsonl"

    @property
    def dagster_home(self) -> Path:
        """Dagster's own state, within :attr:`home`."""
        return self.root / "dagster"


def _variables(model: type[BaseModel], prefix: str = PREFIX) -> Iterator[tuple[str, Any]]:
    """Every variable that sets a field of a model or of a group within it, with the field's type."""
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        yield variable, field.annotation
        if _is_group(field.annotation):
            yield from _variables(field.annotation, f"{variable}{_NESTED}")


def _is_group(annotation: Any) -> TypeGuard[type[BaseModel]]:  # noqa: ANN401 (any type)
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _unknown(model: type[BaseModel], environment: Mapping[str, str]) -> Iterator[str]:
    """Variables with our prefix that are no setting's, each with the name that is nearest."""
    known = [name for name, _ in _variables(model)]
    for variable in sorted(environment):
        name = variable.upper()
        if name.startswith(PREFIX) and name not in known and name not in DBT_VARIABLES:
            yield _unknown_setting(variable, _nearest(name, known))


def _unknown_setting(variable: str, nearest: str) -> str:
    return f"{variable} is no setting; the nearest is {nearest}: rename it, or unset it"


def _nearest(name: str, known: Sequence[str]) -> str:
    return max(known, key=lambda one: difflib.SequenceMatcher(None, name, one).ratio())


def _said(model: type[BaseModel], wrong: ErrorDetails) -> str:
    """One wrong setting in words, by the variable's name: pydantic's own message shows what was set."""
    place = [str(part) for part in wrong["loc"]]
    variable = PREFIX + _NESTED.join(place).upper()
    known = dict(_variables(model))
    if wrong["type"] == "extra_forbidden":
        return _unknown_setting(variable, _nearest(variable, [*known]))
    while variable not in known and len(place) > 1:  # a part of a list
        place.pop()
        variable = PREFIX + _NESTED.join(place).upper()
    return f"{variable}: {wrong['msg']}"


def _unreadable(model: type[BaseModel], environment: Mapping[str, str]) -> Iterator[str]:
    """Variables of lists and groups whose value is not JSON."""
    types = dict(_variables(model))
    for variable, value in sorted(environment.items()):
        annotation = types.get(variable.upper())
        if not (_is_group(annotation) or get_origin(annotation) in (tuple, list, dict)):
            continue
        try:
            json.loads(value)
        except ValueError:
            example = '{"name": "value"}' if _is_group(annotation) else '["one", "two"]'
            yield f"{variable} is not JSON; write it like {example}"
