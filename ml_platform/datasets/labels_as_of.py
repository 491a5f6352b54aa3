"""The time as of which labels are known."""

from collections.abc import Iterable
from datetime import datetime

from ml_platform.ingestion.source import RawSource
from ml_platform.warehouse.base import Warehouse

__all__ = ["labels_as_of"]


def labels_as_of(sources: Iterable[RawSource], warehouse: Warehouse) -> datetime | None:
    """Time as of which labels are known (UTC): the end of the last partition of any source that they are made from.

    A partition counts when it has rows: one that was withdrawn, or whose rows are all in quarantine (of a folder with
    a year to come in its name, say), would make every label final.

    Args:
        sources: that the labels are made from.
        warehouse: where they are loaded.

    Returns:
        None where no source has a row.
    """
    sql, ends = warehouse.dialect, []
    for source in sources:
        if warehouse.exists(source.relation):
            column = sql.quoted(source.cadence.column)
            last = warehouse.scalar(f"SELECT MAX({column}) FROM {sql.quoted(source.relation)}")
            if last is not None:
                ends.append(source.cadence.end(source.cadence.key_of(last)))
    return max(ends, default=None)
