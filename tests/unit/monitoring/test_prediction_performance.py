from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from samples import shop

from ml_platform.errors import NotFoundError
from ml_platform.monitoring.performance import performance, performance_check, performance_plot
from ml_platform.use_case import Retraining
from ml_platform.warehouse.duckdb import DuckDBWarehouse

END = datetime(2018, 4, 21, tzinfo=UTC)  # of 20 days; the newest mature day is the 13th
ORDERS = shop.orders(20)


def predict(warehouse: DuckDBWarehouse, orders: pa.Table, scores: np.ndarray, release: str = "r1") -> None:
    rows = orders.select(["order_id", "occurred_at", "buyer_id", "amount", "day"])
    rows = rows.append_column("score", pa.array(scores)).append_column(
        "release", pa.repeat(release, len(scores))
    )
    shop.fill(warehouse, "predictions.returns", rows)


def by_amount(orders: pa.Table) -> np.ndarray:
    return orders.column("amount").to_numpy() / 1000


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    shop.fill(warehouse, "shop.orders", ORDERS)
    shop.fill(warehouse, "shop.returns", shop.returns(ORDERS))
    predict(warehouse, ORDERS, by_amount(ORDERS))
    return warehouse


def test_mature_days_are_judged_by_what_was_reported(warehouse: DuckDBWarehouse) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    found = performance(shop.use_case(), warehouse, as_of=END, trained_until={})
    assert [d.day for d in found.days] == shop.days(13)
    assert found.releases == ("r1",)
    returned = set(shop.returns(ORDERS).column("order_id").to_pylist())
    labels = np.array([i in returned for i in ORDERS.column("order_id").to_pylist()])
    scores = by_amount(ORDERS)
    mature = slice(0, 13 * 40)
    assert found.metrics["auc"] == pytest.approx(roc_auc_score(labels[mature], scores[mature]))
    assert found.metrics["average_precision"] == pytest.approx(
        average_precision_score(labels[mature], scores[mature])
    )
    third = slice(80, 120)
    assert (found.days[2].rows, found.days[2].positives) == (40, int(labels[third].sum()))
    assert found.days[2].auc == pytest.approx(roc_auc_score(labels[third], scores[third]))


def test_only_labels_reported_by_then_count(warehouse: DuckDBWarehouse) -> None:
    shop.fill(
        warehouse, "shop.returns", shop.returns(ORDERS.slice(0, 40), after=timedelta(days=30))
    )  # late ones
    later = performance(shop.use_case(), warehouse, as_of=END + timedelta(days=30), trained_until={})
    before = performance(shop.use_case(), warehouse, as_of=END, trained_until={})
    assert before.days[0].positives <= later.days[0].positives
    warehouse.execute("DELETE FROM shop.returns WHERE reported_at < $end", {"end": END})
    found = performance(shop.use_case(), warehouse, as_of=END, trained_until={})
    assert sum(d.positives for d in found.days) == 0
    assert found.metrics == {}
    assert {(d.auc, d.average_precision) for d in found.days} == {(None, None)}


def test_what_a_release_was_trained_on_is_left_out(warehouse: DuckDBWarehouse) -> None:
    learnt = datetime(2018, 4, 5, 12, tzinfo=UTC)
    found = performance(shop.use_case(), warehouse, as_of=END, trained_until={"r1": learnt, "unknown": END})
    assert found.days[0].day == learnt.date()
    assert found.in_sample + sum(d.rows for d in found.days) == 13 * 40
    assert found.in_sample == sum(t < learnt for t in ORDERS.column("occurred_at").to_pylist())


def test_the_newest_mature_days_are_looked_at(warehouse: DuckDBWarehouse) -> None:
    found = performance(shop.use_case(), warehouse, as_of=END, trained_until={}, last_days=3)
    assert [d.day for d in found.days] == shop.days(3, start=10)


def test_a_card_reported_before_the_day_is_known_and_not_counted_again(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    orders = shop.orders(20, per_day=3)
    orders = orders.set_column(2, "buyer_id", pa.array([f"b{n % 3}" for n in range(60)]))
    shop.fill(warehouse, "shop.orders", orders)
    predict(warehouse, orders, np.where([b == "b0" for b in orders.column("buyer_id").to_pylist()], 0.9, 0.1))
    reported = pa.array([datetime(2018, 4, 1, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    day = pa.array([shop.FIRST_DAY], pa.date32())
    shop.fill(warehouse, "shop.returns", pa.table({"order_id": ["o0"], "reported_at": reported, "day": day}))
    found = performance(shop.use_case(), warehouse, as_of=END, trained_until={})
    assert [d.card_precision for d in found.days][:2] == [0.5, 0.0]


def test_no_predictions_at_all(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"predictions\.returns"):
        performance(shop.use_case(), DuckDBWarehouse(tmp_path / "w.duckdb"), as_of=END, trained_until={})


def test_no_mature_predictions(warehouse: DuckDBWarehouse) -> None:
    found = performance(shop.use_case(), warehouse, as_of=END - timedelta(days=20), trained_until={})
    assert (found.days, found.metrics, found.releases) == ((), {}, ())
    check = performance_check(shop.use_case(), found)
    assert check.passed
    assert "nothing to judge" in check.description
    assert performance_plot(found).startswith(b"\x89PNG")


def test_the_check_warns_below_the_bound(warehouse: DuckDBWarehouse) -> None:
    good = performance(shop.use_case(), warehouse, as_of=END, trained_until={})
    assert performance_check(shop.use_case(), good).passed
    predict(warehouse, ORDERS, 1 - by_amount(ORDERS))
    bad = performance(shop.use_case(), warehouse, as_of=END, trained_until={})
    check = performance_check(shop.use_case(), bad)
    assert (check.passed, check.severity, check.blocking) == (False, "WARN", False)
    assert "0.4000" in check.description
    unbounded = shop.use_case(retraining=Retraining())
    assert performance_check(unbounded, bad).passed


def test_the_plot_is_a_picture_and_the_same_each_time(warehouse: DuckDBWarehouse) -> None:
    found = performance(shop.use_case(), warehouse, as_of=END, trained_until={})
    picture = performance_plot(found)
    assert picture.startswith(b"\x89PNG")
    assert picture == performance_plot(found)


def test_without_cards_there_is_no_card_precision(warehouse: DuckDBWarehouse) -> None:
    use_case = shop.use_case()
    cardless = use_case.model_copy(update={"model": use_case.model.model_copy(update={"card": None})})
    found = performance(cardless, warehouse, as_of=END, trained_until={})
    assert {d.card_precision for d in found.days} == {None}
    assert "auc" in found.metrics
