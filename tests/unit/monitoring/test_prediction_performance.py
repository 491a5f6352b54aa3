from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from samples import shop

from ml_platform.errors import NotFoundError
from ml_platform.models.tasks.base import task
from ml_platform.monitoring.performance import Performance, performance, performance_check, performance_plot
from ml_platform.monitoring.served import Served
from ml_platform.use_case import Retraining, UseCase
from ml_platform.warehouse.base import Query
from ml_platform.warehouse.duckdb import DuckDBWarehouse

END = datetime(2018, 4, 21, tzinfo=UTC)  # of 20 days; the newest mature day is the 13th
ORDERS = shop.orders(20)


def predict(warehouse: DuckDBWarehouse, orders: pa.Table, scores: np.ndarray, release: str = "r1") -> None:
    rows = orders.select(["order_id", "occurred_at", "buyer_id", "amount", "day"])
    rows = rows.append_column("score", pa.array(scores)).append_column(
        "release", pa.repeat(release, len(scores))
    )
    shop.fill(warehouse, "predictions.returns", rows)


def served(use_case: UseCase | None = None) -> Served:
    case = use_case or shop.use_case()
    rows = Query("SELECT * FROM predictions.returns", {})
    return Served("predictions.returns", rows, case.data, case.model())


def judged(warehouse: DuckDBWarehouse, use_case: UseCase | None = None, **options: Any) -> Performance:
    return performance(served(use_case), warehouse, **{"as_of": END, "trained_until": {}, **options})


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

    found = judged(warehouse)
    assert [d.day for d in found.days] == shop.days(13)
    assert found.releases == ("r1",)
    returned = set(shop.returns(ORDERS).column("order_id").to_pylist())
    labels = np.array([i in returned for i in ORDERS.column("order_id").to_pylist()])
    scores = by_amount(ORDERS)
    mature = slice(0, 13 * 40)
    assert found.metrics["auc"] == pytest.approx(roc_auc_score(labels[mature], scores[mature]), abs=1e-3)
    assert found.metrics["average_precision"] == pytest.approx(
        average_precision_score(labels[mature], scores[mature]), abs=1e-3
    )
    third = slice(80, 120)
    assert (found.days[2].rows, found.rows) == (40, 13 * 40)
    assert found.counts == {"positives": int(labels[mature].sum())}
    assert found.days[2].metrics["auc"] == pytest.approx(
        roc_auc_score(labels[third], scores[third]), abs=1e-3
    )


def test_only_labels_reported_by_then_count(warehouse: DuckDBWarehouse) -> None:
    shop.fill(
        warehouse, "shop.returns", shop.returns(ORDERS.slice(0, 40), after=timedelta(days=30))
    )  # late ones
    later = judged(warehouse, as_of=END + timedelta(days=30))
    before = judged(warehouse)
    assert before.days[0].counts["positives"] <= later.days[0].counts["positives"]
    warehouse.execute("DELETE FROM shop.returns WHERE reported_at < $end", {"end": END})
    found = judged(warehouse)
    assert found.counts == {"positives": 0}
    assert not {"auc", "average_precision"} & set(found.metrics)
    assert not any("auc" in d.metrics for d in found.days)


def test_it_says_what_share_of_the_labels_it_rests_on(warehouse: DuckDBWarehouse) -> None:
    everything = judged(warehouse)
    assert everything.share_known == pytest.approx(1, abs=0.01), (
        "reports take two days, and seven are declared"
    )
    random = np.random.default_rng(5)
    reports = shop.returns(ORDERS)
    late = [
        t - timedelta(days=2) + timedelta(days=d)
        for t, d in zip(
            reports.column("reported_at").to_pylist(), random.uniform(0.5, 13.5, len(reports)), strict=True
        )
    ]
    warehouse.execute("DROP TABLE shop.returns")
    at, kind = pa.array(late, pa.timestamp("us", tz="UTC")), pa.date32()
    shop.fill(
        warehouse,
        "shop.returns",
        pa.table(
            {
                "order_id": reports["order_id"],
                "reported_at": at,
                "day": pa.array([t.date() for t in late], kind),
            }
        ),
    )
    found = judged(warehouse)
    came, ever = found.counts["positives"], everything.counts["positives"]
    assert came < 0.9 * ever
    assert found.share_known == pytest.approx(came / ever, abs=0.12)
    assert "of the labels" in performance_check(shop.use_case(), served(), found).description


def test_what_a_release_was_trained_on_is_left_out(warehouse: DuckDBWarehouse) -> None:
    learnt = datetime(2018, 4, 5, 12, tzinfo=UTC)
    found = judged(warehouse, trained_until={"r1": learnt, "unknown": END})
    assert found.days[0].day == learnt.date()
    assert found.in_sample + sum(d.rows for d in found.days) == 13 * 40
    assert found.in_sample == sum(t < learnt for t in ORDERS.column("occurred_at").to_pylist())


def test_the_newest_mature_days_are_looked_at(warehouse: DuckDBWarehouse) -> None:
    found = judged(warehouse, last_days=3)
    assert [d.day for d in found.days] == shop.days(3, start=10)


def test_labels_known_long_after_the_last_event_make_its_days_mature(warehouse: DuckDBWarehouse) -> None:
    found = judged(warehouse, as_of=END + timedelta(days=90), events_end=END, last_days=3)
    assert [d.day for d in found.days] == shop.days(3, start=17)


def test_no_predictions_at_all(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"predictions\.returns"):
        judged(DuckDBWarehouse(tmp_path / "w.duckdb"))


def test_no_mature_predictions(warehouse: DuckDBWarehouse) -> None:
    found = judged(warehouse, as_of=END - timedelta(days=20))
    assert (found.days, found.metrics, found.releases) == ((), {}, ())
    check = performance_check(shop.use_case(), served(), found)
    assert check.passed
    assert "nothing to judge" in check.description
    assert performance_plot(found, ("auc", "average_precision")).startswith(b"\x89PNG")


def test_the_check_warns_below_the_bound(warehouse: DuckDBWarehouse) -> None:
    good = judged(warehouse)
    assert performance_check(shop.use_case(), served(), good).passed
    predict(warehouse, ORDERS, 1 - by_amount(ORDERS))
    bad = judged(warehouse)
    check = performance_check(shop.use_case(), served(), bad)
    assert (check.passed, check.severity, check.blocking) == (False, "WARN", False)
    assert "0.4000" in check.description
    unbounded = shop.use_case(retraining=Retraining())
    assert performance_check(unbounded, served(), bad).passed


def test_the_plot_is_a_picture_and_the_same_each_time(warehouse: DuckDBWarehouse) -> None:
    found = judged(warehouse)
    picture = performance_plot(found, ("auc", "average_precision"))
    assert picture.startswith(b"\x89PNG")
    assert picture == performance_plot(found, ("auc", "average_precision"))


def valued(kind: str, classes: tuple[str, ...] = ()) -> UseCase:
    """The shop, with a value that is reported two days after each order in place of returns."""
    case = shop.use_case(retraining=Retraining(limit=0.5 if classes else 20))
    label = case.data.label
    assert label is not None
    changed = label.model_copy(update={"relation": "shop.truth", "value": "truth", "classes": classes})
    return case.model_copy(
        update={
            "dataset": case.data.model_copy(update={"label": changed}),
            "models": (case.model().model_copy(update={"task": kind}),),
        }
    )


def tell(warehouse: DuckDBWarehouse, values: pa.Array, predictions: pa.Table) -> None:
    """Report the truth of every order, and put predictions of it in place of those that there are."""
    reported = pa.array([t + timedelta(days=2) for t in ORDERS["occurred_at"].to_pylist()])
    truth = pa.table({"order_id": ORDERS["order_id"], "truth": values, "day": ORDERS["day"]})
    shop.fill(
        warehouse,
        "shop.truth",
        truth.append_column("reported_at", reported.cast(pa.timestamp("us", tz="UTC"))),
    )
    rows = ORDERS.select(["order_id", "occurred_at", "day"])
    for name in predictions.column_names:
        rows = rows.append_column(name, predictions[name])
    warehouse.execute("DROP TABLE predictions.returns")
    shop.fill(warehouse, "predictions.returns", rows.append_column("release", pa.array(["r1"] * len(rows))))


def test_numbers_are_judged_by_those_reported(warehouse: DuckDBWarehouse) -> None:
    random, case = np.random.default_rng(1), valued("regression")
    values = ORDERS["amount"].to_numpy()
    raw = values + random.normal(3, 5, len(values))
    tell(warehouse, pa.array(values), task("regression").predictions(raw, ()))
    found = judged(warehouse, case)
    mature = slice(0, 13 * 40)
    expected = task("regression").metrics(task("regression").predictions(raw[mature], ()), values[mature], ())
    assert found.rows == 13 * 40
    for name, value in found.metrics.items():
        assert value == pytest.approx(expected[name])
    assert performance_check(case, served(case), found).passed
    strict = case.model_copy(update={"retraining": Retraining(limit=1)})
    assert not performance_check(strict, served(case), found).passed, "an error above its limit"
    assert performance_plot(found, ("mae", "bias")).startswith(b"\x89PNG")


def test_values_that_were_not_reported_are_not_judged(warehouse: DuckDBWarehouse) -> None:
    case, values = valued("regression"), ORDERS["amount"].to_numpy()
    tell(warehouse, pa.array(values), task("regression").predictions(values, ()))
    warehouse.execute("DELETE FROM shop.truth WHERE order_id = 'o3'")
    warehouse.execute("UPDATE shop.truth SET truth = NULL WHERE order_id = 'o4'")
    later = datetime.combine(shop.FIRST_DAY, time(), UTC) + timedelta(days=400)
    warehouse.execute("UPDATE shop.truth SET reported_at = $later WHERE order_id = 'o5'", {"later": later})
    assert judged(warehouse, case).rows == 13 * 40 - 3


def test_classes_are_counted_as_a_confusion_matrix(warehouse: DuckDBWarehouse) -> None:
    random, classes = np.random.default_rng(1), ("large", "small")
    case = valued("multiclass", classes)
    codes = (ORDERS["amount"].to_numpy() < 60).astype(int)
    raw = random.dirichlet([1, 1], len(codes)) * 0.7 + np.eye(2)[codes] * 0.3
    predictions = task("multiclass").predictions(raw, classes)
    tell(warehouse, pa.array(classes).take(pa.array(codes)), predictions)
    found = judged(warehouse, case)
    mature = slice(0, 13 * 40)
    expected = task("multiclass").metrics(predictions.slice(0, 13 * 40), codes[mature], classes)
    assert found.metrics == {n: pytest.approx(v) for n, v in expected.items() if n != "calibration_error"}
    assert np.sum(found.counts["confusion"]["counts"]) == 13 * 40
    assert performance_check(case, served(case), found).passed


def test_without_a_label_there_is_nothing_to_judge(warehouse: DuckDBWarehouse) -> None:
    case = shop.use_case()
    unlabelled = case.model_copy(update={"dataset": case.data.model_copy(update={"label": None})})
    assert judged(warehouse, unlabelled).rows == 0
