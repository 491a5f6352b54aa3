"""The bank: the same data however it is asked for, and the habits and frauds that a model is to find."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_simulator import bank as bank_module
from bank_simulator import geography, population
from bank_simulator.bank import Bank
from ml_platform.errors import ConfigurationError

OPENED = date(2024, 2, 1)
DAYS = [OPENED + timedelta(days=n) for n in range(70)]
SMALL = Bank(customers=60, terminals=25, seed=3, opened=OPENED)
SOURCES = ("payments", "fraud_reports", "customers_news", "terminals_news", "truth")


def forget() -> None:
    """Empties every cache, as a new process would."""
    for cached in (
        bank_module._simulated,
        bank_module._frauds,
        population.customers_on,
        population.terminals_on,
        population._profiles,
        geography.geography,
    ):
        cached.cache_clear()


def everything(bank: Bank, day: date) -> list[pa.Table]:
    return [getattr(bank, source)(day) for source in SOURCES]


@pytest.fixture(scope="module")
def in_order() -> dict[date, list[pa.Table]]:
    forget()
    return {day: everything(SMALL, day) for day in DAYS}


@pytest.fixture(scope="module")
def payments() -> pd.DataFrame:
    """Seventy days of a bank large enough to see every scheme, with the truth beside each payment."""
    bank = Bank(customers=2000, terminals=1500, seed=1, opened=OPENED)
    customers = pa.concat_tables([bank.customers_news(day) for day in DAYS]).to_pandas()
    terminals = pa.concat_tables([bank.terminals_news(day) for day in DAYS]).to_pandas()
    rows = pa.concat_tables([bank.payments(day) for day in DAYS]).to_pandas()
    truth = pa.concat_tables([bank.truth(day) for day in DAYS]).to_pandas()
    rows = rows.merge(truth, on="payment_id", how="left", validate="one_to_one")
    rows["scheme"] = rows["scheme"].astype(object).where(rows["scheme"].notna(), "none")
    rows = rows.merge(customers.drop_duplicates("customer_id"), on="customer_id", validate="many_to_one")
    rows = rows.merge(terminals, on="terminal_id", suffixes=("", "_terminal"), validate="many_to_one")
    rows["distance"] = np.hypot(rows["x"] - rows["x_terminal"], rows["y"] - rows["y_terminal"])
    return rows


@given(days=st.lists(st.sampled_from(DAYS), min_size=1, max_size=4))
@settings(max_examples=4, deadline=None)
def test_a_day_is_the_same_whatever_was_asked_before(
    in_order: dict[date, list[pa.Table]], days: list[date]
) -> None:
    forget()
    for day in days:
        assert everything(SMALL, day) == in_order[day]


def test_the_opening_day_hides_earlier_days_and_changes_no_later_one(
    in_order: dict[date, list[pa.Table]],
) -> None:
    later = SMALL.model_copy(update={"opened": DAYS[20]})
    assert later.payments(DAYS[25]) == SMALL.payments(DAYS[25])
    assert later.customers_news(DAYS[20]).num_rows == later.customers
    assert later.customers_news(DAYS[25]) == SMALL.customers_news(DAYS[25])
    assert later.fraud_reports(DAYS[60]) == SMALL.fraud_reports(DAYS[60])
    with pytest.raises(ConfigurationError, match="opened on 2024-02-21"):
        later.payments(DAYS[19])


def test_another_seed_is_another_bank() -> None:
    assert SMALL.payments(OPENED) != SMALL.model_copy(update={"seed": 4}).payments(OPENED)


def test_columns_and_types() -> None:
    utc = pa.timestamp("us", tz="UTC")
    text = pa.string()
    place = [("x", pa.float64()), ("y", pa.float64())]
    assert SMALL.payments(OPENED).schema == pa.schema(
        [
            ("payment_id", text),
            ("occurred_at", utc),
            ("customer_id", text),
            ("terminal_id", text),
            ("amount", pa.float64()),
        ]
    )
    assert SMALL.customers_news(OPENED).schema == pa.schema([("customer_id", text), *place])
    assert SMALL.terminals_news(OPENED).schema == pa.schema([("terminal_id", text), *place])
    assert SMALL.fraud_reports(OPENED).schema == pa.schema([("payment_id", text), ("reported_at", utc)])


def test_a_bank_of_one_customer_and_one_terminal() -> None:
    bank = Bank(customers=1, terminals=1, seed=0, opened=OPENED)
    days = [bank.payments(day) for day in DAYS]
    assert sum(day.num_rows for day in days) > 0
    assert any(day.num_rows == 0 for day in days), "a day without payments has a table without rows"


def test_payments_lie_in_their_day_in_order_with_ids_of_their_own(payments: pd.DataFrame) -> None:
    assert payments["payment_id"].is_unique
    assert (payments["amount"] > 0).all()
    for day in (DAYS[0], DAYS[10]):
        times = SMALL.payments(day)["occurred_at"].to_pylist()
        assert times == sorted(times)
        assert {time.astimezone(UTC).date() for time in times} == {day}


def test_everyone_who_pays_was_announced_by_that_day() -> None:
    bank = Bank(customers=2000, terminals=1500, seed=1, opened=OPENED)
    customers: set[str] = set()
    terminals: set[str] = set()
    new = 0
    for day in DAYS:
        fresh = set(bank.customers_news(day)["customer_id"].to_pylist())
        new += len(fresh - customers) if day != OPENED else 0
        customers |= fresh
        terminals |= set(bank.terminals_news(day)["terminal_id"].to_pylist())
        paid = bank.payments(day)
        assert set(paid["customer_id"].to_pylist()) <= customers
        assert set(paid["terminal_id"].to_pylist()) <= terminals
    assert 70 < new < 250, "about two of 2000 customers are new each day"


def test_a_mover_is_announced_with_the_new_place() -> None:
    bank = Bank(customers=2000, terminals=100, seed=1, opened=OPENED)
    places = dict(
        zip(*(bank.customers_news(OPENED)[name].to_pylist() for name in ("customer_id", "x")), strict=True)
    )
    moved = [
        row["customer_id"]
        for day in DAYS[1:]
        for row in bank.customers_news(day).to_pylist()
        if places.get(row["customer_id"], row["x"]) != row["x"]
    ]
    assert moved


def test_people_pay_near_home_at_their_favourites(payments: pd.DataFrame) -> None:
    honest = payments[payments["scheme"] == "none"]
    assert honest["distance"].median() < 6
    assert 0.9 < (honest["distance"] < 20).mean() < 0.995, "some travel"
    busy = honest.groupby("customer_id").filter(lambda rows: len(rows) >= 100)
    first_choice = busy.groupby("customer_id")["terminal_id"].agg(
        lambda ids: ids.value_counts(normalize=True).iloc[0]
    )
    assert first_choice.median() > 0.15


def test_amounts_are_the_customers_own(payments: pd.DataFrame) -> None:
    honest = (
        payments[(payments["scheme"] == "none")].groupby("customer_id").filter(lambda rows: len(rows) >= 100)
    )
    by_customer = np.log(honest["amount"]).groupby(honest["customer_id"]).mean()
    half = honest["occurred_at"] < datetime(2024, 3, 5, tzinfo=UTC)
    earlier = np.log(honest[half]["amount"]).groupby(honest["customer_id"]).mean()
    assert by_customer.corr(earlier) > 0.8


def test_the_day_and_the_week_have_a_rhythm(payments: pd.DataFrame) -> None:
    hours = payments["occurred_at"].dt.hour.value_counts(normalize=True)
    assert hours[[0, 1, 2, 3, 4]].sum() < 0.05
    assert hours[18] > 1.4 * hours[7]
    weekdays = payments["occurred_at"].dt.day_of_week.value_counts()
    assert weekdays[5] > 1.15 * weekdays[0]


def test_frauds_are_rare_and_no_threshold_on_the_amount_finds_them(payments: pd.DataFrame) -> None:
    fraud = payments["scheme"] != "none"
    assert 0.004 < fraud.mean() < 0.013
    assert set(payments["scheme"]) == {"none", "large_amount", "terminal", "card"}
    ranks = payments["amount"].rank()
    auc = (ranks[fraud].mean() - (fraud.sum() + 1) / 2) / (~fraud).sum()
    assert 0.55 < auc < 0.9


def test_large_amounts_stand_out_but_honest_people_spend_as_much(payments: pd.DataFrame) -> None:
    large = payments["scheme"] == "large_amount"
    assert payments.loc[large, "amount"].median() > 10 * payments["amount"].median()
    assert (
        payments.loc[payments["scheme"] == "none", "amount"] > payments.loc[large, "amount"].median()
    ).any()


def test_a_compromised_terminal_stays_so_for_weeks(payments: pd.DataFrame) -> None:
    spans = (
        payments[payments["scheme"] == "terminal"]
        .groupby("terminal_id")["occurred_at"]
        .agg(["min", "max", "size"])
    )
    spans = spans[spans["size"] >= 10]
    assert len(spans) >= 5
    assert ((spans["max"] - spans["min"]) > timedelta(days=14)).mean() > 0.5
    for terminal, (first, last, _) in spans.iterrows():
        during = payments[
            (payments["terminal_id"] == terminal) & payments["occurred_at"].between(first, last)
        ]
        if last - first <= timedelta(days=28):  # longer: it was compromised twice
            assert (during["scheme"] != "none").mean() > 0.6
    ordinary = payments.loc[payments["scheme"] == "none", "amount"].median()
    stolen = payments.loc[payments["scheme"] == "terminal", "amount"].median()
    assert 0.7 < stolen / ordinary < 1.3, "their amounts give them away as little as in the handbook"


def test_a_compromised_card_pays_more_for_a_fortnight(payments: pd.DataFrame) -> None:
    card = payments[payments["scheme"] == "card"]
    usual = payments[payments["scheme"] == "none"].groupby("customer_id")["amount"].mean()
    assert 3 < (card["amount"] / card["customer_id"].map(usual)).median() < 7
    spans = card.groupby("customer_id")["occurred_at"].agg(["min", "max"])
    assert ((spans["max"] - spans["min"]) <= timedelta(days=14)).mean() > 0.9
    some = card[card["customer_id"].map(card["customer_id"].value_counts()) >= 5]["customer_id"].unique()
    shares = []
    for customer in some:
        rows = payments[payments["customer_id"] == customer]
        first, last = spans.loc[customer]
        shares.append((rows[rows["occurred_at"].between(first, last)]["scheme"] == "card").mean())
    assert 0.2 < np.mean(shares) < 0.7


def test_reports_follow_their_payment_by_days_some_late_a_few_never(payments: pd.DataFrame) -> None:
    bank = Bank(customers=2000, terminals=1500, seed=1, opened=OPENED)
    reports = pa.concat_tables([bank.fraud_reports(day) for day in DAYS]).to_pandas()
    assert reports["payment_id"].is_unique
    known = reports.merge(payments, on="payment_id", validate="one_to_one", suffixes=("", "_true"))
    assert len(known) == len(reports), "every report is of a payment that was made"
    assert (known["scheme"] != "none").all()
    assert (known["reported_at"] == known["reported_at_true"]).all()
    old_enough = payments[(payments["scheme"] != "none") & (payments["occurred_at"].dt.date < DAYS[38])]
    due = set(old_enough.dropna(subset="reported_at")["payment_id"])
    assert due <= set(reports["payment_id"])
    assert 0.005 < old_enough["reported_at"].isna().mean() < 0.07
    delay = (known["reported_at"] - known["occurred_at"]) / timedelta(days=1)
    assert delay.min() >= 1
    assert delay.max() <= 30
    assert 0.85 < (delay <= 7).mean() < 0.99
    for day in DAYS[::20]:
        assert {time.date() for time in bank.fraud_reports(day)["reported_at"].to_pylist()} <= {day}
