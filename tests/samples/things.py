"""A source of things, and a landing folder and warehouse to load them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.load import PartitionLoad, load_partitions
from ml_platform.ingestion.source import RawColumn, RawSource
from ml_platform.warehouse.duckdb import DuckDBWarehouse


def rules() -> Any:
    import numpy as np
    import pandera.pandas as pa

    checks = [pa.Check(np.isfinite, error="is not finite"), pa.Check.ge(0, error="is negative")]
    return pa.DataFrameSchema({"amount": pa.Column(float, checks)})


THINGS = RawSource(
    name="things",
    columns={
        "id": RawColumn(kind="identifier"),
        "seen": RawColumn(kind="timestamp"),
        "amount": RawColumn(kind="number"),
        "note": RawColumn(kind="text", nullable=True, required=False),
    },
    partition_of="seen",
    unique="id",
    row_schema=rules,
)


class Place:
    """A landing folder and a warehouse."""

    def __init__(self, folder: Path) -> None:
        self.landing = folder / "landing"
        self.folder = LandingFolder(self.landing, folder / "digests.db")
        self.warehouse = DuckDBWarehouse(folder / "warehouse.duckdb")

    def path(self, key: str, name: str, source: RawSource = THINGS) -> Path:
        path = self.landing / source.name / key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def drop(self, key: str, name: str, content: str | bytes, source: RawSource = THINGS) -> Path:
        path = self.path(key, name, source)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def load(
        self, *keys: str, source: RawSource = THINGS, also: Callable[[str], None] = lambda _: None
    ) -> list[PartitionLoad]:
        return load_partitions(source, keys, self.folder, self.warehouse, progress=lambda _: None, also=also)

    def rows(self, columns: str = "id", source: RawSource = THINGS) -> list[Any]:
        """Values of a row (of one column: the value itself), ordered."""
        if not self.warehouse.exists(source.relation):
            return []
        table = self.warehouse.table(f"SELECT {columns} FROM {source.relation} ORDER BY ALL").to_pydict()
        rows = list(zip(*table.values(), strict=True))
        return [row[0] for row in rows] if len(table) == 1 else rows

    def quarantine(self, columns: str = "file, row_number, reason") -> list[tuple[Any, ...]]:
        table = self.warehouse.table(
            f"SELECT {columns} FROM raw.quarantine ORDER BY partition, file, row_number, reason"
        )
        return list(zip(*table.to_pydict().values(), strict=True))
