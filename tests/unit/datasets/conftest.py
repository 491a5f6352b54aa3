from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.storage.folder import FolderStore
from ml_platform.use_case import Dataset, FeatureView, Label, ViewFeatures
from ml_platform.warehouse.duckdb import DuckDBWarehouse

SEEN = FeatureView(
    name="buyer",
    relation="shop.buyer_daily",
    entity=("buyer_id",),
    features=("orders", "mean"),
    ttl=timedelta(days=3),
)
DATASET = Dataset(
    events="shop.orders",
    id="order_id",
    keys=("buyer_id",),
    features=("amount",),
    views=(ViewFeatures(view=SEEN, features=("orders",)),),
    label=Label(
        relation="shop.returns",
        id="order_id",
        available_at="reported_at",
        delay=timedelta(days=7),
        name="returned",
    ),
)
AS_OF = datetime(2011, 1, 11, tzinfo=UTC)


TABLES = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders AS
SELECT 'o' || i AS order_id, 'b' || i % 4 AS buyer_id, CAST(i * 1.5 AS DOUBLE) AS amount,
  TIMESTAMPTZ '2011-01-01 00:00+00' + to_hours(CAST(i * 2.4 AS INT)) AS occurred_at
FROM range(100) AS t(i);
CREATE TABLE shop.returns AS
SELECT order_id, occurred_at + to_days(CASE WHEN order_id LIKE '%0' THEN 5 ELSE 1 END) AS reported_at
FROM shop.orders WHERE hash(order_id) % 7 = 0 OR order_id IN ('o40', 'o90');
CREATE TABLE shop.buyer_daily AS
SELECT 'b' || k AS buyer_id, d::TIMESTAMPTZ AS event_timestamp, d::TIMESTAMPTZ AS available_at,
  k * 100 + day(d) AS orders, 0.5 AS mean
FROM range(3) AS t(k), range(TIMESTAMP '2011-01-02', TIMESTAMP '2011-01-07', INTERVAL 1 DAY) AS s(d)
"""


@pytest.fixture
def dataset():
    return DATASET


@pytest.fixture
def warehouse(tmp_path):
    """Orders of 1 to 10 January 2011, ten a day; every seventh is returned, one day later or five."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    for statement in TABLES.split(";"):
        warehouse.execute(statement)
    return warehouse


@pytest.fixture
def store(tmp_path):
    return FolderStore(tmp_path / "objects")
