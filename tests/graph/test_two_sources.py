"""Sources of different years and cadences side by side: each has its own days, and its own end of the data."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest

from ml_platform.cadence import Cadence
from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.nodes import READS
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.up_to_date import Updater
from ml_platform.settings import Settings

DAYS, HOURS = Calendar("parcels", Cadence.DAILY), Calendar("calls", Cadence.HOURLY)


class World:
    """Parcels of 2011 by day and calls of 2024 by hour; of each a table, and a dataset that notes its "as of"."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.files = {
            DAYS: {"2011-03-01": "a", "2011-03-02": "b"},
            HOURS: {"2024-05-01T22": "c", "2024-05-01T23": "d"},
        }
        self.built: set[tuple[str, tuple[str, ...]]] = set()
        self.as_of: dict[str, datetime] = {}

    def _of(self, calendar: Calendar) -> list[dg.AssetsDefinition]:
        raw, table, dataset = (dg.AssetKey([part, calendar.name]) for part in ("raw", "table", "dataset"))
        partitioned = {
            "partitions_def": calendar.partitions,
            "backfill_policy": dg.BackfillPolicy.single_run(),
        }

        @dg.asset(key=raw, metadata=calendar.metadata, **partitioned)
        def load(context: dg.AssetExecutionContext) -> None:
            recording = Recording(context, {raw: self.files[calendar].get})
            self._made(raw, recording)
            recording.finish(raw, {key: self.files[calendar][key] for key in recording.keys})

        @dg.asset(
            key=table,
            deps=[raw],
            metadata={READS: {raw.to_user_string(): "before"}, **calendar.metadata},
            **partitioned,
        )
        def count(context: dg.AssetExecutionContext) -> None:
            recording = Recording(context)
            self._made(table, recording)
            recording.finish(table, {key: recording.derived_version(table, key) for key in recording.keys})

        @dg.asset(key=dataset, deps=[table], metadata={READS: {table.to_user_string(): "until_read"}})
        def export(context: dg.AssetExecutionContext) -> None:
            recording = Recording(context)
            self._made(dataset, recording)
            end = self.as_of[calendar.name] = recording.calendars.as_of(calendar)
            recording.finish(dataset, recording.derived_version(dataset, None), read_until=(end, end))

        return [load, count, export]

    def _made(self, key: dg.AssetKey, recording: Recording) -> None:
        self.built.add((key.to_user_string(), tuple(recording.keys)))

    def update(self) -> set[tuple[str, tuple[str, ...]]]:
        """The assets that an update makes, with their partitions."""
        self.built.clear()
        externals = {dg.AssetKey(["raw", c.name]): files.get for c, files in self.files.items()}
        assets = [asset for calendar in self.files for asset in self._of(calendar)]
        definitions = dg.Definitions(assets, executor=dg.in_process_executor)
        updater = Updater(definitions, self.instance, externals)
        assert updater.update(self.files).ok
        assert not updater.staleness().stale
        return set(self.built)


@pytest.fixture
def world(settings: Settings) -> Iterator[World]:
    with open_instance(settings) as instance:
        yield World(instance)


def test_each_source_has_the_partitions_that_landed_of_it_and_its_own_end(world: World) -> None:
    days, hours = tuple(world.files[DAYS]), tuple(world.files[HOURS])
    assert world.update() == {
        ("raw/parcels", days),
        ("table/parcels", days),
        ("dataset/parcels", ()),
        ("raw/calls", hours),
        ("table/calls", hours),
        ("dataset/calls", ()),
    }
    assert world.as_of == {
        "parcels": datetime(2011, 3, 3, tzinfo=UTC),
        "calls": datetime(2024, 5, 2, tzinfo=UTC),
    }


def test_what_comes_of_one_source_makes_nothing_of_another_stale(world: World) -> None:
    world.update()
    world.files[HOURS]["2024-05-02T00"] = "e"
    assert world.update() == {("raw/calls", ("2024-05-02T00",)), ("table/calls", ("2024-05-02T00",))}
    world.files[DAYS]["2011-03-02"] = "corrected"
    assert world.update() == {
        ("raw/parcels", ("2011-03-02",)),
        ("table/parcels", ("2011-03-02",)),
        ("dataset/parcels", ()),
    }
    assert world.as_of["parcels"] == datetime(2011, 3, 3, tzinfo=UTC)
