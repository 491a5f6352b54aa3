"""Views hold no data: who reads one reads what it shows, also in a run that knows nothing but the view."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.cadence import Cadence
from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.planning.calendars import CALENDAR, Calendar
from ml_platform.orchestration.planning.nodes import SHOWS, VIEW, nodes_of
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.up_to_date import Updater
from ml_platform.settings import Settings

DAYS = Calendar("readings", Cadence.DAILY)
RAW, REPORT = dg.AssetKey(["raw", "readings"]), dg.AssetKey("report")
SHOWN = {SHOWS: {"raw/readings": {"reads": "all", "calendar": DAYS.metadata[CALENDAR]}}}


def view(name: str, dep: str) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=[dg.AssetKey.from_user_string(dep)], metadata={VIEW: True, **SHOWN})
    def made(context: dg.AssetExecutionContext) -> None:
        recording = Recording(context)
        recording.finish(context.asset_key, recording.view_version(context.asset_key))

    return made


class Thermometer:
    """Readings by day, a view of a view of them, and a report that reads the view."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.files, self.built = instance, {"2017-02-01": "3", "2017-02-02": "5"}, []

    def definitions(self) -> dg.Definitions:
        @dg.asset(
            key=RAW,
            partitions_def=DAYS.partitions,
            backfill_policy=dg.BackfillPolicy.single_run(),
            metadata=DAYS.metadata,
        )
        def raw(context: dg.AssetExecutionContext) -> None:
            recording = Recording(context, {RAW: self.files.get})
            recording.finish(RAW, {day: self.files[day] for day in recording.keys})

        @dg.asset(key=REPORT, deps=["newest"])
        def report(context: dg.AssetExecutionContext) -> None:
            self.built.append(dict(self.files))
            recording = Recording(context)
            recording.finish(REPORT, recording.derived_version(REPORT, None))

        assets = [raw, view("staged", "raw/readings"), view("newest", "staged"), report]
        return dg.Definitions(assets, executor=dg.in_process_executor)

    def update(self, *names: str) -> Updater:
        keys = {dg.AssetKey.from_user_string(name) for name in names}
        updater = Updater(self.definitions(), self.instance, {RAW: self.files.get}, selection=keys or None)
        report = updater.update({DAYS: self.files})
        assert report.ok, report.failed
        assert not updater.staleness().stale
        return updater


@pytest.fixture
def thermometer(settings: Settings) -> Iterator[Thermometer]:
    with open_instance(settings) as instance:
        yield Thermometer(instance)


def test_what_reads_a_view_is_made_once_though_its_run_knows_the_view_alone(thermometer: Thermometer) -> None:
    thermometer.update("raw/readings", "staged", "newest")
    assert thermometer.built == []
    thermometer.update()
    thermometer.update()
    assert thermometer.built == [thermometer.files]


def test_what_reads_a_view_is_made_again_when_a_day_behind_it_comes_or_changes(
    thermometer: Thermometer,
) -> None:
    thermometer.update()
    thermometer.files["2017-02-03"] = "8"
    thermometer.update()
    thermometer.files["2017-02-01"] = "4"
    thermometer.update()
    assert [files.get("2017-02-01") for files in thermometer.built] == ["3", "3", "4"]


def test_views_of_the_project_tell_all_that_the_graph_knows_behind_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_PLATFORM_HOME", str(tmp_path))
    from definitions import platform

    platform.cache_clear()
    assets = list(platform().definitions.resolve_asset_graph().assets_defs)
    told = nodes_of(assets)
    monkeypatch.setattr("ml_platform.orchestration.planning.nodes.SHOWS", "nobody/says")
    known = nodes_of(assets)
    platform.cache_clear()
    assert any(node.view for node in told.values())
    assert {key: node.inputs for key, node in told.items()} == {key: n.inputs for key, n in known.items()}
    assert {key: n.calendar for key, n in told.items()} == {key: n.calendar for key, n in known.items()}
