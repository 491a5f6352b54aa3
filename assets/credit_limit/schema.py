"""The rules that every row of the dataset must keep, of whatever bank and year."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

__all__ = ["schema"]


def schema() -> "DataFrameSchema":
    """A customer is there once a week, counts and sums are not negative, and shares lie between 0 and 1."""
    import pandera.pandas as pa

    count = pa.Check.ge(0)
    columns = {
        "customer_week_id": pa.Column(str, unique=True),
        "customer_id": pa.Column(str),
        "amount_mean_90d": pa.Column(float, count),
        "active_share_30d": pa.Column(float, pa.Check.in_range(0, 1)),
        "weekend_share_90d": pa.Column(float, pa.Check.in_range(0, 1)),
        "days_since_last": pa.Column(float, pa.Check.in_range(0, 90)),
    }
    for days in (7, 30, 90):
        columns[f"spend_per_day_{days}d"] = pa.Column(float, count)
        columns[f"payments_per_day_{days}d"] = pa.Column(float, count)
    return pa.DataFrameSchema(columns, strict=False)
