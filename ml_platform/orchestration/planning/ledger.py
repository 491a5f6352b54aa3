"""What has been built: the newest materialisation of each asset and day, as Dagster recorded it.

Dagster's event log is the only book. Each materialisation carries two facts of ours in its metadata: ``version``, a
hash of the content that was written, and ``inputs``, a hash of everything that it was made from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

__all__ = ["INPUTS", "READ_UNTIL", "VERSION", "Built", "Ledger"]

VERSION = "version"
INPUTS = "inputs"
READ_UNTIL = "read_until"

_PAGE = 1000


@dataclass(frozen=True)
class Built:
    """One materialisation: content version, digest of its inputs, when (Unix seconds), by which run."""

    version: str
    inputs: str
    timestamp: float
    run_id: str
    metadata: Mapping[str, Any] = field(repr=False)


class Ledger:
    """Reads the event log; :meth:`latest` fetches only what is new since its last call."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._latest: dict[dg.AssetKey, dict[str | None, Built]] = {}
        self._cursor: dict[dg.AssetKey, int] = {}

    def latest(self, key: dg.AssetKey) -> Mapping[str | None, Built]:
        """The newest materialisation of each day of an asset (of ``None`` when it has no days)."""
        known = self._latest.setdefault(key, {})
        records_filter = dg.AssetRecordsFilter(asset_key=key, after_storage_id=self._cursor.get(key))
        page: str | None = None
        while True:
            result = self._instance.fetch_materializations(
                records_filter, limit=_PAGE, cursor=page, ascending=True
            )
            for record in result.records:
                event = record.asset_materialization
                if event is None:
                    continue
                metadata = {name: value.value for name, value in event.metadata.items()}
                known[event.partition] = Built(
                    version=str(metadata.get(VERSION, "")),
                    inputs=str(metadata.get(INPUTS, "")),
                    timestamp=record.timestamp,
                    run_id=record.run_id,
                    metadata=metadata,
                )
                self._cursor[key] = record.storage_id
            if not result.has_more:
                return known
            page = result.cursor
