"""A step that fails: its page says the message first, and only its own checks are not evaluated, with the reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_platform.cadence import Cadence
from ml_platform.checks import CheckOutcome
from ml_platform.errors import UnreadableFileError
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.freshness import freshness_checks
from ml_platform.orchestration.assets.naming import Materialized, freshness_of
from ml_platform.orchestration.planning.collecting import Failure
from ml_platform.orchestration.planning.up_to_date import failed_blocking_checks
from ml_platform.orchestration.platform import Platform
from ml_platform.settings import Settings
from sensors.failures import check_failure_sensor

GOOD, BAD, YIELDS = dg.AssetKey("good"), dg.AssetKey("bad"), dg.AssetKey("yields")
BUILT, BROKEN = dg.AssetKey("built"), dg.AssetKey("broken")
MESSAGE = "payments/2024-05-01/a.csv ends within a quoted field; replace it by a whole file"


@pytest.fixture
def definitions() -> dg.Definitions:
    checks = {key: Checks(key, {"one": "", "two": ""}) for key in (GOOD, BAD, YIELDS)}
    outcomes = [CheckOutcome("one", True, "well"), CheckOutcome("two", True, "well")]
    policy = freshness_of(Cadence.DAILY)

    @dg.asset(key=GOOD, check_specs=checks[GOOD].specs, freshness_policy=policy)
    @explained
    def good(context: dg.AssetExecutionContext) -> Materialized:
        return dg.MaterializeResult(check_results=checks[GOOD].results(outcomes))

    @dg.asset(key=BAD, check_specs=checks[BAD].specs, freshness_policy=policy)
    @explained
    def bad(context: dg.AssetExecutionContext) -> Materialized:
        raise UnreadableFileError(MESSAGE)

    @dg.asset(key=YIELDS, check_specs=checks[YIELDS].specs, freshness_policy=policy)
    @explained
    def yields(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield dg.MaterializeResult()
        yield checks[YIELDS].results(outcomes)[0]
        raise UnreadableFileError(MESSAGE)

    @dg.multi_asset(
        specs=[dg.AssetSpec(key, freshness_policy=policy) for key in (BUILT, BROKEN)],
        check_specs=[dg.AssetCheckSpec("tested", asset=key) for key in (BUILT, BROKEN)],
    )
    @explained
    def several(context: dg.AssetExecutionContext) -> Iterator[Any]:
        yield dg.MaterializeResult(asset_key=BUILT)
        yield dg.AssetCheckResult(asset_key=BUILT, check_name="tested", passed=True)
        raise UnreadableFileError(MESSAGE)

    graph = dg.Definitions([good, bad, yields, several], executor=dg.in_process_executor)
    fresh = dg.Definitions(asset_checks=freshness_checks(graph.resolve_all_asset_specs()))
    return dg.Definitions.merge(graph, fresh)


def evaluation(instance: dg.DagsterInstance, check: dg.AssetCheckKey) -> dg.AssetCheckEvaluation:
    """The newest one, as pages show it."""
    (record,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert record.event
    assert record.event.dagster_event
    return record.event.dagster_event.asset_check_evaluation_data


def test_only_what_failed_is_not_evaluated_and_says_why(definitions: dg.Definitions) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        done = job.execute_in_process(
            instance=instance, asset_selection=[GOOD, BAD, YIELDS, BUILT, BROKEN], raise_on_error=False
        )
        assert not done.success
        failures = {event.step_key: event.step_failure_data for event in done.get_step_failure_events()}
        for step in ("bad", "yields", "several"):
            error, told = failures[step].error, failures[step].user_failure_data
            assert error
            assert told
            assert error.message.partition(": ")[2].strip() == MESSAGE, (
                "the first line, before any stack trace"
            )
            assert told.description == MESSAGE
            assert Failure.of(error, "") == Failure("UnreadableFileError", MESSAGE)
        found = {check: evaluation(instance, check) for check in job.asset_layer.asset_graph.asset_check_keys}
    for key in (GOOD, BAD, YIELDS):
        for name in ("one", "two", "fresh"):
            one = found[dg.AssetCheckKey(key, name)]
            if key == GOOD or (key, name) == (YIELDS, "one"):
                assert one.passed
            else:
                assert (one.passed, one.severity) == (False, dg.AssetCheckSeverity.WARN)
                assert one.description
                assert MESSAGE in one.description
    tested = {key: found[dg.AssetCheckKey(key, "tested")] for key in (BUILT, BROKEN)}
    assert tested[BUILT].passed, "of what was made and tested before the step failed"
    assert "not evaluated" in (tested[BROKEN].description or "")


@pytest.fixture
def attempts() -> list[bool | None]:
    """Ends of the attempts on the asset, in order: its check passes, its check fails, the step fails (None)."""
    return []


@pytest.fixture
def job(attempts: list[bool | None]) -> dg.JobDefinition:
    checks = Checks(BAD, {"one": "", "two": ""}, blocking=frozenset({"one"}))

    @dg.asset(key=BAD, check_specs=checks.specs)
    @explained
    def bad(context: dg.AssetExecutionContext) -> Materialized:
        passed = attempts.pop(0)
        if passed is None:
            raise UnreadableFileError(MESSAGE)
        return dg.MaterializeResult(check_results=checks.results([CheckOutcome("one", passed, "seen")]))

    return dg.Definitions([bad], executor=dg.in_process_executor).resolve_implicit_global_asset_job_def()


def test_a_failed_step_takes_back_no_verdict(job: dg.JobDefinition, attempts: list[bool | None]) -> None:
    definitions = dg.Definitions(job.asset_layer.asset_graph.assets_defs)
    found = []
    with dg.DagsterInstance.ephemeral() as instance:
        for attempt in (None, False, None, None, True, None):
            attempts.append(attempt)
            job.execute_in_process(instance=instance, raise_on_error=False)
            found.append(bool(failed_blocking_checks(definitions, instance, BAD)))
        assert found == [False, True, True, True, False, False]


def test_a_run_that_only_planned_a_check_takes_back_no_verdict(
    job: dg.JobDefinition, attempts: list[bool | None]
) -> None:
    definitions = dg.Definitions(job.asset_layer.asset_graph.assets_defs)
    with dg.DagsterInstance.ephemeral() as instance:
        attempts.append(False)
        job.execute_in_process(instance=instance, raise_on_error=False)
        run = instance.create_run_for_job(job, asset_selection=frozenset({BAD}))
        assert run.status == dg.DagsterRunStatus.NOT_STARTED
        assert failed_blocking_checks(definitions, instance, BAD) == [dg.AssetCheckKey(BAD, "one")]


def test_a_check_that_did_not_run_alerts_nobody(
    job: dg.JobDefinition, attempts: list[bool | None], tmp_path: Path
) -> None:
    definitions = dg.Definitions(job.asset_layer.asset_graph.assets_defs)
    sensor = check_failure_sensor(Platform(Settings(home=tmp_path), [], [], lambda: definitions))
    with dg.DagsterInstance.ephemeral() as instance:
        first = sensor(dg.build_sensor_context(instance))
        assert isinstance(first, dg.SensorResult)
        attempts += [None, False, True]
        for _ in range(len(attempts)):
            job.execute_in_process(instance=instance, raise_on_error=False)
        sensor(dg.build_sensor_context(instance, first.cursor))
    (alert,) = map(json.loads, (tmp_path / "alerts.jsonl").read_text().splitlines())
    assert (alert["asset"], alert["title"]) == ("bad", "check one of bad failed")
