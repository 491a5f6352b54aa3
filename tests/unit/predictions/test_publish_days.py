from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from samples import shop

from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.events.cloudevents import event_id
from ml_platform.events.local import LocalEventLog
from ml_platform.predictions.publish import PublishedDays, publish_days
from ml_platform.warehouse.duckdb import DuckDBWarehouse

TOPIC = "returns.predictions"


def fill(warehouse: DuckDBWarehouse, release: str, days: int = 3) -> None:
    orders = shop.orders(days, per_day=5).select(["order_id", "occurred_at", "buyer_id", "amount", "day"])
    rows = orders.append_column("score", pa.array([0.25] * (5 * days))).append_column(
        "release", pa.repeat(release, 5 * days)
    )
    shop.fill(warehouse, "predictions.returns", rows)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    fill(warehouse, "r1")
    return warehouse


@pytest.fixture
def log(tmp_path: Path) -> LocalEventLog:
    return LocalEventLog(tmp_path / "events.db")


def test_each_prediction_is_an_event_that_says_what_was_predicted(
    warehouse: DuckDBWarehouse, log: LocalEventLog
) -> None:
    told = publish_days(shop.use_case(), shop.days(3), warehouse, log)
    assert told == PublishedDays(dict.fromkeys(shop.days(3), 5), new=15, duplicates=0)
    records = log.read(TOPIC)
    assert [r.event.subject for r in records] == [f"o{n}" for n in range(15)]
    first, order = records[0].event, shop.orders(3, per_day=5).slice(0, 1).to_pylist()[0]
    assert first.time == "2018-04-01T00:00:00Z"
    assert first.id == event_id("r1", "o0", first.time)
    assert (first.source, first.type) == ("/ml-platform/returns", "ml-platform.prediction.v1")
    assert first.data == {
        "order_id": "o0",
        "occurred_at": "2018-04-01T00:00:00Z",
        "release": "r1",
        "score": 0.25,
        "buyer_id": order["buyer_id"],
        "amount": order["amount"],
    }


def test_publishing_again_adds_nothing_and_another_release_is_news(
    warehouse: DuckDBWarehouse, log: LocalEventLog
) -> None:
    publish_days(shop.use_case(), shop.days(2), warehouse, log)
    again = publish_days(shop.use_case(), shop.days(3), warehouse, log)
    assert (again.new, again.duplicates) == (5, 10)
    fill(warehouse, "r2", days=1)
    assert publish_days(shop.use_case(), shop.days(1), warehouse, log).new == 5
    assert log.topics() == {TOPIC: 20}


def test_a_day_without_predictions_is_published_as_nothing(
    warehouse: DuckDBWarehouse, log: LocalEventLog
) -> None:
    told = publish_days(shop.use_case(), [date(2030, 1, 1)], warehouse, log)
    assert told == PublishedDays({date(2030, 1, 1): 0}, new=0, duplicates=0)


def test_what_is_not_there_is_told(tmp_path: Path, log: LocalEventLog) -> None:
    empty = DuckDBWarehouse(tmp_path / "empty.duckdb")
    with pytest.raises(NotFoundError, match=r"predictions\.returns"):
        publish_days(shop.use_case(), shop.days(1), empty, log)
    with pytest.raises(ConfigurationError, match="batch_prediction"):
        publish_days(shop.use_case(batch_predictions=()), shop.days(1), empty, log)
