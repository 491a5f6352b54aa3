"""The files that the bank's systems drop into the landing folder, and the rules that their rows must keep."""

from typing import Any

from ml_platform.ingestion.source import RawColumn, RawSource

__all__ = ["CUSTOMERS", "FRAUD_REPORTS", "PAYMENTS", "TERMINALS"]


MOST = 1e15
"""More than is paid in any currency, and far less than what a model's single-precision numbers hold."""


def payment_rules() -> Any:  # noqa: ANN401 (pandera is imported when the first row is read)
    """Amounts are finite, not negative, and no number that nobody pays; 0 is legal (a card's verification)."""
    import numpy as np
    import pandera.pandas as pa

    return pa.DataFrameSchema(
        {
            "amount": pa.Column(
                float,
                [
                    pa.Check(np.isfinite, error="is not finite"),
                    pa.Check.ge(0, error="is negative"),
                    pa.Check.le(MOST, error="is above 1e15"),
                ],
            )
        }
    )


def place_rules() -> Any:  # noqa: ANN401
    """A place, where it is known, is finite."""
    import numpy as np
    import pandera.pandas as pa

    def coordinate() -> Any:  # noqa: ANN401
        return pa.Column(float, pa.Check(np.isfinite, error="is not finite"), nullable=True)

    return pa.DataFrameSchema({"x": coordinate(), "y": coordinate()})


_OWNER = "team:payments"

_PLACE = {
    "x": RawColumn(
        kind="number", nullable=True, required=False, description="Kilometres east of the map's corner."
    ),
    "y": RawColumn(
        kind="number", nullable=True, required=False, description="Kilometres north of the map's corner."
    ),
}

PAYMENTS = RawSource(
    name="payments",
    owner=_OWNER,
    description="Card payments; the folder's day is the UTC day of occurred_at.",
    columns={
        "payment_id": RawColumn(kind="identifier", description="Identifies the payment."),
        "occurred_at": RawColumn(kind="timestamp", description="When the card was used."),
        "customer_id": RawColumn(kind="identifier", description="Whose card it was."),
        "terminal_id": RawColumn(kind="identifier", description="Where it was used."),
        "amount": RawColumn(kind="number", description="In the bank's currency; 0 or more."),
    },
    partition_of="occurred_at",
    unique="payment_id",
    row_schema=payment_rules,
    required=True,
)

CUSTOMERS = RawSource(
    name="customers",
    owner=_OWNER,
    description="New and changed customers, on the day on which they became known.",
    columns={"customer_id": RawColumn(kind="identifier", description="Identifies the customer."), **_PLACE},
    unique="customer_id",
    unique_within="partition",
    row_schema=place_rules,
)

TERMINALS = RawSource(
    name="terminals",
    owner=_OWNER,
    description="New and changed terminals, on the day on which they became known.",
    columns={"terminal_id": RawColumn(kind="identifier", description="Identifies the terminal."), **_PLACE},
    unique="terminal_id",
    unique_within="partition",
    row_schema=place_rules,
)

FRAUD_REPORTS = RawSource(
    name="fraud_reports",
    owner=_OWNER,
    description="Payments reported as fraud; the folder's day is the UTC day of reported_at. "
    "The first report of a payment counts; the payment itself may arrive later, or never.",
    columns={
        "payment_id": RawColumn(kind="identifier", description="The payment that was fraudulent."),
        "reported_at": RawColumn(kind="timestamp", description="When the bank learned of the fraud."),
    },
    partition_of="reported_at",
    unique="payment_id",
    max_duplicate_share=1.0,
)
