from pathlib import Path

import pyarrow as pa
import pytest
from samples import shop

from ml_platform.cadence import Cadence
from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.events.cloudevents import event_id
from ml_platform.events.local import LocalEventLog
from ml_platform.predictions.publish import PublishedPartitions, publish_partitions
from ml_platform.predictions.table import BatchScoring, batch_scoring
from ml_platform.use_case import BatchPrediction
from ml_platform.warehouse.duckdb import DuckDBWarehouse

TOPIC = "returns.predictions"


def fill(
    warehouse: DuckDBWarehouse, release: str, days: int = 3, stage: str = "champion", promotion: int = 1
) -> None:
    orders = shop.orders(days, per_day=5).select(["order_id", "occurred_at", "buyer_id", "amount", "day"])
    rows = (
        orders.append_column("score", pa.array([0.25] * (5 * days)))
        .append_column("model", pa.repeat("returns/model", 5 * days))
        .append_column("stage", pa.repeat(stage, 5 * days))
        .append_column("release", pa.repeat(release, 5 * days))
        .append_column("promotion", pa.array([promotion] * (5 * days), pa.int64()))
    )
    values, where = shop.days(days), {"release": release, "stage": stage}
    warehouse.replace_partitions(
        "predictions.returns", "day", values, rows.to_batches(), rows.schema, where=where
    )


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    fill(warehouse, "r1")
    return warehouse


@pytest.fixture
def log(tmp_path: Path) -> LocalEventLog:
    return LocalEventLog(tmp_path / "events.db")


def scoring(**changes: object) -> BatchScoring:
    use_case = shop.use_case(**changes)
    return batch_scoring(use_case, use_case.batch_predictions[0])


def keys(n: int) -> list[str]:
    return [day.isoformat() for day in shop.days(n)]


def publish(warehouse: DuckDBWarehouse, log: LocalEventLog, wanted: list[str]) -> PublishedPartitions:
    return publish_partitions(scoring(), Cadence.DAILY, wanted, warehouse, log)


def test_each_prediction_is_an_event_that_says_what_was_predicted(
    warehouse: DuckDBWarehouse, log: LocalEventLog
) -> None:
    told = publish(warehouse, log, keys(3))
    assert told == PublishedPartitions(dict.fromkeys(keys(3), 5), new=15, duplicates=0)
    records = log.read(TOPIC)
    assert [r.event.subject for r in records] == [f"o{n}" for n in range(15)]
    first, order = records[0].event, shop.orders(3, per_day=5).slice(0, 1).to_pylist()[0]
    assert first.time == "2018-04-01T00:00:00Z"
    assert first.id == event_id("r1", "o0", first.time)
    assert (first.source, first.type) == ("/ml-platform/returns/model", "ml-platform.prediction.v1")
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
    publish(warehouse, log, keys(2))
    again = publish(warehouse, log, keys(3))
    assert (again.new, again.duplicates) == (5, 10)
    fill(warehouse, "r2", days=1, promotion=2)
    assert publish(warehouse, log, keys(1)).new == 5
    assert log.topics() == {TOPIC: 20}


def test_only_what_serves_is_announced(warehouse: DuckDBWarehouse, log: LocalEventLog) -> None:
    fill(warehouse, "shadow", stage="trial", promotion=9)
    fill(warehouse, "r2", days=1, promotion=2)
    told = publish(warehouse, log, keys(2))
    assert told.rows == dict.fromkeys(keys(2), 5)
    assert [r.event.data["release"] for r in log.read(TOPIC)] == ["r2"] * 5 + ["r1"] * 5


def test_a_partition_without_predictions_is_published_as_nothing(
    warehouse: DuckDBWarehouse, log: LocalEventLog
) -> None:
    told = publish(warehouse, log, ["2030-01-01"])
    assert told == PublishedPartitions({"2030-01-01": 0}, new=0, duplicates=0)
    assert publish(warehouse, log, []).rows == {}


def test_what_is_not_there_is_told(tmp_path: Path, log: LocalEventLog) -> None:
    empty = DuckDBWarehouse(tmp_path / "empty.duckdb")
    with pytest.raises(NotFoundError, match=r"predictions\.returns"):
        publish(empty, log, keys(1))
    silent = scoring(batch_predictions=(BatchPrediction(relation="predictions.returns"),))
    with pytest.raises(ConfigurationError, match="declares no topic"):
        publish_partitions(silent, Cadence.DAILY, keys(1), empty, log)
