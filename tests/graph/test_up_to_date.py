"""The assets that `ml-platform run` rebuilds, on a small graph with the shapes of the real one."""

import logging
import os
import signal
from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from ml_platform.cadence import Cadence
from ml_platform.errors import DataError, LockTimeoutError, UnreadableFileError
from ml_platform.orchestration.local.home import PROCESS_TAG, open_instance, process_tag
from ml_platform.orchestration.planning.calendars import Calendar, Calendars
from ml_platform.orchestration.planning.nodes import READS
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.up_to_date import Report, Updater
from ml_platform.settings import Settings

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
RAW = dg.AssetKey(["raw", "payments"])
OTHER = dg.AssetKey(["raw", "names"])
DAYS = Calendar("payments", Cadence.DAILY)
DAY = 86_400
SINGLE = {"partitions_def": DAYS.partitions, "backfill_policy": dg.BackfillPolicy.single_run()}
DAILY = {**SINGLE, "code_version": "1", "metadata": DAYS.metadata}


class World:
    """The outside world of the graph: files by day, a gate, and what was built."""

    def __init__(self) -> None:
        self.files = {f"2024-01-0{day}": f"content {day}" for day in range(1, 6)}
        self.unreadable: set[str] = set()
        self.gate_passes = True
        self.bad_rows: dg.AssetCheckSeverity | None = None
        self.scored = False
        self.fails_late = False
        self.locked = False
        self.untrainable: set[str] = set()
        self.built: list[tuple[str, list[str]]] = []

    def _read(self, days: list[str]) -> None:
        if self.locked:
            self.built.append(("locked", days))
            raise LockTimeoutError("the warehouse is held by a notebook")
        if self.unreadable & set(days):
            raise UnreadableFileError(f"a file of {days[0]} cannot be read")

    def _fail_late(self, context: dg.AssetExecutionContext, days: list[str]) -> None:
        if self.fails_late:
            context.log_event(dg.AssetMaterialization(RAW, partition=days[0]))
            raise RuntimeError("the disk is full")

    def definitions(self) -> dg.Definitions:
        external = {RAW: self.files.get}

        @dg.asset(key=RAW, check_specs=[dg.AssetCheckSpec("rows", asset=RAW)], **DAILY)
        def raw(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            recording = Recording(context, external)
            self._read(recording.keys)
            self.built.append(("raw", recording.keys))
            recording.finish(RAW, {day: self.files.get(day, "").upper() for day in recording.keys})
            self._fail_late(context, recording.keys)
            rows = dg.AssetCheckResult(
                check_name="rows", passed=not self.bad_rows, severity=self.bad_rows or ERROR
            )
            return dg.MaterializeResult(check_results=[rows])

        @dg.asset(
            key=OTHER,
            partitions_def=DAYS.partitions,
            backfill_policy=dg.BackfillPolicy.single_run(),
            metadata=DAYS.metadata,
        )
        def other(context: dg.AssetExecutionContext) -> None:
            recording = Recording(context)
            recording.finish(OTHER, dict.fromkeys(recording.keys, "names"))

        @dg.multi_asset(
            specs=[
                dg.AssetSpec("names", deps=[OTHER], code_version="1", metadata=DAYS.metadata),
                dg.AssetSpec("staged", deps=[RAW], code_version="1", metadata=DAYS.metadata),
                dg.AssetSpec(
                    "features",
                    deps=["staged"],
                    metadata={READS: {"staged": DAY}, **DAYS.metadata},
                    code_version="1",
                ),
            ],
            partitions_def=DAYS.partitions,
            backfill_policy=dg.BackfillPolicy.single_run(),
            can_subset=True,
        )
        def models(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
            recording = Recording(context)
            for name in ("names", "staged", "features"):
                key = dg.AssetKey(name)
                if key in context.selected_asset_keys:
                    self.built.append((name, recording.keys))
                    recording.finish(
                        key, {day: recording.derived_version(key, day) for day in recording.keys}
                    )
                    yield dg.MaterializeResult(asset_key=key)

        @dg.asset(
            deps=["features"],
            metadata={READS: {"features": "until_read"}},
            code_version="1",
            check_specs=[dg.AssetCheckSpec("gate", asset="dataset", blocking=True)],
        )
        def dataset(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            recording = Recording(context)
            self.built.append(("dataset", []))
            version = recording.derived_version(context.asset_key, None)
            end = recording.calendars.as_of(DAYS)
            recording.finish(context.asset_key, version, read_until=(end, end))
            return dg.MaterializeResult(
                check_results=[dg.AssetCheckResult(check_name="gate", passed=self.gate_passes)]
            )

        @dg.asset(deps=["dataset"], code_version="1")
        def model(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            recording = Recording(context)
            self.built.append(("model", []))
            if self.untrainable & set(self.files.values()):
                raise DataError("there is nothing to learn")
            recording.finish(context.asset_key, recording.version_of(dg.AssetKey("dataset")))
            return dg.MaterializeResult()

        @dg.asset(
            deps=["features", "model"],
            metadata={READS: {"model": "order"}, **DAYS.metadata},
            code_version="1",
            **SINGLE,
        )
        def scores(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
            recording = Recording(context)
            self.built.append(("scores", recording.keys))
            recording.finish(context.asset_key, {day: day for day in recording.keys})
            return dg.MaterializeResult()

        assets = [raw, other, models, dataset, model, *([scores] if self.scored else [])]
        return dg.Definitions(assets=assets, executor=dg.in_process_executor)

    def update(
        self,
        instance: dg.DagsterInstance,
        on_event: Callable[[dg.DagsterEvent], None] = lambda _: None,
        *,
        due: bool = False,
    ) -> Report:
        self.built.clear()
        updater = Updater(self.definitions(), instance, {RAW: self.files.get}, on_event)
        also = {dg.AssetKey("dataset"): frozenset({None})} if due else {}
        return updater.update({DAYS: self.files}, lambda _: also)


@pytest.fixture
def world() -> World:
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    return World()


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with open_instance(settings) as opened:
        yield opened


def test_everything_is_built_once_in_order_and_then_nothing(
    world: World, instance: dg.DagsterInstance
) -> None:
    days = sorted(world.files)
    assert world.update(instance).ok
    assert world.built == [
        ("raw", days),
        ("names", days),
        ("staged", days),
        ("features", days),
        ("dataset", []),
        ("model", []),
    ]
    assert world.update(instance).steps == []


def test_a_new_day_builds_that_day_and_not_the_dataset(world: World, instance: dg.DagsterInstance) -> None:
    world.update(instance)
    world.files["2024-01-06"] = "content 6"
    assert world.update(instance).new == {"payments": ["2024-01-06"]}
    assert world.built == [(name, ["2024-01-06"]) for name in ("raw", "names", "staged", "features")]


def test_a_corrected_day_rebuilds_the_days_that_read_it_and_what_was_trained_on_it(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.update(instance)
    world.files["2024-01-02"] = "corrected"
    world.update(instance)
    assert ("raw", ["2024-01-02"]) in world.built
    assert ("features", ["2024-01-02", "2024-01-03"]) in world.built
    assert {"dataset", "model"} <= {name for name, _ in world.built}


def test_files_that_say_the_same_rebuild_nothing_behind_them(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.update(instance)
    world.files["2024-01-02"] = "CONTENT 2"  # another file, whose rows have the same version
    world.update(instance)
    assert world.built == [("raw", ["2024-01-02"])]


def test_a_day_whose_files_were_archived_stays_loaded(world: World, instance: dg.DagsterInstance) -> None:
    world.update(instance)
    del world.files["2024-01-02"]
    assert world.update(instance).steps == []


def test_one_unreadable_day_holds_up_only_what_reads_it(world: World, instance: dg.DagsterInstance) -> None:
    world.unreadable = {"2024-01-04"}
    report = world.update(instance)
    assert not report.ok
    assert "cannot be read" in report.failed[RAW]
    built = {
        name: [day for built, days in world.built for day in days if built == name] for name, _ in world.built
    }
    assert built["names"] == sorted(world.files)
    assert built["staged"] == ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-05"]
    assert built["features"] == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert "dataset" not in {name for name, _ in world.built}
    assert report.waiting[dg.AssetKey("dataset")].startswith("waits for")
    world.unreadable.clear()
    assert world.update(instance).ok
    assert ("raw", ["2024-01-04"]) in world.built
    assert ("dataset", []) in world.built


def test_every_unreadable_day_is_named_and_nothing_else_is_said_of_the_attempts(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.unreadable = {"2024-01-01", "2024-01-04"}
    events: list[dg.DagsterEvent] = []
    report = world.update(instance, events.append)
    assert report.failed[RAW].splitlines() == [
        f"a file of {day} cannot be read" for day in sorted(world.unreadable)
    ]
    assert sum(event.is_step_failure for event in events) == 2


def test_nothing_is_retrained_on_what_is_incomplete(world: World, instance: dg.DagsterInstance) -> None:
    world.update(instance)
    world.files["2024-01-06"] = "unreadable"
    world.unreadable = {"2024-01-06"}
    assert not world.update(instance, due=True).ok
    assert "dataset" not in {name for name, _ in world.built}


def test_what_failed_is_made_from_the_corrected_data_and_only_then(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.untrainable = {"content 2"}
    assert not world.update(instance).ok
    world.files["2024-01-02"] = "corrected"
    assert world.update(instance).ok
    assert [name for name, _ in world.built][-2:] == ["dataset", "model"]
    assert [name for name, _ in world.built].count("model") == 1


def test_a_lock_that_is_not_given_back_is_waited_for_once(world: World, instance: dg.DagsterInstance) -> None:
    world.locked = True
    report = world.update(instance)
    assert [name for name, _ in world.built] == ["locked"]
    assert report.stopped == report.failed[RAW] == "the warehouse is held by a notebook"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_step_ends_the_update(
    world: World, instance: dg.DagsterInstance, sent: signal.Signals
) -> None:
    def interrupt(event: dg.DagsterEvent) -> None:
        if event.event_type == dg.DagsterEventType.STEP_START:
            os.kill(os.getpid(), sent)

    with pytest.raises(KeyboardInterrupt):
        world.update(instance, interrupt)
    assert len(world.built) <= 1
    assert world.update(instance).ok


def test_a_failed_check_that_blocks_nothing_is_a_failure_unless_it_warns(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.bad_rows = ERROR
    assert not world.update(instance).ok
    assert "model" in {name for name, _ in world.built}
    world.bad_rows, world.files["2024-01-01"] = WARN, "corrected"
    assert world.update(instance).ok


def test_a_step_that_fails_after_it_made_all_is_a_failure(world: World, instance: dg.DagsterInstance) -> None:
    world.fails_late = True
    report = world.update(instance)
    assert not report.ok
    assert "the disk is full" in report.failed[RAW]


def test_a_failed_blocking_check_stops_what_lies_behind(world: World, instance: dg.DagsterInstance) -> None:
    world.gate_passes = False
    report = world.update(instance)
    assert not report.ok
    assert "model" not in {name for name, _ in world.built}
    assert "gate" in str(report.failed) or "blocking check" in str(report.waiting)
    world.built.clear()
    assert not world.update(instance).ok
    assert world.built == []


def test_a_candidate_that_is_kept_back_does_not_stop_the_model_that_serves(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.scored = True
    assert world.update(instance).ok
    world.gate_passes = False
    world.files |= {"2024-01-02": "corrected", "2024-01-06": "content 6"}
    assert not world.update(instance).ok
    assert "model" not in {name for name, _ in world.built}
    scored = {day for name, days in world.built if name == "scores" for day in days}
    assert scored == {"2024-01-02", "2024-01-03", "2024-01-06"}


def test_a_day_that_arrives_late_is_built_with_those_that_read_it(
    world: World, instance: dg.DagsterInstance
) -> None:
    late = world.files.pop("2024-01-03")
    assert world.update(instance).ok
    world.files["2024-01-03"] = late
    assert world.update(instance).ok
    assert Calendars(instance).order(DAYS)[-1] == "2024-01-03", "keys are only ever added"
    assert Calendars(instance).keys(DAYS) == sorted(world.files)
    built = [(name, sorted(days)) for name, days in world.built if name in ("raw", "features")]
    assert built == [
        ("raw", ["2024-01-03"]),
        ("features", ["2024-01-04"]),
        ("features", ["2024-01-03"]),
    ] or built == [
        ("raw", ["2024-01-03"]),
        ("features", ["2024-01-03"]),
        ("features", ["2024-01-04"]),
    ]
    assert world.update(instance).steps == []


def test_a_run_whose_process_is_gone_is_ended(
    settings: Settings, world: World, instance: dg.DagsterInstance
) -> None:
    run = instance.create_run_for_job(
        dg.job(name="left")(lambda: None),
        status=dg.DagsterRunStatus.STARTED,
        tags={PROCESS_TAG: (process_tag() or "").rpartition(":")[0].rpartition(":")[0] + ":999999999:1"},
    )
    with open_instance(settings) as again:
        ended = again.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status == dg.DagsterRunStatus.FAILURE


def test_a_run_of_another_host_is_left_to_it(settings: Settings, instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(
        dg.job(name="elsewhere")(lambda: None),
        status=dg.DagsterRunStatus.STARTED,
        tags={PROCESS_TAG: "another-host/boot:1:1"},
    )
    with open_instance(settings) as again:
        left = again.get_run_by_id(run.run_id)
    assert left is not None
    assert left.status == dg.DagsterRunStatus.STARTED
