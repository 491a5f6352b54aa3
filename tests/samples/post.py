"""The parcels use case in a warehouse: events and reports as tables, and a snapshot of them."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from samples import labelled

from ml_platform.datasets.snapshot import Snapshot, export_snapshot
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import BatchPrediction, Gate, UseCase
from ml_platform.warehouse.base import Warehouse

DAYS = 30
RELATION = "predictions.parcels"
PREDICTION = BatchPrediction(relation=RELATION, topic="parcels.predictions", columns=("sender_id",))

GATE = Gate(limits={"auc": 0.5}, beats_baselines_on=None)
"""Which a weak model passes, until there is a better champion."""


def use_case(**changes: object) -> UseCase:
    """The declaration, with predictions; ``changes`` are of its model."""
    made = labelled.use_case(**({"gate": GATE} | changes))
    return made.model_copy(update={"batch_predictions": (PREDICTION,)})


def fill(warehouse: Warehouse, seed: int = 0) -> None:
    """Put parcels and reports of losses into the warehouse."""
    rows = labelled.parcels(DAYS, seed=seed)
    day = pc.cast(rows.column("occurred_at"), pa.date32(), safe=False)
    events = rows.drop_columns(["lost", "lost_available_at"]).append_column("day", day)
    lost = rows.filter(pc.equal(rows.column("lost"), 1))
    reports = pa.table({"parcel_id": lost["parcel_id"], "reported_at": lost["lost_available_at"]})
    reports = reports.append_column("day", pc.cast(reports["reported_at"], pa.date32(), safe=False))
    for relation, table in (("post.parcels", events), ("post.lost", reports)):
        days = sorted(set(table.column("day").to_pylist()))
        warehouse.replace_partitions(relation, "day", days, table.to_batches(), table.schema)


def snapshot(warehouse: Warehouse, objects: ObjectStore) -> Snapshot:
    """Export the dataset."""
    return export_snapshot(
        "parcels",
        labelled.use_case().data,
        warehouse,
        objects,
        as_of=labelled.START + timedelta(days=DAYS),
        upstream={},
    )


def project(root: Path, declaration: str) -> Path:
    """A project whose only use case is what an expression of Python gives."""
    folder = root / "assets" / "parcels"
    folder.mkdir(parents=True)
    (root / "assets" / "__init__.py").touch()
    (folder / "__init__.py").write_text(f"from samples import labelled, post\n\nuse_case = {declaration}\n")
    (folder / "defs.yaml").write_text(
        "type: ml_platform.orchestration.component.UseCaseComponent\n"
        "attributes:\n  declared_in: assets.parcels.use_case\n"
    )
    return root
