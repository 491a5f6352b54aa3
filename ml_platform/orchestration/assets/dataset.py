"""The dataset: an immutable snapshot of labelled events."""

from collections.abc import Sequence

import dagster as dg

from ml_platform.datasets.checks import CHECKS, WARNINGS, dataset_checks
from ml_platform.datasets.labels_as_of import labels_as_of
from ml_platform.datasets.snapshot import export_snapshot
from ml_platform.ingestion.source import RawSource
from ml_platform.models.tasks.checking import label_tasks
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.naming import Materialized, asset_key, common, declaration_version
from ml_platform.orchestration.assets.progress import progress_of
from ml_platform.orchestration.assets.view_usage import column_descriptions, column_lineage
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.conditions import when_missing
from ml_platform.orchestration.planning.nodes import READS
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.storage.base import ObjectStore
from ml_platform.use_case import UseCase
from ml_platform.warehouse.base import Warehouse

__all__ = ["dataset_asset"]


def dataset_asset(use_case: UseCase, calendar: Calendar, reports: Sequence[RawSource]) -> dg.AssetsDefinition:
    """``<use_case>/dataset``: exported by the warehouse itself, addressed by its content.

    New partitions do not make it stale, or each would train a model: the retraining sensor decides when a new one is
    due. A change of what it was made from does.

    Args:
        use_case: whose dataset.
        calendar: that the dataset's events follow.
        reports: the sources that the labels are made from.
    """
    key = dg.AssetKey([use_case.name, "dataset"])
    declared, label = use_case.data, use_case.data.label
    relations = {declared.events, *(v.view.relation for v in declared.views)}
    reads = dict.fromkeys(relations, "until_read")
    if label and label.relation not in relations:
        reads[label.relation] = "labels_until_read"
    checks, tasks = Checks(key, CHECKS, blocking=frozenset(CHECKS) - WARNINGS), label_tasks(use_case)

    @dg.asset(
        key=key,
        deps=[asset_key(relation) for relation in sorted(reads)],
        code_version=declaration_version(declared, leave_out={"data_schema"}),
        metadata={
            READS: {asset_key(relation).to_user_string(): rule for relation, rule in sorted(reads.items())}
        },
        description="Events, with their labels and what was known at the time of each: Parquet files and a manifest.",
        check_specs=checks.specs,
        automation_condition=when_missing(),
        pool="warehouse",
        **common(use_case, "parquet"),
    )
    @explained
    def dataset(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        objects: dg.ResourceParam[ObjectStore],
    ) -> Materialized:
        recording = Recording(context)
        events_end = recording.calendars.as_of(calendar)
        as_of = labels_as_of(reports, warehouse) or events_end
        snapshot = export_snapshot(
            use_case.name,
            declared,
            warehouse,
            objects,
            as_of=as_of,
            events_end=events_end,
            upstream=recording.upstream_versions(key),
            progress=progress_of(context),
        )
        manifest = snapshot.manifest
        outcomes = dataset_checks(snapshot, declared, warehouse, tasks=tasks, progress=progress_of(context))
        lineage = column_lineage(declared)
        described = column_descriptions(context, lineage)
        recording.finish(key, snapshot.version, rows=manifest.rows, read_until=(events_end, as_of))
        return dg.MaterializeResult(
            metadata={
                "as_of": as_of.isoformat(),
                "exported": "now" if snapshot.created else "before: the content is known",
                **({} if manifest.positives is None else {"positives": manifest.positives}),
                **({} if manifest.reported is None else {"labels": manifest.reported}),
                "uri": snapshot.uri,
                "dagster/column_lineage": lineage,
                "dagster/column_schema": dg.TableSchema(
                    [dg.TableColumn(c.name, c.type, described.get(c.name)) for c in manifest.columns]
                ),
            },
            check_results=checks.results(outcomes),
        )

    return dataset
