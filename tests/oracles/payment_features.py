"""The feature tables computed the obvious, slow way, and random data to compare them on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

FIRST = datetime(
    2017, 2, 27, tzinfo=UTC
)  # the windows cross the end of a month, and of a year that is not this one
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
Row = dict[str, Any]


@dataclass
class Bank:
    """Raw tables as lists of rows."""

    payments: list[Row]
    fraud_reports: list[Row] = field(default_factory=list)
    customers: list[Row] = field(default_factory=list)
    terminals: list[Row] = field(default_factory=list)

    @property
    def days(self) -> list[date]:
        """Every day from the first payment to the last."""
        first = min(p["day"] for p in self.payments)
        return [first + i * DAY for i in range((max(p["day"] for p in self.payments) - first).days + 1)]


def payment_features(bank: Bank, days: Sequence[date]) -> list[Row]:
    """`features.payment_features` of some days."""
    reported = _first_reports(bank)
    return [_features(bank, reported, payment) for payment in bank.payments if payment["day"] in days]


def _features(bank: Bank, reported: dict[str, datetime], payment: Row) -> Row:
    t = payment["occurred_at"]
    same_customer = [p for p in bank.payments if p["customer_id"] == payment["customer_id"]]
    same_terminal = [p for p in bank.payments if p["terminal_id"] == payment["terminal_id"]]
    row = dict(payment)
    for w in (1, 7, 30):
        recent = [p for p in same_customer if t - w * DAY < p["occurred_at"] <= t]
        row[f"customer_payments_{w}d"] = len(recent)
        row[f"customer_amount_mean_{w}d"] = _mean(recent)
        older = [p for p in same_terminal if t - (7 + w) * DAY < p["occurred_at"] <= t - 7 * DAY]
        frauds = [p for p in older if p["payment_id"] in reported and reported[p["payment_id"]] <= t]
        row[f"terminal_payments_{w}d"] = len(older)
        row[f"terminal_fraud_share_{w}d"] = len(frauds) / len(older) if older else 0.0
    month = [p for p in same_customer if t - 30 * DAY < p["occurred_at"] <= t]
    earlier = [p["occurred_at"] for p in month if p["occurred_at"] < t]
    row["customer_amount_max_30d"] = max(p["amount"] for p in month)
    row["customer_seconds_since_last"] = (t - max(earlier)) // MICROSECOND / 1e6 if earlier else None
    row["customer_terminal_payments_30d"] = sum(p["terminal_id"] == payment["terminal_id"] for p in month)
    here = _place(bank.customers, "customer_id", payment["customer_id"], payment["day"])
    there = _place(bank.terminals, "terminal_id", payment["terminal_id"], payment["day"])
    known = here and there and None not in (*here, *there)
    row["customer_home_distance"] = (
        math.sqrt((here[0] - there[0]) ** 2 + (here[1] - there[1]) ** 2) if known else None
    )
    return row


def customer_daily(bank: Bank, days: Sequence[date]) -> list[Row]:
    """`features.customer_daily` of some days."""
    return [
        {
            "customer_id": entity,
            **_at_end(day),
            "payments_7d": len(_within(month, day, 7)),
            "payments_30d": len(month),
            "amount_mean_30d": _mean(month),
            "amount_std_30d": _std(month),
            "terminals_30d": len({p["terminal_id"] for p in month}),
            "last_payment_at": max(p["occurred_at"] for p in month),
        }
        for entity, day, month in _months(bank, "customer_id", days)
    ]


def terminal_daily(bank: Bank, days: Sequence[date]) -> list[Row]:
    """`features.terminal_daily` of some days."""
    reported = _first_reports(bank)
    rows = []
    for entity, day, month in _months(bank, "terminal_id", days):
        end = _midnight(day + DAY)
        frauds = [p for p in month if p["payment_id"] in reported and reported[p["payment_id"]] < end]
        rows.append(
            {
                "terminal_id": entity,
                **_at_end(day),
                "payments_7d": len(_within(month, day, 7)),
                "payments_30d": len(month),
                "amount_mean_30d": _mean(month),
                "customers_30d": len({p["customer_id"] for p in month}),
                "fraud_share_30d": len(frauds) / len(month),
            }
        )
    return rows


def _first_reports(bank: Bank) -> dict[str, datetime]:
    first: dict[str, datetime] = {}
    for report in bank.fraud_reports:
        first[report["payment_id"]] = min(
            report["reported_at"], first.get(report["payment_id"], report["reported_at"])
        )
    return first


def _months(bank: Bank, key: str, days: Sequence[date]) -> list[tuple[str, date, list[Row]]]:
    entities = sorted({p[key] for p in bank.payments})
    found = [
        (e, day, _within([p for p in bank.payments if p[key] == e], day, 30))
        for e in entities
        for day in days
    ]
    return [(entity, day, month) for entity, day, month in found if month]


def _within(payments: list[Row], day: date, days: int) -> list[Row]:
    return [p for p in payments if day - days * DAY < p["day"] <= day]


def _place(rows: list[Row], key: str, entity: str, day: date) -> tuple[float | None, float | None] | None:
    known = [r for r in rows if r[key] == entity and r["day"] <= day]
    newest = max(known, key=lambda r: r["day"], default=None)
    return (newest["x"], newest["y"]) if newest else None


def _micros(payment: Row) -> int:
    return math.floor(min(payment["amount"], 1e9) * 1e6 + 0.5)


def _mean(payments: list[Row]) -> float:
    return sum(map(_micros, payments)) / (1e6 * len(payments))


def _std(payments: list[Row]) -> float:
    n, total = len(payments), sum(map(_micros, payments))
    return math.sqrt(n * sum(_micros(p) ** 2 for p in payments) - total**2) / (1e6 * n)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _at_end(day: date) -> Row:
    return {"event_timestamp": _midnight(day + DAY), "available_at": _midnight(day + DAY), "day": day}


# Half days and a microsecond on either side, so that payments often lie exactly on the edge of a window, or tie.
instants = st.builds(
    lambda halves, micros: FIRST + halves * DAY / 2 + micros * MICROSECOND,
    st.integers(0, 2 * 45),
    st.sampled_from([0, 0, 1, -1]),
)
amounts = st.sampled_from([0.0, 0.1, 0.2, 0.3, 19.99, 100.0, 0.000001, 3e9]) | st.floats(0, 1e6)
places = st.none() | st.floats(-50, 50)


@st.composite
def banks(draw: st.DrawFn, max_payments: int = 40) -> Bank:
    """A small bank: few customers and terminals, ties, late, repeated, early and unknown reports, moving places."""
    count = draw(st.integers(1, max_payments))
    payments = []
    for i in range(count):
        at = draw(instants)
        payments.append(
            {
                "payment_id": f"p{i}",
                "occurred_at": at,
                "customer_id": draw(st.sampled_from("ab")),
                "terminal_id": draw(st.sampled_from("xyz")),
                "amount": draw(amounts),
                "day": at.date(),
            }
        )
    reports = []
    for _ in range(draw(st.integers(0, count))):
        at = draw(instants)
        reports.append({"payment_id": f"p{draw(st.integers(0, count))}", "reported_at": at, "day": at.date()})

    def known(key: str, names: str) -> list[Row]:
        rows = {
            (name, day): {key: name, "x": draw(places), "y": draw(places), "day": FIRST.date() + day * DAY}
            for name, day in draw(
                st.lists(st.tuples(st.sampled_from(names), st.integers(-5, 50)), max_size=6)
            )
        }
        return list(rows.values())

    return Bank(payments, reports, known("customer_id", "ab"), known("terminal_id", "xyz"))
