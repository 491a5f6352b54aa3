"""A small use case: orders of a shop, some of which are returned."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.use_case import BatchPrediction, Dataset, Label, Model, Retraining, Split, UseCase
from ml_platform.warehouse.base import Warehouse

FIRST_DAY = date(2018, 4, 1)


def rush(orders: pa.Table) -> pa.Table:
    """Request feature: whether the order was placed at night."""
    hours = pc.hour(orders.column("occurred_at"))
    return pa.table({"at_night": pc.less(hours, 6)})


def use_case(**changes: object) -> UseCase:
    """The declaration."""
    content = {
        "name": "returns",
        "owner": "team:shop",
        "description": "Orders that will be returned.",
        "dataset": Dataset(
            events="shop.orders",
            id="order_id",
            keys=("buyer_id",),
            features=("amount", "items"),
            label=Label(
                relation="shop.returns", id="order_id", available_at="reported_at", delay=timedelta(days=7)
            ),
        ),
        "models": (
            Model(
                train=rush,
                request_features=rush,
                request_feature_names=("at_night",),
                split=Split(train_days=7),
            ),
        ),
        "batch_predictions": (
            BatchPrediction(
                relation="predictions.returns", topic="returns.predictions", columns=("buyer_id", "amount")
            ),
        ),
        "retraining": Retraining(min_new_labels=10, limit=0.4, cool_down=timedelta(days=1)),
    }
    return UseCase.model_validate(content | changes)


def orders(days: int, per_day: int = 40, seed: int = 0) -> pa.Table:
    """Orders of some days, in order of time; the larger ones tend to be returned."""
    random = np.random.default_rng(seed)
    n = days * per_day
    start = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
    occurred = [
        start + timedelta(days=i // per_day, seconds=(i % per_day) * 86_000 // per_day) for i in range(n)
    ]
    return pa.table(
        {
            "order_id": [f"o{i}" for i in range(n)],
            "occurred_at": pa.array(occurred, pa.timestamp("us", tz="UTC")),
            "buyer_id": [f"b{i}" for i in random.integers(0, 30, n)],
            "amount": random.gamma(2.0, 30.0, n).round(2),
            "items": pa.array(random.integers(1, 6, n), pa.int64()),
            "day": pa.array([t.date() for t in occurred], pa.date32()),
        }
    )


def returns(of: pa.Table, after: timedelta = timedelta(days=2), seed: int = 1) -> pa.Table:
    """Which of the orders were returned, each reported some time after it occurred."""
    chance = np.clip(of.column("amount").to_numpy() / 200, 0.02, 0.8)
    returned = of.filter(pa.array(np.random.default_rng(seed).random(of.num_rows) < chance))
    reported = [t + after for t in returned.column("occurred_at").to_pylist()]
    return pa.table(
        {
            "order_id": returned.column("order_id"),
            "reported_at": pa.array(reported, pa.timestamp("us", tz="UTC")),
            "day": pa.array([t.date() for t in reported], pa.date32()),
        }
    )


def fill(warehouse: Warehouse, relation: str, rows: pa.Table) -> None:
    """Put rows into a table, replacing their days."""
    days = sorted(set(rows.column("day").to_pylist()))
    warehouse.replace_partitions(relation, "day", days, rows.to_batches(), rows.schema)


def days(n: int, start: int = 0) -> list[date]:
    """Some days of the orders."""
    return [FIRST_DAY + timedelta(days=i) for i in range(start, start + n)]
