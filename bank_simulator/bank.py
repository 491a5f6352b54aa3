"""A bank to have data of: what it knows of each day, and the truth behind it."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from bank_simulator.fraud import MAX_REPORT_DAYS
from bank_simulator.payments import DayOfPayments, simulate_day
from bank_simulator.population import customers_on, terminals_on
from bank_simulator.randomness import FIRST_DAY, day_number
from ml_platform.errors import ConfigurationError

__all__ = ["Bank"]


class Bank(BaseModel):
    """A simulated bank. What it says of a day follows from these fields and the day alone.

    Two banks that differ only in `opened` have the same payments on the days that both are open, and so do two
    that differ only in `drift_from`, which also have the same messages before the earlier drift.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    customers: int = Field(
        default=5000, ge=1, le=2_000_000, description="Customers at any time; each pays 1.5 times a day."
    )
    terminals: int = Field(default=5000, ge=1, le=2_000_000, description="Terminals at any time.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Another seed is another bank.")
    opened: date = Field(ge=FIRST_DAY, description="First day (UTC) that the bank has data of.")
    drift_from: date | None = Field(
        default=None, description="First day (UTC) on which customers write of new things, in new words."
    )
    version: Literal[1, 2] = Field(
        default=2, description="Version of the simulation; rises when its numbers or its sources change."
    )

    def payments(self, day: date) -> pa.Table:
        """The payments of a UTC day, ordered by time.

        Returns:
            payment_id (string), occurred_at (timestamp[us, UTC]), customer_id (string), terminal_id (string),
            amount (double).

        Raises:
            ConfigurationError: The bank was not open on that day.
        """
        self.require_open(day)
        return _simulated(self, day).payments

    def customers_news(self, day: date) -> pa.Table:
        """Customers who are new or have moved on the day; on the first day all.

        Returns:
            customer_id (string), x, y (double, km).

        Raises:
            ConfigurationError: The bank was not open on that day.
        """
        self.require_open(day)
        people = customers_on(self.seed, self.customers, self.terminals, day_number(day))
        return self._news("customer_id", day, people.ids, people.home, people.news)

    def terminals_news(self, day: date) -> pa.Table:
        """Terminals that are new on the day; on the first day all.

        Returns:
            terminal_id (string), x, y (double, km).

        Raises:
            ConfigurationError: The bank was not open on that day.
        """
        self.require_open(day)
        devices = terminals_on(self.seed, self.terminals, day_number(day))
        return self._news("terminal_id", day, devices.ids, devices.places, devices.news)

    def fraud_reports(self, day: date) -> pa.Table:
        """The frauds reported on a UTC day, of payments since the bank opened, ordered by time of report.

        Returns:
            payment_id (string), reported_at (timestamp[us, UTC]).

        Raises:
            ConfigurationError: The bank was not open on that day.
        """
        self.require_open(day)
        # A delay of 30 days and some hours can cross 31 midnights.
        first = max(self.opened, day - timedelta(days=MAX_REPORT_DAYS + 1))
        candidates = pa.concat_tables(
            [_frauds(self, first + timedelta(days=n)) for n in range((day - first).days + 1)]
        ).select(["payment_id", "reported_at"])
        reported = pc.equal(
            candidates["reported_at"].cast(pa.timestamp("us")).cast(pa.date32(), safe=False), pa.scalar(day)
        )
        return candidates.filter(reported).sort_by(
            [("reported_at", "ascending"), ("payment_id", "ascending")]
        )

    def truth(self, day: date) -> pa.Table:
        """The truth that no bank knows: every fraud among the day's payments.

        Returns:
            payment_id (string), scheme (string: large_amount, terminal or card), reported_at
            (timestamp[us, UTC]; null when it will never be reported).

        Raises:
            ConfigurationError: The bank was not open on that day.
        """
        self.require_open(day)
        return _frauds(self, day)

    def drifted(self, day: date) -> bool:
        """Say whether the drift has begun by the day."""
        return self.drift_from is not None and day >= self.drift_from

    def require_open(self, day: date) -> None:
        """Refuses a day before the bank opened.

        Raises:
            ConfigurationError: The bank was not open on that day.
        """
        if day < self.opened:
            raise ConfigurationError(
                f"the simulated bank opened on {self.opened} and has no data of {day}; ask for a later day"
            )

    def _news(
        self, key: str, day: date, ids: pa.StringArray, places: NDArray[np.float64], news: NDArray[np.bool_]
    ) -> pa.Table:
        rows = pa.array(np.arange(len(ids)) if day == self.opened else np.flatnonzero(news))
        return pa.table({key: ids, "x": places[:, 0], "y": places[:, 1]}).take(rows)


@lru_cache(maxsize=2)
def _simulated(bank: Bank, day: date) -> DayOfPayments:
    return simulate_day(bank.seed, bank.customers, bank.terminals, day)


# Small tables, so that the reports of a day do not simulate the month before again.
@lru_cache(maxsize=64)
def _frauds(bank: Bank, day: date) -> pa.Table:
    return _simulated(bank, day).frauds
