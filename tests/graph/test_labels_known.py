"""Reports that speak of another time than the events: what a snapshot knows, and what makes it stale."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from samples import post

from ml_platform.cadence import Cadence
from ml_platform.datasets.snapshot import Snapshot, latest
from ml_platform.errors import DataError
from ml_platform.ingestion.source import RawColumn, RawSource
from ml_platform.models.training.data import LabelledRows
from ml_platform.models.training.splits import Fold, folds
from ml_platform.orchestration.assets.dataset import dataset_asset
from ml_platform.orchestration.local.home import open_instance
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.up_to_date import Updater
from ml_platform.settings import Settings
from ml_platform.storage.folder import FolderStore
from ml_platform.warehouse.duckdb import DuckDBWarehouse

EVENTS, REPORTS = Calendar("parcels", Cadence.DAILY), Calendar("lost", Cadence.DAILY)
SOURCES = {
    calendar: RawSource(name=calendar.name, columns={"id": RawColumn(kind="identifier")}, unique="id")
    for calendar in (EVENTS, REPORTS)
}
DATASET = dg.AssetKey(["parcels", "dataset"])
FIRST = datetime(2011, 3, 1, tzinfo=UTC)
DELAY = timedelta(days=3)


def day(number: int) -> str:
    return f"{FIRST + timedelta(days=number):%Y-%m-%d}"


class World:
    """Parcels of March, and reports of the days that a test says."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        data = post.use_case().data
        assert data.label
        patient = data.label.model_copy(update={"max_late_share": 0.5})
        self.use_case = post.use_case().model_copy(
            update={"dataset": data.model_copy(update={"label": patient})}
        )
        self.instance = instance
        self.warehouse = DuckDBWarehouse(folder / "w.duckdb")
        self.objects = FolderStore(folder / "objects")
        post.fill(self.warehouse)
        self.landed = {
            EVENTS: {day(n): "as sent" for n in range(post.DAYS)},
            REPORTS: dict[str, str](),
        }

    def reports(self, days: range, content: str = "as sent") -> None:
        self.landed[REPORTS] |= {day(n): content for n in days}

    def _source(self, name: str, calendar: Calendar) -> dg.AssetsDefinition:
        key = dg.AssetKey(["post", name])

        @dg.asset(
            key=key,
            metadata=calendar.metadata,
            partitions_def=calendar.partitions,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def load(context: dg.AssetExecutionContext) -> None:
            recording = Recording(context, {key: self.landed[calendar].get})
            source, days = SOURCES[calendar], recording.keys
            self._table(source, [day for day in days if self.landed[calendar][day] != "bad rows"])
            recording.finish(key, {one: self.landed[calendar][one] for one in days})

        return load

    def _table(self, source: RawSource, days: Sequence[str]) -> None:
        """The rows of days that are loaded; of these, only which there are matters."""
        values = [source.cadence.column_value(day) for day in days]
        rows = pa.table({source.cadence.column: pa.array(values, source.cadence.arrow_type)})
        self.warehouse.replace_partitions(
            source.relation, source.cadence.column, values, rows.to_batches(), rows.schema
        )

    def update(self) -> Snapshot | None:
        """The snapshot that an update exports; None: it was up to date."""
        dataset = dataset_asset(self.use_case, EVENTS, [SOURCES[REPORTS]])
        definitions = dg.Definitions(
            [self._source("parcels", EVENTS), self._source("lost", REPORTS), dataset],
            resources={"warehouse": self.warehouse, "objects": self.objects},
            executor=dg.in_process_executor,
        )
        externals = {
            dg.AssetKey(["post", "parcels"]): self.landed[EVENTS].get,
            dg.AssetKey(["post", "lost"]): self.landed[REPORTS].get,
        }
        report = Updater(definitions, self.instance, externals).update(self.landed)
        assert report.ok, [step.error for step in report.steps]
        return latest(self.objects, "parcels") if DATASET in report.made else None

    def newest_fold(self, snapshot: Snapshot) -> tuple[LabelledRows, Fold]:
        model = self.use_case.models[0]
        rows = LabelledRows(snapshot.table(), self.use_case, model, snapshot.as_of, snapshot.events_end)
        made = folds(rows.first, rows.as_of, model.split, DELAY, events_end=rows.events_end)
        return rows, made[0]


@pytest.fixture
def world(settings: Settings, tmp_path: Path) -> Iterator[World]:
    with open_instance(settings) as instance:
        yield World(tmp_path, instance)


@pytest.mark.parametrize("ahead", [1, 3, 14, 90])
def test_reports_after_the_last_event_make_its_days_mature(world: World, ahead: int) -> None:
    world.reports(range(1, post.DAYS + ahead))
    snapshot = world.update()
    assert snapshot is not None
    assert snapshot.events_end == FIRST + timedelta(days=post.DAYS)
    assert snapshot.as_of == snapshot.events_end + timedelta(days=ahead)
    rows, fold = world.newest_fold(snapshot)
    assert fold.test_end == min(snapshot.events_end, snapshot.as_of - DELAY)
    assert len(rows.test(fold).labels)


def test_reports_that_ended_before_the_events_leave_the_last_days_immature(world: World) -> None:
    world.reports(range(1, 21))
    snapshot = world.update()
    assert snapshot is not None
    assert snapshot.as_of == FIRST + timedelta(days=21)
    _, fold = world.newest_fold(snapshot)
    assert fold.test_end == snapshot.as_of - DELAY
    reported = snapshot.table(["lost_available_at"]).column(0).drop_null().to_pylist()
    assert max(reported) <= snapshot.as_of


def test_a_folder_of_a_year_to_come_makes_no_label_final(world: World) -> None:
    world.reports(range(1, post.DAYS))
    world.reports(range(7000, 7001), "bad rows")
    snapshot = world.update()
    assert snapshot is not None
    assert snapshot.as_of == snapshot.events_end


def test_too_few_mature_days_are_refused_with_the_reason(world: World) -> None:
    world.reports(range(1, 8))
    snapshot = world.update()
    assert snapshot is not None
    with pytest.raises(
        DataError, match=r"30 days of events .* the last 25 have no final label yet: labels are known as of"
    ):
        world.newest_fold(snapshot)


def test_what_was_read_makes_it_stale_and_what_came_later_does_not(world: World) -> None:
    world.reports(range(1, 40))
    assert world.update()
    world.landed[EVENTS][day(post.DAYS)] = "of a new day"
    assert world.update() is None, (
        "the retraining sensor decides about new days, also where reports are ahead"
    )
    world.reports(range(40, 41))
    assert world.update() is None
    world.reports(range(38, 39), "corrected")
    assert world.update(), "that day's labels are in the snapshot, though no event is"
