"""Folders that are gone: a few withdraw their rows, many are a landing folder that was lost."""

from collections.abc import Sequence

from ml_platform.errors import DataError
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.source import RawSource
from ml_platform.warehouse.base import Warehouse

__all__ = ["WITHDRAWN_AT_ONCE", "refuse_lost"]

WITHDRAWN_AT_ONCE = 3
"""Partitions whose folders may be gone at once; of many, a tenth. More are rather a lost disk, or a wrong path."""


def refuse_lost(source: RawSource, keys: Sequence[str], landing: LandingFolder, warehouse: Warehouse) -> None:
    """Refuse to load partitions without a folder where the landing folder was rather lost, or cleared on purpose.

    Args:
        source: what is loaded.
        keys: of the partitions that are to be loaded.
        landing: where their folders are.
        warehouse: where the rows are that would go.

    Raises:
        DataError: more than :data:`WITHDRAWN_AT_ONCE` partitions, and more than a tenth of those that have rows, have
            no folder any more, or none has one; or one of ``keys`` was archived.
    """
    folders, cadence = set(landing.folders(source)), source.cadence
    if folders.issuperset(keys) or not warehouse.exists(source.relation):
        return
    table = warehouse.dialect.quoted(source.relation)
    values = warehouse.table(f"SELECT DISTINCT {cadence.column} FROM {table}")[cadence.column].to_pylist()
    loaded = sorted(cadence.key_of(value) for value in values)
    gone = [key for key in loaded if key not in folders]
    archived = {key for key in gone if landing.is_archived(source, key)}
    if asked := sorted(archived.intersection(keys)):
        raise DataError(
            f"{source.name}/{asked[0]} has no folder any more, and its rows are kept; to load it again, restore the"
            " folder"
        )
    lost = [key for key in gone if key not in archived]
    if len(lost) <= max(WITHDRAWN_AT_ONCE, len(loaded) // 10) and (lost != loaded or len(lost) < 2):
        return
    raise DataError(
        f"{source.name}: {len(lost)} of {len(loaded)} loaded {cadence.noun}s have no folder any more, from {lost[0]} to"
        f" {lost[-1]}; nothing was changed. Restore {landing.path / source.name}, or set ML_PLATFORM_LANDING to where"
        " it is now; to withdraw these rows, make their folders again and leave them empty; if old folders are removed"
        " on purpose, declare the source's retention"
    )
