"""The payments that the *Fraud Detection Handbook* published, as files, and what the shipped use case makes of them.

Drawn again, to the row: from the same generators of random numbers, with the same seeds, asked in the same order as in
chapter 3.2 (Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, 2022): 5,000 customers, 10,000 terminals, 183 days
from 2018-04-01. Its 1,754,155 payments and 14,681 frauds are checked. Each fraud is reported seven days later.

`python -m benchmarks.published_payments` lands them in a new home, runs the use case `card_fraud` on them, and prints
what `ml-platform run` prints: the figures of `assets/card_fraud/README.md`.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

CUSTOMERS, TERMINALS, DAYS, RADIUS = 5000, 10_000, 183, 5.0
PAYMENTS, FRAUDS = 1_754_155, 14_681
START = datetime(2018, 4, 1, tzinfo=UTC)
DELAY = timedelta(days=7)
SECONDS_A_DAY = 86_400


def published() -> pd.DataFrame:
    """The payments in order of time: ids, `occurred_at` (UTC), `amount`, and whether it is a fraud.

    Raises:
        ValueError: they are not as many as were published, so that a generator of random numbers must have changed.
    """
    customers = np.random.RandomState(0).uniform(
        np.tile([0.0, 0.0, 5.0, 0.0], (CUSTOMERS, 1)), np.tile([100.0, 100.0, 100.0, 4.0], (CUSTOMERS, 1))
    )
    terminals = np.random.RandomState(1).uniform(0, 100, (TERMINALS, 2))
    drawn = [
        row
        for number, (*place, mean, rate) in enumerate(customers)
        for row in _of_customer(number, _near(np.array(place), terminals), mean, rate)
    ]
    payments = pd.DataFrame(drawn, columns=["second", "day", "customer_id", "terminal_id", "amount"])
    payments = payments.sort_values("second", kind="stable", ignore_index=True)
    payments["is_fraud"] = _frauds(payments)
    if (len(payments), int(payments["is_fraud"].sum())) != (PAYMENTS, FRAUDS):
        raise ValueError(
            f"{len(payments)} payments and {payments['is_fraud'].sum()} frauds were drawn, and {PAYMENTS} and {FRAUDS} "
            "were published; a generator of random numbers has changed"
        )
    payments["payment_id"] = payments.index
    payments["occurred_at"] = START + pd.to_timedelta(payments["second"], unit="s")
    return payments


def _near(place: npt.NDArray[np.float64], terminals: npt.NDArray[np.float64]) -> list[int]:
    distance = np.sqrt(np.square(terminals - place).sum(axis=1))
    return [int(terminal) for terminal in np.flatnonzero(distance < RADIUS)]


def _of_customer(
    number: int, near: list[int], mean: float, rate: float
) -> list[tuple[int, int, int, int, float]]:
    choice, drawn = random.Random(number), np.random.RandomState(number)
    found = []
    for day in range(DAYS):
        for _ in range(drawn.poisson(rate)):
            second = int(drawn.normal(SECONDS_A_DAY / 2, 20_000))
            if not 0 < second < SECONDS_A_DAY:
                continue
            amount = drawn.normal(mean, mean / 2)
            if amount < 0:
                amount = drawn.uniform(0, mean * 2)
            if near:
                terminal = choice.choice(near)
                found.append((day * SECONDS_A_DAY + second, day, number, terminal, round(float(amount), 2)))
    return found


def _frauds(payments: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """The three scenarios: large amounts, compromised terminals, compromised customers (whose amounts grow)."""
    day, customer, terminal = (payments[name].to_numpy() for name in ("day", "customer_id", "terminal_id"))
    amount = payments["amount"].to_numpy().copy()
    fraud = amount > 220
    for start in range(DAYS - 1):
        chosen = np.random.RandomState(start).choice(TERMINALS, size=2, replace=False)
        fraud |= (day >= start) & (day < start + 28) & np.isin(terminal, chosen)
    for start in range(DAYS - 1):
        chosen = np.random.RandomState(start).choice(CUSTOMERS, size=3, replace=False)
        theirs = np.flatnonzero((day >= start) & (day < start + 14) & np.isin(customer, chosen))
        picked = random.Random(start).sample(theirs.tolist(), k=len(theirs) // 3)
        amount[picked] *= 5
        fraud[picked] = True
    payments["amount"] = amount
    return fraud


def land(rows: pd.DataFrame, folder: Path, time: str) -> None:
    """Write one Parquet file for each UTC day of a column, as `docs/landing.md` says."""
    for day, part in rows.groupby(rows[time].dt.strftime("%Y-%m-%d")):
        place = folder / str(day)
        place.mkdir(parents=True, exist_ok=True)
        part.to_parquet(place / ".published.parquet", index=False)
        (place / ".published.parquet").replace(place / "published.parquet")


def main() -> None:
    """Land the payments, and run the use case on them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--home", type=Path, help="of the platform; a new one by default, which is kept")
    parser.add_argument("--days", type=int, default=DAYS, help="only the first ones")
    arguments = parser.parse_args()
    home = arguments.home or Path(tempfile.mkdtemp(prefix="published-"))
    payments = published()
    payments = payments[payments["day"] < arguments.days]
    land(
        payments[["payment_id", "occurred_at", "customer_id", "terminal_id", "amount"]],
        home / "landing" / "payments",
        "occurred_at",
    )
    reports = payments.loc[payments["is_fraud"], ["payment_id"]].assign(
        reported_at=payments.loc[payments["is_fraud"], "occurred_at"] + DELAY
    )
    land(reports, home / "landing" / "fraud_reports", "reported_at")
    print(
        f"{len(payments):,} payments, {len(reports):,} reports until {_last(reports)}, in {home}", flush=True
    )
    command = [str(Path(sys.executable).with_name("ml-platform")), "run", "--use-case", "card_fraud"]
    subprocess.run(command, env={**os.environ, "ML_PLATFORM_HOME": str(home)}, check=True)


def _last(reports: pd.DataFrame) -> date:
    last: date = reports["reported_at"].max().date()
    return last


if __name__ == "__main__":
    main()
