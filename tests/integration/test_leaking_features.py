"""Features made in SQL from reports that had not been made yet, in a warehouse, found in the snapshot."""

from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.datasets.leakage.check import leakage_check
from ml_platform.datasets.snapshot import export_snapshot
from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import Dataset, FeatureView, Label, ViewFeatures
from ml_platform.warehouse.duckdb import DuckDBWarehouse

PAYMENTS = """
CREATE SCHEMA bank;
CREATE TABLE bank.raw AS
SELECT 'p' || i AS id, 't' || hash(i * 7) % 1500 AS terminal, TIMESTAMPTZ '1997-03-01 00:00+00'
    + to_microseconds(CAST(i * 86400000000 / 5000 AS BIGINT)) AS occurred_at,
  hash(i * 11 + 1) % 100000 < 1500 AS bad, (hash(i * 13 + 2) % 100000) / 100000 AS luck,
  1 + (hash(i * 17 + 3) % 1000 + hash(i * 19 + 4) % 1000) / 200 AS delay_days
FROM range(250000) AS t(i);
CREATE TABLE bank.reports AS
SELECT id, occurred_at + to_microseconds(CAST(delay_days * 86400000000 AS BIGINT)) AS reported_at FROM bank.raw
WHERE bad AND occurred_at + to_microseconds(CAST(delay_days * 86400000000 AS BIGINT)) < '1997-04-20 00:00+00';
CREATE TABLE bank.payments AS
SELECT raw.*, luck + 3 * CAST(bad AS INT) * luck AS amount, reported_at IS NOT NULL AS reported,
  coalesce(avg(CAST(reported_at IS NOT NULL AS INT)) OVER (PARTITION BY terminal ORDER BY occurred_at
    RANGE BETWEEN INTERVAL 7 DAY PRECEDING AND CURRENT ROW), 0) AS share_without_delay
FROM bank.raw LEFT JOIN bank.reports USING (id);
CREATE TABLE bank.terminal_daily AS
SELECT terminal, CAST(CAST(occurred_at AS DATE) + 1 AS TIMESTAMPTZ) AS event_timestamp, event_timestamp AS available_at,
  sum(CAST(reported AS INT)) AS frauds_without_delay, count(*) AS payments
FROM bank.payments GROUP BY ALL
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    warehouse = DuckDBWarehouse(tmp_path_factory.mktemp("bank") / "warehouse.duckdb")
    for statement in PAYMENTS.split(";"):
        warehouse.execute(statement)
    return warehouse


def payments(*features, view=()):
    daily = FeatureView(
        name="daily",
        relation="bank.terminal_daily",
        entity=("terminal",),
        features=("frauds_without_delay", "payments"),
    )
    return Dataset(
        events="bank.payments",
        id="id",
        keys=("terminal",),
        features=features,
        views=(ViewFeatures(view=daily, features=view),) if view else (),
        label=Label(
            relation="bank.reports",
            id="id",
            available_at="reported_at",
            delay=timedelta(days=11),
            name="fraud",
        ),
    )


@pytest.fixture
def export(bank, tmp_path):
    def export(dataset):
        store, as_of = FolderStore(tmp_path / "objects"), datetime(1997, 4, 20, tzinfo=UTC)
        return export_snapshot("fraud", dataset, bank, store, as_of=as_of, upstream={})

    return export


def test_leaking_features_are_named_and_honest_ones_are_not(export):
    dataset = payments(
        "amount", "luck", "share_without_delay", "reported", view=("frauds_without_delay", "payments")
    )
    outcome = leakage_check(export(dataset), dataset)
    assert outcome.metadata["leaking"] == ["daily__frauds_without_delay", "reported", "share_without_delay"]
    assert not outcome.passed
    assert "before they were available" in outcome.description


def test_honest_features_pass(export):
    dataset = payments("amount", "luck", view=("payments",))
    snapshot = export(dataset)
    assert leakage_check(snapshot, dataset).passed
    assert leakage_check(snapshot, dataset, most_rows=50_000).passed
