"""The rules that every row of the dataset must keep, of whatever bank and year."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

__all__ = ["schema"]


def schema() -> "DataFrameSchema":
    """Ids are there and distinct, and every message says something, through some channel, in some language."""
    import pandera.pandas as pa

    said = pa.Check.str_length(min_value=1)
    return pa.DataFrameSchema(
        {
            "message_id": pa.Column(str, unique=True),
            "customer_id": pa.Column(str),
            "text": pa.Column(str, said),
            "channel": pa.Column(str, said),
            "language": pa.Column(str, said),
        },
        strict=False,
    )
