"""One path through every room with columns that are named like words of SQL."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from samples.scorers import scorer

from ml_platform.cadence import Cadence
from ml_platform.datasets.checks import dataset_checks
from ml_platform.datasets.snapshot import export_snapshot
from ml_platform.events.local import LocalEventLog
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.features.sync.parity import diff, parity
from ml_platform.features.sync.run import sync_view
from ml_platform.features.views.describing import describe
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.load import load_partitions
from ml_platform.ingestion.source import RawColumn, RawSource
from ml_platform.models.tasks.base import task
from ml_platform.monitoring.drift import prediction_drift
from ml_platform.monitoring.performance import performance
from ml_platform.monitoring.retraining import count_new_labels
from ml_platform.monitoring.served import Served
from ml_platform.predictions.batch import predict_partitions
from ml_platform.predictions.publish import publish_partitions
from ml_platform.predictions.scorers import Scorers
from ml_platform.predictions.table import batch_scoring, serving_sql
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import (
    BatchPrediction,
    Dataset,
    FeatureView,
    Label,
    Model,
    Split,
    SyncGuard,
    UseCase,
    ViewFeatures,
)
from ml_platform.warehouse.duckdb import DuckDBWarehouse

FIRST = datetime(2007, 5, 1, tzinfo=UTC)
DAYS = [(FIRST + timedelta(days=n)).date() for n in range(5)]
KEYS = [str(day) for day in DAYS]
END = FIRST + timedelta(days=5)

EVENTS = RawSource(
    name="table",
    columns={
        "select": RawColumn(kind="identifier"),
        "from": RawColumn(kind="timestamp"),
        "group": RawColumn(kind="identifier"),
        "order": RawColumn(kind="number"),
    },
    partition_of="from",
    unique="select",
)
VIEW = FeatureView(
    name="having",
    relation="features.join",
    entity=("group",),
    features=("order", "limit"),
    event_timestamp="end",
    available_at="union",
    guard=SyncGuard(ranges={"order": (0, None)}, max_null_share={"limit": 0.0}),
)
USE_CASE = UseCase(
    name="words",
    owner="team:words",
    description="Columns named like words of SQL.",
    dataset=Dataset(
        events="raw.table",
        id="select",
        occurred_at="from",
        keys=("group",),
        features=("order",),
        views=(ViewFeatures(view=VIEW, features=("order", "limit")),),
        label=Label(relation="raw.where", id="all", available_at="as", delay=timedelta(days=1), name="case"),
    ),
    models=(Model(train=lambda: None, split=Split(train_days=1)),),
    batch_predictions=(
        BatchPrediction(relation="predictions.union", topic="words", columns=("group", "order")),
    ),
    feature_views=(VIEW,),
)


def by_order(features):
    return pa.table({"score": features.column("order").to_numpy() / 1000})


@pytest.fixture
def warehouse(tmp_path):
    """Ten events a day, of which the second of each day lands twice; every fifth is reported hours later."""
    for day in DAYS:
        path = tmp_path / "landing" / "table" / str(day) / "part.csv"
        path.parent.mkdir(parents=True)
        rows = [f"e{day:%d}{n},{day}T{n + 8:02d}:00:00Z,g{n % 3},{n * 10}" for n in range(10)]
        path.write_text("\n".join(["select,from,group,order", *rows, rows[1]]) + "\n")
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    landing = LandingFolder(tmp_path / "landing")
    loads = load_partitions(EVENTS, KEYS[:3], landing, warehouse)
    loads += load_partitions(EVENTS, KEYS[3:], landing, warehouse)  # looks for ids of other days
    assert [(load.rows, load.duplicates) for load in loads] == [(10, 1)] * 5
    at = pa.timestamp("us", tz="UTC")
    reports = [
        {"all": f"e{day:%d}{n}", "as": FIRST + timedelta(days=i, hours=n + 14), "day": day}
        for i, day in enumerate(DAYS)
        for n in (0, 5)
    ]
    schema = pa.schema([("all", pa.string()), ("as", at), ("day", pa.date32())])
    batches = [pa.RecordBatch.from_pylist(reports, schema)]
    warehouse.replace_partitions("raw.where", "day", DAYS, batches, schema)
    values = [
        {
            "group": f"g{g}",
            "order": i * 10 + g,
            "limit": g / 2,
            "end": midnight,
            "union": midnight,
            "day": day,
        }
        for i, day in enumerate(DAYS)
        for g in range(3)
        for midnight in [FIRST + timedelta(days=i)]
    ]
    schema = pa.schema(
        [
            ("group", pa.string()), ("order", pa.int64()), ("limit", pa.float64()), ("end", at), ("union", at),
            ("day", pa.date32()),
        ]
    )  # fmt: skip
    batches = [pa.RecordBatch.from_pylist(values, schema)]
    warehouse.replace_partitions("features.join", "day", DAYS, batches, schema)
    return warehouse


def test_a_dataset_and_its_checks(warehouse, tmp_path):
    store = FolderStore(tmp_path / "objects")
    snapshot = export_snapshot("words", USE_CASE.dataset, warehouse, store, as_of=END, upstream={})
    assert (snapshot.manifest.rows, snapshot.manifest.positives) == (50, 10)
    rows = snapshot.table().to_pylist()
    assert [row["having__order"] for row in rows if row["group"] == "g1"][-1] == 41
    outcomes = {o.name: o for o in dataset_checks(snapshot, USE_CASE.dataset, warehouse)}
    assert all(outcomes[name].passed for name in ("schema", "duplicates", "labels", "point_in_time")), (
        outcomes
    )
    assert outcomes["point_in_time"].metadata["compared"] == 100


def test_predictions_and_what_watches_them(warehouse, tmp_path):
    scoring = batch_scoring(USE_CASE, USE_CASE.batch_predictions[0])
    champion = scorer("ab", by_order, names=USE_CASE.dataset.feature_names, use_case="words")
    made = predict_partitions(scoring, Cadence.DAILY, KEYS, warehouse, Scorers(champion))
    assert [day.rows for day in made.champion] == [10] * 5
    log = LocalEventLog(tmp_path / "events.db")
    assert publish_partitions(scoring, Cadence.DAILY, KEYS, warehouse, log).new == 50
    served = Served(
        "predictions.union",
        serving_sql(scoring, Cadence.DAILY, warehouse.dialect),
        USE_CASE.dataset,
        USE_CASE.models[0],
    )
    found = performance(served, warehouse, as_of=END, trained_until={})
    assert sum(day.counts["positives"] for day in found.days) == 8, "of the four mature days"
    binary = task("binary")
    reference = binary.distribution(binary.predictions(np.linspace(0, 0.09, 100), ()))
    drift = prediction_drift(served, warehouse, reference, champion.release.version, first=FIRST, end=END)
    assert drift.metadata["rows"] == 50
    assert count_new_labels(USE_CASE, warehouse, FIRST + timedelta(days=4)) == 2


def test_a_sync_and_its_parity(warehouse, tmp_path):
    store, states = SQLiteOnlineStore(tmp_path / "online.db"), FolderStore(tmp_path / "states")
    assert sync_view(VIEW, warehouse, store, states).added == 3
    assert sync_view(VIEW, warehouse, store, states).unchanged == 3
    outcome = parity(VIEW, warehouse, store)
    assert outcome.passed
    assert outcome.metadata["sampled"] == 3
    shown = diff(VIEW, ("g1",), warehouse, store)
    assert shown.equal
    assert [(feature.feature, feature.online) for feature in shown.features] == [
        ("order", 41),
        ("limit", 0.5),
    ]
    assert describe(VIEW, warehouse, store)["seconds_behind_offline"] == 0
    warehouse.execute(
        f"""UPDATE features.join SET "order" = 99 WHERE "group" = 'g2' AND "day" = '{DAYS[-1]}'"""
    )
    assert sync_view(VIEW, warehouse, store, states).changed == 1
    assert parity(VIEW, warehouse, store).passed
