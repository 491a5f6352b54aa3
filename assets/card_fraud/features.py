"""Request features: what a payment says of itself, computed by the same code in training and serving."""

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["REQUEST_FEATURES", "request_features"]

REQUEST_FEATURES = ("hour", "is_night", "is_weekend", "amount_ratio_30d")
LAST_HOUR_OF_NIGHT = 6
SATURDAY = 5


def request_features(payments: pa.Table) -> pa.Table:
    """Features that can be computed from one payment alone.

    The hour (UTC, with its fraction), night (0:00 to 6:59) and weekend, as in the Fraud Detection Handbook
    (chapter 3.3), and the amount over the customer's mean of 30 days: a compromised card pays multiples.

    Args:
        payments: with ``occurred_at``, ``amount`` and ``customer_amount_mean_30d``.

    Returns:
        :data:`REQUEST_FEATURES`, float64, a row a payment; a ratio to a mean that is 0 or null is null.
    """
    at = pc.cast(payments.column("occurred_at"), pa.timestamp("us", tz="UTC"))
    mean = payments.column("customer_amount_mean_30d")
    known = pc.if_else(pc.greater(mean, 0), mean, None)
    return pa.table(
        {
            "hour": pc.add(pc.hour(at), pc.divide(pc.cast(pc.minute(at), pa.float64()), 60.0)),
            "is_night": pc.cast(pc.less_equal(pc.hour(at), LAST_HOUR_OF_NIGHT), pa.float64()),
            "is_weekend": pc.cast(pc.greater_equal(pc.day_of_week(at), SATURDAY), pa.float64()),
            "amount_ratio_30d": pc.divide(payments.column("amount"), known),
        }
    )
