from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from samples import shop

from ml_platform.monitoring.retraining import count_new_labels, due
from ml_platform.use_case import Retraining
from ml_platform.warehouse.duckdb import DuckDBWarehouse

NOW = datetime(2018, 9, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
CASE = shop.use_case()  # 10 labels, at least 0.4, a day of cool-down


def test_enough_new_labels() -> None:
    assert due(CASE, 10, {}, LONG_AGO, NOW).due
    decision = due(CASE, 9, {}, LONG_AGO, NOW)
    assert not decision.due
    assert decision.reason == "9 labels are new; 10 would be enough"


def test_performance_below_its_bound() -> None:
    decision = due(CASE, 0, {"model": 0.39}, LONG_AGO, NOW)
    assert decision.due
    assert "average_precision" in decision.reason
    assert not due(CASE, 0, {"model": 0.4}, LONG_AGO, NOW).due
    assert not due(shop.use_case(retraining=Retraining()), 0, {"model": 0.0}, LONG_AGO, NOW).due


def test_each_model_is_watched() -> None:
    first = CASE.models[0]
    case = shop.use_case(models=(first, first.model_copy(update={"name": "second"})))
    assert not due(case, 0, {"model": 0.5, "second": 0.5}, LONG_AGO, NOW).due
    decision = due(case, 0, {"model": 0.5, "second": 0.39}, LONG_AGO, NOW)
    assert decision.due
    assert decision.reason == "average_precision of second on new labels is 0.3900, worse than 0.4000"


def test_never_trained_has_no_cool_down() -> None:
    assert due(CASE, 10, {}, None, NOW).due
    assert not due(CASE, 0, {}, None, NOW).due


def test_a_week_of_late_data_starts_one_training_not_seven() -> None:
    last, started = LONG_AGO, []
    for hour in range(20):
        now = NOW + timedelta(hours=hour)
        if due(CASE, 1000, {"model": 0.1}, last, now).due:
            last = now
            started.append(now)
    assert started == [NOW]


@given(
    st.integers(0, 10**6),
    st.dictionaries(st.just("model"), st.floats(0, 1)),
    st.timedeltas(timedelta(0), timedelta(hours=23, minutes=59)),
)
def test_nothing_is_due_within_the_cool_down(
    labels: int, performance: dict[str, float], ago: timedelta
) -> None:
    assert not due(CASE, labels, performance, NOW - ago, NOW).due
    assert not due(CASE, labels, performance, NOW + ago, NOW).due, "nor when clocks disagree"


def test_new_labels_are_those_reported_after_the_last_snapshot(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    returns = shop.returns(shop.orders(10))
    shop.fill(warehouse, "shop.returns", returns)
    assert count_new_labels(CASE, warehouse, None) == returns.num_rows
    times = sorted(returns.column("reported_at").to_pylist())
    assert count_new_labels(CASE, warehouse, times[3]) == sum(t > times[3] for t in times)
    assert count_new_labels(CASE, warehouse, times[-1]) == 0
