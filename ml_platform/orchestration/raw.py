"""Raw assets: one daily asset for each source of the landing folder."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import dagster as dg

from ml_platform.ingestion.landing import fingerprint
from ml_platform.ingestion.load import load_days
from ml_platform.ingestion.source import RawSource
from ml_platform.orchestration.calendar import DAYS
from ml_platform.orchestration.recording import Recording
from ml_platform.warehouse.base import Warehouse

__all__ = ["fingerprints", "raw_asset"]


def _key(source: RawSource) -> dg.AssetKey:
    return dg.AssetKey(source.relation.split("."))


def fingerprints(sources: Sequence[RawSource], landing: Path) -> dict[dg.AssetKey, Callable[[str], str | None]]:
    """Raw asset to a function that says what its files of a day contain now; None when they are not there."""

    def of(source: RawSource) -> Callable[[str], str | None]:
        return lambda day: fingerprint(landing, source, date.fromisoformat(day)) or None

    return {_key(source): of(source) for source in sources}
