"""Labelled payments with features, for benchmarks of models: the simulated bank's, or the handbook's.

The handbook's are drawn anew from its description (Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi,
*Fraud Detection Handbook*, 2022, chapter 3.2): other rows than the published ones, of the same distributions,
each fraud reported seven days later to the instant.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from bank_simulator.bank import Bank

SECONDS_A_DAY = 86_400
DELAY = timedelta(days=7)


def handbook(days: int = 183, customers: int = 5000, terminals: int = 10_000, seed: int = 0) -> pa.Table:
    """Payments by the handbook's description, from 2018-04-01; ``reported_at`` is null for honest ones."""
    rng = np.random.default_rng(seed)
    home, shops = rng.uniform(0, 100, (customers, 2)), rng.uniform(0, 100, (terminals, 2))
    mean, rate = rng.uniform(5, 100, customers), rng.uniform(0, 4, customers)
    near = [np.flatnonzero(((shops - place) ** 2).sum(axis=1) < 25) for place in home]
    rate = np.where([len(reach) > 0 for reach in near], rate, 0)
    counts = rng.poisson(np.broadcast_to(rate, (days, customers)))
    day, customer = (np.repeat(axis.ravel(), counts.ravel()) for axis in np.indices(counts.shape))
    second = np.round(rng.normal(SECONDS_A_DAY / 2, 20_000, len(day)))
    keep = (second > 0) & (second < SECONDS_A_DAY)
    day, customer, second = day[keep], customer[keep], second[keep]
    amount = rng.normal(mean[customer], mean[customer] / 2)
    amount = np.where(amount < 0, rng.uniform(0, 2 * mean[customer]), amount).round(2)
    pick = rng.random(len(day))
    terminal = np.array([near[c][int(p * len(near[c]))] for c, p in zip(customer, pick, strict=True)])
    fraud = amount > 220
    for start in range(days):
        fraud |= (
            np.isin(terminal, rng.choice(terminals, 2, replace=False)) & (day >= start) & (day < start + 28)
        )
        stolen = (
            np.isin(customer, rng.choice(customers, 3, replace=False)) & (day >= start) & (day < start + 14)
        )
        stolen &= rng.random(len(day)) < 1 / 3
        amount, fraud = np.where(stolen, amount * 5, amount), fraud | stolen
    at = np.datetime64("2018-04-01", "us") + ((day * SECONDS_A_DAY + second) * 1e6).astype("timedelta64[us]")
    table = pa.table(
        {
            "payment_id": pa.array(np.arange(len(at))).cast(pa.string()),
            "occurred_at": pa.array(at).cast(pa.timestamp("us", tz="UTC")),
            "customer_id": pa.array(customer).cast(pa.string()),
            "terminal_id": pa.array(terminal).cast(pa.string()),
            "amount": amount,
        }
    )
    reported = pa.array(np.where(fraud, at + np.timedelta64(7, "D"), np.datetime64("NaT")))
    return table.append_column("reported_at", reported.cast(pa.timestamp("us", tz="UTC")))


def simulated(days: int, customers: int = 5000, terminals: int = 5000, seed: int = 0) -> pa.Table:
    """Payments of the bank simulator, with when each was reported (null: not within the days)."""
    first = date(2025, 1, 1)
    bank = Bank(customers=customers, terminals=terminals, seed=seed, opened=first)
    calendar = [first + timedelta(days=n) for n in range(days)]
    payments = pa.concat_tables([bank.payments(day) for day in calendar])
    reports = pa.concat_tables([bank.fraud_reports(day) for day in calendar])
    return payments.join(reports, "payment_id").sort_by("occurred_at")


def _windows() -> Iterator[str]:
    customer = (
        "PARTITION BY customer_id ORDER BY occurred_at "
        "RANGE BETWEEN INTERVAL {} DAY PRECEDING AND CURRENT ROW"
    )
    terminal = (
        "PARTITION BY terminal_id ORDER BY occurred_at "
        "RANGE BETWEEN INTERVAL {} DAY PRECEDING AND INTERVAL 7 DAY PRECEDING"
    )
    for days in (1, 7, 30):
        window = customer.format(days)
        yield f"count(*) OVER ({window}) AS customer_payments_{days}d"
        yield f"avg(amount) OVER ({window}) AS customer_amount_mean_{days}d"
        window = terminal.format(days + 7)
        yield f"count(*) OVER ({window}) AS terminal_payments_{days}d"
        # A report that took longer than the window's own delay was not known: it does not count.
        known = "CASE WHEN reported_at - occurred_at <= INTERVAL 7 DAY THEN 1.0 ELSE 0.0 END"
        yield f"coalesce(avg({known}) OVER ({window}), 0) AS terminal_fraud_share_{days}d"
    window = customer.format(30)
    yield f"max(amount) OVER ({window}) AS customer_amount_max_30d"
    pair = window.replace("customer_id", "customer_id, terminal_id")
    yield f"count(*) OVER ({pair}) AS customer_terminal_payments_30d"
    yield (
        "epoch(occurred_at) - epoch(lag(occurred_at) OVER (PARTITION BY customer_id ORDER BY occurred_at)) "
        "AS customer_seconds_since_last"
    )


def with_features(payments: pa.Table) -> pa.Table:
    """Add the columns of the use case's dataset, but for the views' and the places'."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("payments", payments)
    return connection.sql(
        f"SELECT * EXCLUDE (reported_at), {', '.join(_windows())}, NULL::DOUBLE AS customer_home_distance, "
        "(reported_at IS NOT NULL)::INTEGER AS is_fraud, reported_at AS is_fraud_available_at "
        "FROM payments ORDER BY occurred_at, payment_id"
    ).to_arrow_table()


class TableSnapshot:
    """A table in place of a dataset snapshot."""

    def __init__(self, table: pa.Table, version: str) -> None:
        self._table = table
        self.version = version
        last = table.column("occurred_at")[-1].as_py().astimezone(UTC)
        self.as_of = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)

    def table(self, columns: list[str] | None = None) -> pa.Table:
        """The rows."""
        return self._table.select(columns) if columns else self._table


def cached(name: str, folder: Path | None, days: int) -> pa.Table:
    """The featured payments of a source, kept as Parquet under ``folder`` when one is given."""
    import pyarrow.parquet as pq

    path = folder / f"{name}-{days}.parquet" if folder else None
    if path and path.exists():
        return pq.read_table(path)
    table = with_features({"handbook": handbook, "simulated": simulated}[name](days))
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path)
    return table
