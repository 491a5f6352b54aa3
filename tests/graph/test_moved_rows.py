"""Corrections of a source's files: one run ends where a rebuild would, and the next has nothing to do."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from samples.things import THINGS, Place

from ml_platform.orchestration.assets.naming import asset_key
from ml_platform.orchestration.assets.raw import calendar_of, fingerprints, raw_asset
from ml_platform.orchestration.planning.calendars import Calendars
from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.nodes import nodes_of
from ml_platform.orchestration.planning.staleness import Staleness
from ml_platform.orchestration.planning.up_to_date import Updater

DAYS = ("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04")
KEY = asset_key(THINGS.relation)
CALENDAR = calendar_of(THINGS)


class House:
    """A landing folder, its raw asset, and an instance that knows the days."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.place, self.instance = Place(folder), instance
        self.externals = fingerprints([THINGS], self.place.folder)
        resources = {"warehouse": self.place.warehouse, "landing": self.place.folder}
        self.definitions = dg.Definitions([raw_asset(THINGS)], resources=resources)

    def write(self, day: str, *ids: str) -> None:
        rows = "".join(f"{one},{day}T10:00:00Z,1\n" for one in ids)
        self.place.drop(day, "a.csv", "id,seen,amount\n" + rows)

    def update(self) -> list[str]:
        landed = {CALENDAR: self.place.folder.partitions(THINGS)}
        report = Updater(self.definitions, self.instance, self.externals).update(landed)
        assert report.ok, report.failed
        return [key.to_user_string() for step in report.steps for key in step.keys]

    def load(self, day: str) -> None:
        result = dg.materialize(
            [raw_asset(THINGS)],
            instance=self.instance,
            resources={"warehouse": self.place.warehouse, "landing": self.place.folder},
            partition_key=day,
        )
        assert result.success

    @property
    def stale(self) -> set[str | None]:
        nodes = nodes_of(self.definitions.resolve_asset_graph().assets_defs, self.externals)
        return set(Staleness(nodes, Ledger.of(self.instance), Calendars(self.instance)).stale.get(KEY, ()))

    def days(self) -> list[tuple[str, str]]:
        return [(one, str(day)) for one, day in self.place.rows("id, day")]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with dg.DagsterInstance.ephemeral() as instance:
        found = House(tmp_path, instance)
        for day in DAYS:
            found.write(day, day, *(["x"] if day == DAYS[3] else []))
        found.update()
        assert found.stale == set()
        yield found


def test_a_day_that_lost_rows_to_an_earlier_one_is_recorded_with_it(house: House) -> None:
    house.write(DAYS[0], DAYS[0], "x")
    house.write(DAYS[3], DAYS[3])
    house.load(DAYS[0])
    assert ("x", DAYS[0]) in house.days()
    assert house.stale == set(), "the later day was loaded with its new file"
    built = Ledger.of(house.instance).built(KEY)
    column = [THINGS.cadence.column_value(day) for day in DAYS]
    versions = house.place.warehouse.partition_versions(THINGS.relation, "day", column)
    assert {day: one.version for day, one in built.items()} == {
        THINGS.cadence.key_of(value): version[:32] for value, (version, _) in versions.items()
    }


def test_a_day_whose_folder_is_removed_is_withdrawn_and_then_up_to_date(house: House) -> None:
    shutil.rmtree(house.place.landing / "things" / DAYS[3])
    assert house.stale == {DAYS[3]}
    house.update()
    assert house.days() == [(day, day) for day in DAYS[:3]]
    assert house.stale == set()
    assert house.update() == []
