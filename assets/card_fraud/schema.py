"""Rules that every row of the dataset must satisfy, of whatever bank and year."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

__all__ = ["schema"]


def schema() -> "DataFrameSchema":
    """Ids are there, counts are whole and include the payment itself, shares lie between 0 and 1."""
    import pandera.pandas as pa

    count, share = pa.Check.ge(0), pa.Check.in_range(0, 1)
    columns = {
        "payment_id": pa.Column(str, unique=True),
        "customer_id": pa.Column(str),
        "terminal_id": pa.Column(str),
        "amount": pa.Column(float, pa.Check.ge(0)),
        "is_fraud": pa.Column(int, pa.Check.isin([0, 1]), coerce=True),
        "customer_seconds_since_last": pa.Column(float, count, nullable=True, coerce=True),
        "customer_home_distance": pa.Column(float, count, nullable=True, coerce=True),
        "customer_amount_max_30d": pa.Column(float, count),
        "customer_terminal_payments_30d": pa.Column(int, pa.Check.ge(1), coerce=True),
    }
    for days in (1, 7, 30):
        columns[f"customer_payments_{days}d"] = pa.Column(int, pa.Check.ge(1), coerce=True)
        columns[f"customer_amount_mean_{days}d"] = pa.Column(float, count)
        columns[f"terminal_payments_{days}d"] = pa.Column(int, count, coerce=True)
        columns[f"terminal_fraud_share_{days}d"] = pa.Column(float, share)
    return pa.DataFrameSchema(columns, strict=False)
