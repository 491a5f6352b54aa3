"""Reading features in a service."""

import asyncio
import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from support.online import bench, customer, day

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.features.online.base import Row
from ml_platform.features.online.metrics import ReadMetrics
from ml_platform.features.online.reading import OnlineFeatures
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore


@pytest.fixture
def features(tmp_path: Path) -> Iterator[OnlineFeatures]:
    store = SQLiteOnlineStore(tmp_path / "online.db")
    customers = bench(tmp_path, store, ttl=dt.timedelta(days=2))
    customers.rows([customer("a", 0, n=1), customer("b", 1, n=2)])
    customers.sync()
    shops = bench(
        tmp_path, store, name="shops", relation="features.shops", entity=("shop",), features=("size",)
    )
    shops.rows([{"shop": i, "event_timestamp": day(0), "size": 10 * i} for i in range(3)])
    shops.sync()
    with OnlineFeatures(store, [customers.view, shops.view], {"customers": ["n"]}) as opened:
        yield opened


def test_several_views_by_the_keys_of_each(features: OnlineFeatures) -> None:
    entities = [{"id": "b", "shop": 2}, {"id": "a", "shop": 9}, {"id": None, "shop": 0, "more": "is ignored"}]
    found = features.get(entities, now=day(2))
    assert [row.values for row in found] == [
        {"customers__n": 2, "shops__size": 20},
        {"customers__n": None, "shops__size": None},
        {"customers__n": None, "shops__size": 0},
    ]
    assert [row.statuses for row in found] == [
        {"customers": "found", "shops": "found"},
        {"customers": "expired", "shops": "missing"},
        {"customers": "missing", "shops": "found"},
    ]
    assert [row.complete for row in found] == [True, False, False]
    assert found[0].ages(day(2)) == {"customers": dt.timedelta(days=1), "shops": dt.timedelta(days=2)}
    assert found[1].ages(day(2)) == {"customers": dt.timedelta(days=2), "shops": None}
    assert asyncio.run(features.get_async(entities, now=day(2))) == found


def test_what_was_read_is_counted(features: OnlineFeatures) -> None:
    features.get([{"id": key, "shop": 0} for key in ("a", "b", "nobody")], now=day(2))

    def value(name: str, **labels: str) -> float | None:
        labels["view"] = "customers"
        return features.metrics.registry.get_sample_value(f"ml_platform_feature_{name}", labels)

    assert [value("rows_total", status=s) for s in ("found", "expired", "missing")] == [1, 1, 1]
    assert (value("read_seconds_count"), value("read_errors_total")) == (1, 0)
    assert (value("newest_age_seconds"), value("oldest_age_seconds")) == (86_400.0, 2 * 86_400.0)
    assert value("age_seconds_total") == 3 * 86_400.0
    with pytest.raises(DataError):
        features.get([{"id": 1, "shop": 0}])
    assert value("read_errors_total") == 1


def test_readers_of_one_service_share_its_registry(tmp_path: Path) -> None:
    store = SQLiteOnlineStore(tmp_path / "shared.db")
    customers = bench(tmp_path, store)
    customers.rows([customer("a", 0, n=1)])
    customers.sync()
    view = customers.view
    registry = CollectorRegistry()
    metrics = ReadMetrics(registry)
    for _ in range(2):
        with OnlineFeatures(store, [view], metrics=metrics) as reader:
            reader.get([{"id": "a"}], now=day(2))
    assert b"ml_platform_feature_read_seconds_count" in generate_latest(registry)
    assert registry.get_sample_value("ml_platform_feature_read_seconds_count", {"view": view.name}) == 2


def test_mistakes_are_named(features: OnlineFeatures, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks 'shop', which view shops is keyed by"):
        features.get([{"id": "a"}])
    with pytest.raises(DataError, match="now is 2019-03-01 00:00:00 without a time zone"):
        features.get([{"id": "a", "shop": 0}], now=day(0).replace(tzinfo=None))
    view = bench(tmp_path, SQLiteOnlineStore(tmp_path / "online.db")).view
    for views, names in (
        ([], {}),
        ([view, view], {}),
        ([view], {"nope": ["n"]}),
        ([view], {"customers": ["nope"]}),
    ):
        with pytest.raises(ConfigurationError):
            OnlineFeatures(SQLiteOnlineStore(tmp_path / "online.db"), views, names)


class Together(SQLiteOnlineStore):
    """A store far away, none of whose reads ends before all that are expected have begun."""

    remote = True
    barrier = threading.Barrier(1)

    def read(self, *arguments: Any, **options: Any) -> list[Row]:
        self.barrier.wait(60)
        return super().read(*arguments, **options)

    async def read_async(self, *arguments: Any, **options: Any) -> list[Row]:
        await asyncio.to_thread(self.barrier.wait, 60)
        return await super().read_async(*arguments, **options)


def test_all_views_are_read_at_once_for_many_callers(features: OnlineFeatures, tmp_path: Path) -> None:
    store = Together(tmp_path / "online.db")
    views = [bench(tmp_path, store, name=name).view for name in ("customers", "shops")]
    views[1] = views[1].model_copy(update={"entity": ("shop",), "features": ("size",)})
    entities = [{"id": "b", "shop": 2}, {"id": "nobody", "shop": 9}]
    store.barrier = threading.Barrier(2 * 8)
    with OnlineFeatures(store, views) as apart, ThreadPoolExecutor(8) as callers:
        found = list(callers.map(apart.get, [entities] * 8))
        assert [row.values["shops__size"] for row in found[0]] == [20, None]
        store.barrier = threading.Barrier(2)
        assert [asyncio.run(apart.get_async(entities))] * 8 == found
        sample = ("ml_platform_feature_read_seconds_count", {"view": "shops"})
        assert apart.metrics.registry.get_sample_value(*sample) == 9


def test_a_service_that_reads_needs_no_heavy_library(features: OnlineFeatures, tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from ml_platform.features.online.metrics import ReadMetrics
from ml_platform.features.online.reading import OnlineFeatures
from ml_platform.features.online.sqlite.store import SQLiteOnlineStore
from ml_platform.use_case import FeatureView
view = FeatureView(name="shops", relation="features.shops", entity=("shop",), features=("size",))
with OnlineFeatures(SQLiteOnlineStore(Path(sys.argv[1])), [view]) as features:
    print(*[row.values["shops__size"] for row in features.get([{"shop": i} for i in range(100)])][:3])
heavy = {"dagster", "pandas", "duckdb", "pyarrow", "numpy", "mlflow", "cassandra"} & set(sys.modules)
sys.exit(str(sorted(heavy)) if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "online.db"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "0 10 20\n"), done.stderr
