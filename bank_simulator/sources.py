"""The kinds of data that a simulated bank writes; another kind is a file of its own and a line here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from bank_simulator import messages
from bank_simulator.bank import Bank

__all__ = ["PAYMENTS", "SOURCES", "Source", "sources_of"]


@dataclass(frozen=True)
class Source:
    """A folder of the landing folder, and what the bank has for it each day.

    Attributes:
        name: Name of the folder.
        rows: The rows of a bank on a UTC day; a function of the bank and the day alone.
        since: Version of the simulation that has them first; folders of earlier ones continue without them.
        counted: True when a summary of the simulation says how many there are.
        exclusive: True when the bank refuses a folder in which somebody else's rows would be mixed with its own.
    """

    name: str
    rows: Callable[[Bank, date], pa.Table]
    since: int = 1
    counted: bool = True
    exclusive: bool = False


PAYMENTS = Source("payments", Bank.payments, exclusive=True)
"""Written on every day, also when there are none."""

SOURCES = (
    Source("customers", Bank.customers_news, counted=False),
    Source("terminals", Bank.terminals_news, counted=False),
    Source("fraud_reports", Bank.fraud_reports),
    Source("messages", messages.messages, since=2, exclusive=True),
    Source("resolutions", messages.resolutions, since=2),
    PAYMENTS,
)
"""In the order in which a day is written: payments are the last, so that a day that has them is complete."""


def sources_of(bank: Bank) -> tuple[Source, ...]:
    """The sources that a bank of its version has, in the order in which a day is written."""
    return tuple(source for source in SOURCES if source.since <= bank.version)
