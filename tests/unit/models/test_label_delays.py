"""Delays of labels, where the young events' late reports have not come yet."""

from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from samples import labelled

from ml_platform.models.tasks.base import task
from ml_platform.models.tasks.delays import delays_of, label_delays
from ml_platform.models.training.data import LabelledRows
from ml_platform.models.training.splits import Fold
from ml_platform.use_case import Dataset, Label

DAY = timedelta(days=1)
AS_OF = datetime(2024, 5, 1, tzinfo=UTC)
DAYS = 60
LABEL = Label(name="fraud", relation="a.b", id="id", available_at="at", delay=7 * DAY)


def snapshot(delays, frauds=4000, days=DAYS, seed=0):
    """Events of which the reports up to ``AS_OF`` are known; ``delays`` draws days."""
    random = np.random.default_rng(seed)
    ages, late = random.uniform(0, days, frauds), delays(random, frauds)
    as_of = int(AS_OF.timestamp() * 1e6)
    occurred = as_of - (ages * 86_400e6).astype(np.int64)
    reported = occurred + (late * 86_400e6).astype(np.int64)
    seen = reported <= as_of
    at = [value if known else None for value, known in zip(reported.tolist(), seen.tolist(), strict=True)]
    kind = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "t": pa.array(occurred, kind),
            "fraud": pa.array(seen.astype(np.int8)),
            "fraud_available_at": pa.array(at, kind),
        }
    )


def query_of(snapshot):
    def query(columns, sql):
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("snapshot", snapshot.select(columns))
            return connection.sql(sql).to_arrow_table().to_pylist()

    return query


def dataset(label):
    return Dataset(events="a.events", id="id", occurred_at="t", features=("x",), label=label)


def uniform(low, high):
    return lambda random, n: random.uniform(low, high, n)


@pytest.mark.parametrize(("high", "within"), [(20.5, 6.5 / 20.0), (7.0, 1.0), (14.0, 6.5 / 13.5)])
def test_the_share_within_the_delay_is_that_of_all_labels_and_not_of_those_that_came(high, within):
    found = label_delays(query_of(snapshot(uniform(0.5, high))), dataset(LABEL), LABEL, AS_OF)
    assert found.share_within(LABEL.delay) == pytest.approx(within, abs=0.04)


@pytest.mark.parametrize("high", [7.0, 20.5])
def test_arrays_give_what_sql_gives(high):
    table = snapshot(uniform(0.5, high))
    micros = [
        table.column(name).cast(pa.int64()).fill_null(2**63 - 1).to_numpy()
        for name in ("t", "fraud_available_at")
    ]
    found = delays_of(*micros, int(AS_OF.timestamp() * 1e6), LABEL.delay)
    assert found == label_delays(query_of(table), dataset(LABEL), LABEL, AS_OF)


def test_a_test_window_says_how_many_of_its_labels_are_known():
    """Events of 60 days, 8 to 15 days old at the end; reports come evenly 0.5 to 20.5 days later."""
    rng = np.random.default_rng(3)
    table = labelled.parcels(days=60, per_day=400)
    occurred = table.column("occurred_at").cast(pa.int64()).to_numpy()
    late = (rng.uniform(0.5, 20.5, len(occurred)) * 86_400e6).astype(np.int64)
    end = labelled.START + 60 * DAY
    as_of = int(end.timestamp() * 1e6)
    lost = table.column("lost").to_numpy() == 1
    seen = lost & (occurred + late <= as_of)
    kind = pa.timestamp("us", tz="UTC")
    at = pa.array(np.where(seen, occurred + late, 0), pa.int64(), mask=~seen).cast(kind)
    known = table.set_column(table.column_names.index("lost"), "lost", pa.array(seen.astype(np.int64)))
    known = known.set_column(known.column_names.index("lost_available_at"), "lost_available_at", at)
    case = labelled.use_case()
    fold = Fold(labelled.START, end - 18 * DAY, end - 15 * DAY, end - 8 * DAY)
    found = LabelledRows(known, case, case.models[0], end).share_known(fold)
    window = (occurred >= as_of - 15 * 86_400e6) & (occurred < as_of - 8 * 86_400e6)
    assert found == pytest.approx(seen[window].sum() / lost[window].sum(), abs=0.06)


@pytest.mark.parametrize("known", [0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("separation", [0.5, 1.5, 3.0])
def test_metrics_by_all_labels_are_estimated_from_those_that_came(known, separation):
    rng = np.random.default_rng(1)
    labels = (rng.random(200_000) < 0.02).astype(np.int8)
    scores = 1 / (1 + np.exp(-(rng.normal(size=len(labels)) + separation * labels)))
    came = labels * (rng.random(len(labels)) < known)
    binary = task("binary")
    predictions = pa.table({"score": scores})
    all_of_them = binary.metrics(predictions, labels, ())
    measured = binary.metrics(predictions, came, ())
    estimated = binary.ripe(measured, came, known)
    assert set(estimated) == {"auc", "average_precision"}
    for name, value in estimated.items():
        assert value == pytest.approx(all_of_them[name], rel=0.05)


def test_the_delay_that_would_do_is_named():
    found = label_delays(query_of(snapshot(uniform(0.5, 20.5))), dataset(LABEL), LABEL, AS_OF)
    assert found.needed(0.9) / DAY == pytest.approx(18.5, abs=0.8)
    assert found.share_within(found.needed(0.9)) >= 0.9


def test_the_check_fails_above_the_bound_and_names_the_remedy():
    late = query_of(snapshot(uniform(0.5, 20.5)))
    outcome = task("binary").labels_check(late, dataset(LABEL), AS_OF)
    assert not outcome.passed
    assert "of the labels come later than Label.delay, 7 days" in outcome.description
    needed = float(outcome.description.split("come within ")[1].split(" days")[0])
    assert 17.5 <= needed <= 19.5
    for mended in ({"delay": needed * DAY}, {"max_late_share": 0.75}):
        assert task("binary").labels_check(late, dataset(LABEL.model_copy(update=mended)), AS_OF).passed


def test_labels_that_come_in_time_pass_with_the_share_that_is_known():
    outcome = task("binary").labels_check(query_of(snapshot(uniform(0.0, 6.0))), dataset(LABEL), AS_OF)
    assert outcome.passed
    assert outcome.metadata["share_known_after_delay"] == 1.0


def test_of_too_few_reports_nothing_is_said():
    assert label_delays(query_of(snapshot(uniform(0, 20), frauds=25)), dataset(LABEL), LABEL, AS_OF) is None
    assert label_delays(query_of(snapshot(uniform(0, 20), days=5)), dataset(LABEL), LABEL, AS_OF) is None
    assert label_delays(query_of(snapshot(uniform(0, 20), frauds=0)), dataset(LABEL), LABEL, AS_OF) is None
