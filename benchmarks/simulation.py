"""Simulating a million payments: payments a second, Parquet files included, and peak memory."""

import resource
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from bank_simulator.bank import Bank
from bank_simulator.landing import write_days

__all__ = ["main"]

PAYMENTS = 1_000_000
BANKS = {"7,500 payments a day": 5_000, "75,000 payments a day": 50_000}
OPENED = date(2024, 1, 1)


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main() -> None:
    """Prints one line a bank; what is made once for a bank (its map and people) is part of the time."""
    for name, customers in BANKS.items():
        bank = Bank(customers=customers, terminals=customers, seed=0, opened=OPENED)
        days = [OPENED + timedelta(days=n) for n in range(round(PAYMENTS / (1.5 * customers)))]
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            first = write_days(bank, days[:2], Path(folder))
            after_two_days = peak_mb()
            later = write_days(bank, days[2:], Path(folder))
            payments = first.rows["payments"] + later.rows["payments"]
            seconds = time.perf_counter() - started
        print(
            f"simulation, {name}: {payments:,} in {seconds:.1f} s, {payments / seconds:,.0f} a second; "
            f"peak memory {after_two_days:,.0f} MB after 2 days, {peak_mb():,.0f} MB after {len(days)}"
        )


if __name__ == "__main__":
    main()
