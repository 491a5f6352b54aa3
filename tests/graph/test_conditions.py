"""The runs that the automation sensor asks for on a small graph with days."""

import dagster as dg
import pytest

from ml_platform.cadence import Cadence
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.conditions import WhenStale, when_stale
from ml_platform.orchestration.planning.nodes import OUTSIDE, READS
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.staleness import Staleness
from ml_platform.orchestration.planning.storage import Place

DAYS = Calendar("days", Cadence.DAILY)
DAILY = {
    "partitions_def": DAYS.partitions,
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "code_version": "1",
}
LEFT, RIGHT, REPORT, WINDOW = map(dg.AssetKey, ("left", "right", "report", "window"))


def raw(name: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, metadata={OUTSIDE: "a folder", **DAYS.metadata}, **DAILY)
    def load(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        key = context.asset_key
        Recording(context, {key: lambda day: f"file of {day}"}).finish(
            key, {context.partition_key: context.partition_key}
        )
        return dg.MaterializeResult()

    return load


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            key,
            deps=[f"raw_{key.to_user_string()}"],
            automation_condition=when_stale(),
            metadata=DAYS.metadata,
        )
        for key in (LEFT, RIGHT)
    ],
    partitions_def=DAYS.partitions,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
)
def made_together(context: dg.AssetExecutionContext):
    recording = Recording(context)
    for key in sorted(context.selected_asset_keys):
        recording.finish(key, {day: day for day in recording.keys})
        yield dg.MaterializeResult(asset_key=key)


class Trouble:
    here = False


@dg.asset(key=REPORT, deps=[LEFT, RIGHT], automation_condition=when_stale(), code_version="1")
def report(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    if Trouble.here:
        raise ValueError("the report cannot be made")
    recording = Recording(context)
    recording.finish(REPORT, recording.derived_version(REPORT, None))
    return dg.MaterializeResult()


class Sensor:
    """Ticks that follow one another."""

    def __init__(self) -> None:
        self.definitions = dg.Definitions(
            assets=[raw("raw_left"), raw("raw_right"), made_together, report], executor=dg.in_process_executor
        )
        self.instance = dg.DagsterInstance.ephemeral()
        self._cursor = None

    def land(self, *days: str) -> None:
        self.instance.add_dynamic_partitions("days", list(days))

    def load(self, name: str, day: str) -> None:
        self._make([dg.AssetKey(name)], day or None)

    def tick(self) -> dict[dg.AssetKey, set[str | None]]:
        """The runs that are asked for; they are made at once."""
        result = dg.evaluate_automation_conditions(self.definitions, self.instance, cursor=self._cursor)
        self._cursor = result.cursor
        asked = {
            found.key: found.true_subset.expensively_compute_partition_keys() or {None}
            if found.true_subset.is_partitioned
            else {None}
            for found in result.results
            if not found.true_subset.is_empty
        }
        for day in sorted({day for days in asked.values() for day in days if day}):
            self._make([key for key, days in asked.items() if day in days], day)
        if alone := [key for key, days in asked.items() if None in days]:
            self._make(alone, None)
        return asked

    def _make(self, keys: list[dg.AssetKey], day: str | None) -> None:
        self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance, asset_selection=keys, partition_key=day, raise_on_error=False
        )


@pytest.fixture
def sensor(monkeypatch: pytest.MonkeyPatch) -> Sensor:
    monkeypatch.setattr(Trouble, "here", False)
    return Sensor()


def test_a_new_day_flows_through_and_then_nothing_is_asked_for(sensor: Sensor) -> None:
    sensor.land("2024-01-01")
    assert sensor.tick() == {}
    sensor.load("raw_left", "2024-01-01")
    assert sensor.tick() == {}, "what is made together waits for all of it"
    sensor.load("raw_right", "2024-01-01")
    assert sensor.tick() == {LEFT: {"2024-01-01"}, RIGHT: {"2024-01-01"}}
    assert sensor.tick() == {REPORT: {None}}
    assert sensor.tick() == {}


def test_what_failed_is_asked_for_again_when_something_upstream_was_made(sensor: Sensor) -> None:
    sensor.land("2024-01-01", "2024-01-02")
    Trouble.here = True
    for name in ("raw_left", "raw_right"):
        sensor.load(name, "2024-01-01")
        sensor.load(name, "2024-01-02")
    sensor.tick()
    assert sensor.tick() == {REPORT: {None}}
    assert [sensor.tick() for _ in range(3)] == [{}, {}, {}]
    Trouble.here = False
    sensor.land("2024-01-03")
    sensor.load("raw_left", "2024-01-03")
    sensor.load("raw_right", "2024-01-03")
    assert set(sensor.tick()) == {LEFT, RIGHT}
    assert sensor.tick() == {REPORT: {None}}
    assert sensor.tick() == {}


def test_what_failed_and_was_put_right_is_asked_for_when_its_input_changes_again(sensor: Sensor) -> None:
    sensor.land("2024-01-01")
    for name in ("raw_left", "raw_right"):
        sensor.load(name, "2024-01-01")
    sensor.tick()
    assert sensor.tick() == {REPORT: {None}}
    Trouble.here = True
    sensor.land("2024-01-02")
    for name in ("raw_left", "raw_right"):
        sensor.load(name, "2024-01-02")
    sensor.tick()
    assert sensor.tick() == {REPORT: {None}}, "it fails"
    Trouble.here = False
    sensor.load("report", "")
    assert [sensor.tick() for _ in range(2)] == [{}, {}], "a person made it"
    sensor.land("2024-01-03")
    for name in ("raw_left", "raw_right"):
        sensor.load(name, "2024-01-03")
    sensor.tick()
    assert sensor.tick() == {REPORT: {None}}


def test_a_run_that_ends_during_a_tick_is_not_asked_for_again(
    sensor: Sensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    sensor.land("2024-01-01")
    for name in ("raw_left", "raw_right"):
        sensor.load(name, "2024-01-01")
    ended: list[Staleness] = []
    state = WhenStale._state

    def state_before_the_end(context: dg.AutomationContext[dg.AssetKey]) -> tuple[Staleness, Place]:
        seen, place = state(context)
        if LEFT in seen.stale and not ended:
            ended.append(seen)
            sensor._make([LEFT, RIGHT], "2024-01-01")
        return seen, place

    monkeypatch.setattr(WhenStale, "_state", staticmethod(state_before_the_end))
    assert sensor.tick() == {}
    assert ended
    monkeypatch.undo()
    assert sensor.tick() == {REPORT: {None}}


def test_what_follows_on_the_same_day_is_made_by_the_same_run(sensor: Sensor) -> None:
    follows = {"automation_condition": when_stale(), "metadata": DAYS.metadata, **DAILY}

    @dg.asset(deps=[LEFT], **follows)
    def scores(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return _made(context)

    @dg.asset(deps=["scores"], **follows)
    def events(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return _made(context)

    two_days = {READS: {"scores": 86_400}, **DAYS.metadata}

    @dg.asset(key=WINDOW, deps=["scores"], **{**follows, "metadata": two_days})
    def window(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return _made(context)

    sensor.definitions = dg.Definitions.merge(
        sensor.definitions, dg.Definitions(assets=[scores, events, window])
    )
    days = ["2024-01-01", "2024-01-02"]
    sensor.land(*days)
    for day in days:
        for name in ("raw_left", "raw_right"):
            sensor.load(name, day)
    both = {key: set(days) for key in (LEFT, RIGHT, dg.AssetKey("scores"), dg.AssetKey("events"))}
    assert sensor.tick() == both | {WINDOW: {"2024-01-01"}}, "the second day's reads what another run makes"
    assert sensor.tick() == {WINDOW: {"2024-01-02"}, REPORT: {None}}
    assert sensor.tick() == {}


def _made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    recording = Recording(context)
    recording.finish(context.asset_key, {day: day for day in recording.keys})
    return dg.MaterializeResult()
