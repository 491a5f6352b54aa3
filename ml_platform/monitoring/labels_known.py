"""The share of the labels that are known of some served predictions, estimated from counts in the warehouse."""

from datetime import datetime, timedelta

import pyarrow as pa

from ml_platform.datasets.query import reports_sql
from ml_platform.models.tasks.delays import Delays, bin_width, delays_of_counts
from ml_platform.monitoring.served import Served
from ml_platform.use_case import Label
from ml_platform.warehouse.base import Query, Warehouse

__all__ = ["share_of_labels_known"]

_MICROSECOND = timedelta(microseconds=1)


def share_of_labels_known(
    served: Served, warehouse: Warehouse, label: Label, judged: Query, as_of: datetime, first: datetime
) -> float | None:
    """Share of the labels that are known: of all judged rows, or of the events among them that will be reported.

    Args:
        served: the predictions, and what they are of.
        warehouse: where they and the labels are.
        label: of the predictions' dataset.
        judged: query of the rows that are judged.
        as_of: labels reported by it count.
        first: reports of served events from then on tell how late they come.

    Returns:
        None where no row is judged, or too few reports tell how many are still to come.
    """
    sql, width = warehouse.dialect, bin_width(label.delay)
    occurred = f"w.{sql.quoted(served.dataset.occurred_at)}"
    of_event = f"l.__id = w.{sql.quoted(served.dataset.id)}"
    reports = reports_sql(label, sql)
    if label.value is not None:
        (row,) = warehouse.table(
            f"SELECT COUNT(*) AS n, COUNT(l.__id) AS known FROM ({judged.sql}) AS w LEFT JOIN ({reports}) AS l "
            f"ON {of_event}",
            {**judged.parameters, "as_of": as_of},
        ).to_pylist()
        return int(row["known"]) / int(row["n"]) if row["n"] else None
    micros = width // _MICROSECOND

    def bins(difference: str, rounded: str) -> str:
        return sql.cast(f"{rounded}(({difference}) / {micros})", pa.int64())

    age = bins(f"{sql.micros(sql.parameter('as_of'))} - {sql.micros(occurred)}", "FLOOR")
    late = bins(f"{sql.micros('l.__at')} - {sql.micros(occurred)}", "CEIL")
    ages = warehouse.table(
        f"SELECT {age} AS age, COUNT(*) AS n FROM ({judged.sql}) AS w GROUP BY 1",
        {**judged.parameters, "as_of": as_of},
    ).to_pylist()
    seen = served.between(warehouse, first, as_of)
    counts = warehouse.table(
        f"SELECT {late} AS late, {age} AS age, COUNT(*) AS n FROM ({seen.sql}) AS w JOIN ({reports}) AS l "
        f"ON {of_event} WHERE l.__at >= {occurred} GROUP BY 1, 2",
        {**seen.parameters, "as_of": as_of},
    ).to_pylist()
    delays: Delays | None = delays_of_counts(
        {(int(r["late"]), int(r["age"])): int(r["n"]) for r in counts if r["late"] <= r["age"]}, label.delay
    )
    rows = sum(int(row["n"]) for row in ages)
    if delays is None or not rows:
        return None
    return sum(delays.share_within(int(row["age"]) * width) * int(row["n"]) for row in ages) / rows
