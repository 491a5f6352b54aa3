"""Synthetic Dagster instances: a project of some use cases, every asset of which was materialised on every day."""

import os
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
import yaml
from dagster._core.events import (
    AssetMaterializationPlannedData,
    DagsterEvent,
    DagsterEventType,
    StepMaterializationData,
)
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.dagster_run import DagsterRun, DagsterRunStatus

from benchmarks.bookkeeping_library import (
    DAY,
    OUTSIDE,
    READS,
    Fact,
    automation_sensor,
    calendar_of,
    facts_of,
    metadata_of,
    open_instance,
    when_missing,
    when_stale,
)
from ml_platform.settings import Settings

__all__ = ["Server", "fill", "project", "sqlite"]

DAYS_A_RUN = 30
POSTGRES = Path("/usr/lib/postgresql")
"""Debian's place for it."""


def use_case_assets(name: str) -> list[dg.AssetsDefinition]:
    """From a raw source to published predictions, shaped like the project's; none of them computes anything."""
    keys = {
        part: dg.AssetKey([name, part]) for part in ("dataset", "model", "champion", "predictions", "events")
    }
    raw, staging, features, daily = (
        dg.AssetKey([schema, name]) for schema in ("raw", "staging", "features", "daily")
    )
    calendar = calendar_of(name)
    partitioned: dict[str, Any] = {
        "partitions_def": calendar.partitions,
        "backfill_policy": dg.BackfillPolicy.single_run(),
    }

    def spec(key: dg.AssetKey, reads: Mapping[dg.AssetKey, float | str]) -> dg.AssetSpec:
        rules = {dep.to_user_string(): rule for dep, rule in reads.items()}
        return dg.AssetSpec(
            key,
            deps=[*reads],
            metadata={READS: rules, **calendar.metadata},
            code_version="1",
            automation_condition=when_stale(),
        )

    @dg.multi_asset(
        specs=[spec(staging, {raw: 0}), spec(features, {staging: 37 * DAY}), spec(daily, {features: 0})],
        name=f"{name}_dbt",
        can_subset=True,
        **partitioned,
    )
    def models() -> Iterator[dg.MaterializeResult[None]]:
        """Make the feature models."""
        yield from (dg.MaterializeResult(asset_key=key) for key in (staging, features, daily))

    def asset(
        key: dg.AssetKey,
        reads: Mapping[dg.AssetKey, float | str],
        condition: dg.AutomationCondition[dg.AssetKey] | None,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,  # noqa: ANN401 (the decorator's)
    ) -> dg.AssetsDefinition:
        rules = {dep.to_user_string(): rule for dep, rule in reads.items()}

        @dg.asset(
            key=key,
            deps=[*reads],
            code_version="1",
            metadata={
                READS: rules,
                **(metadata or {}),
                **(calendar.metadata if "partitions_def" in more else {}),
            },
            automation_condition=condition,
            check_specs=[dg.AssetCheckSpec("sane", asset=key, blocking=True)],
            **more,
        )
        def compute() -> Iterator[dg.MaterializeResult[None]]:
            yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="sane")])

        return compute

    predictions_read: dict[dg.AssetKey, float | str] = {
        features: 0,
        daily: 37 * DAY,
        keys["champion"]: "order",
    }
    return [
        asset(raw, {}, None, {OUTSIDE: "files"}, **partitioned),
        models,
        asset(keys["dataset"], {features: "all", daily: "all"}, when_stale()),
        asset(keys["model"], {keys["dataset"]: "all"}, when_missing()),
        asset(keys["champion"], {keys["model"]: "all"}, when_stale()),
        asset(keys["predictions"], predictions_read, when_stale(), **partitioned),
        asset(keys["events"], {keys["predictions"]: 0}, when_stale(), **partitioned),
    ]


def project(use_cases: int) -> dg.Definitions:
    """The whole graph, and the sensor that evaluates it."""
    names = [f"use_case_{i}" for i in range(use_cases)]
    return dg.Definitions(
        assets=[asset for name in names for asset in use_case_assets(name)],
        sensors=[automation_sensor()],
        executor=dg.in_process_executor,
    )


def fill(instance: dg.DagsterInstance, definitions: dg.Definitions, days: Sequence[str]) -> None:
    """Write what Dagster stores of range runs of some days each: planned events, materialisations, tags, checks."""
    names = {
        spec.partitions_def.name
        for spec in definitions.resolve_all_asset_specs()
        if isinstance(spec.partitions_def, dg.DynamicPartitionsDefinition)
    }
    for name in names:
        instance.add_dynamic_partitions(str(name), list(days))
    ended = time.time() - 86_400
    run_of: dict[str | None, str] = {}
    for together in (*_batched(days, DAYS_A_RUN), [None]):
        run = DagsterRun("__ASSET_JOB", str(uuid.uuid4()), status=DagsterRunStatus.SUCCESS)
        instance.add_run(run)
        run_of.update(dict.fromkeys(together, run.run_id))
    for key, facts in _by_asset(facts_of(definitions, days)):
        for batch in _batched(facts, 500):
            _store(instance, [_planned(key, fact[1], run_of[fact[1]], ended) for fact in batch])
            _store(instance, [_made(fact, run_of[fact[1]], ended) for fact in batch])
    for check in definitions.resolve_asset_graph().asset_check_keys:
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=check.asset_key, check_name=check.name, passed=True)
        )
    if instance.event_log_storage.__class__.__name__.startswith("Postgres"):
        with instance.event_log_storage.index_connection() as connection:  # as autovacuum would, in a while
            connection.execute(sqlalchemy.text("ANALYZE"))


def _batched(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[i : i + size] for i in range(0, len(items), size))


def _by_asset(facts: Iterator[Fact]) -> Iterator[tuple[dg.AssetKey, list[Fact]]]:
    held: list[Fact] = []
    for fact in facts:
        if held and held[0][0] != fact[0]:
            yield held[0][0], held
            held = []
        held.append(fact)
    yield held[0][0], held


def _store(instance: dg.DagsterInstance, entries: Sequence[EventLogEntry]) -> None:
    """One statement for all of them; nobody else writes, so their ids follow one another."""
    storage: Any = instance.event_log_storage
    before = storage.get_maximum_record_id() or 0
    with storage.run_connection(None) as connection:
        connection.execute(storage.prepare_insert_event_batch(entries))
    after = storage.get_maximum_record_id()
    storage.store_asset_event_tags(entries, range(after - len(entries) + 1, after + 1))
    storage.store_asset_event(entries[-1], after)
    if after - before != len(entries) and before:
        raise RuntimeError(
            f"{len(entries)} events were written and {after - before} are there: somebody else writes"
        )


def _planned(key: dg.AssetKey, day: str | None, run_id: str, at: float) -> EventLogEntry:
    data = AssetMaterializationPlannedData(key, partition=day)
    return _entry(DagsterEventType.ASSET_MATERIALIZATION_PLANNED, key, data, run_id, at)


def _made(fact: Fact, run_id: str, at: float) -> EventLogEntry:
    key, day, version, _ = fact
    tags = {
        "dagster/code_version": "1",
        "dagster/data_version": version,
        "dagster/data_version_is_user_provided": "true",
    }
    made = dg.AssetMaterialization(key, metadata=metadata_of(fact), partition=day, tags=tags)
    return _entry(DagsterEventType.ASSET_MATERIALIZATION, key, StepMaterializationData(made), run_id, at)


def _entry(
    kind: DagsterEventType,
    key: dg.AssetKey,
    data: AssetMaterializationPlannedData | StepMaterializationData,
    run_id: str,
    at: float,
) -> EventLogEntry:
    step = "__".join(key.path)
    tags = {"job_name": "__ASSET_JOB", "op_name": step, "run_id": run_id, "step_key": step}
    event = DagsterEvent(
        kind.value,
        "__ASSET_JOB",
        event_specific_data=data,
        step_key=step,
        step_kind_value="COMPUTE",
        logging_tags=tags,
        message=f"Materialized value {step}.",
        pid=os.getpid(),
    )
    return EventLogEntry(
        None, 10, f"Materialized value {step}.", run_id, at, step, "__ASSET_JOB", dagster_event=event
    )


@contextmanager
def sqlite(folder: Path, name: str) -> Iterator[dg.DagsterInstance]:
    """The instance that the project makes in its home."""
    with open_instance(Settings(home=folder / name)) as instance:
        yield instance


class Server:
    """A PostgreSQL server on 127.0.0.1 for as long as it is asked for; it refuses to run as root, so it does not."""

    def __init__(self, folder: Path) -> None:
        self._bin = max(POSTGRES.glob("*/bin"))
        self._folder = folder / "postgres"
        self._folder.mkdir()
        folder.chmod(0o755)
        self._who: dict[str, str] = {}
        if os.geteuid() == 0:
            self._who = {"user": "postgres", "group": "postgres"}
            subprocess.run(["chown", "postgres:postgres", self._folder], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = int(free.getsockname()[1])

    @staticmethod
    def missing() -> str:
        """Names what is lacking, if anything is."""
        if not [*POSTGRES.glob("*/bin/initdb")]:
            return "Debian's package postgresql is"
        try:
            import dagster_postgres  # noqa: F401 (only whether it is there)
        except ImportError:
            return "dagster-postgres is"
        return ""

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and end it again."""
        data = self._folder / "data"
        self._run("initdb", "-D", data, "-A", "trust", "-U", "postgres")
        options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._folder}"
        self._run("pg_ctl", "-D", data, "-o", options, "-l", self._folder / "log", "-w", "start")
        try:
            yield
        finally:
            self._run("pg_ctl", "-D", data, "-m", "fast", "-w", "stop")

    @contextmanager
    def instance(self, folder: Path, name: str) -> Iterator[dg.DagsterInstance]:
        """An instance of which everything is in a database of its own."""
        self._run("createdb", "-h", "127.0.0.1", "-p", self._port, "-U", "postgres", name)
        home = folder / name
        home.mkdir()
        storage = {"postgres_url": f"postgresql+psycopg2://postgres@127.0.0.1:{self._port}/{name}"}
        settings = {"storage": {"postgres": storage}, "telemetry": {"enabled": False}}
        (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
        os.environ["DAGSTER_HOME"] = str(home)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            yield instance

    def _run(self, command: str, *arguments: object) -> None:
        with (self._folder.parent / "postgres.log").open("a") as log:
            subprocess.run(
                [self._bin / command, *map(str, arguments)],
                check=True,
                cwd="/",
                stdout=log,
                stderr=log,
                **self._who,  # type: ignore[arg-type] # names of a user and of a group
            )
