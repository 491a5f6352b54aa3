"""Raw assets: one for each source of the landing folder."""

from collections.abc import Callable, Sequence
from functools import partial

import dagster as dg

from ml_platform.ingestion.checks import duplicates_outcome, landing_outcome, quarantine_outcome, tally
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.load import load_partitions
from ml_platform.ingestion.source import RawSource
from ml_platform.models.training.versions import code_version
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.explained import explained
from ml_platform.orchestration.assets.naming import Materialized, asset_key, freshness_of
from ml_platform.orchestration.assets.progress import progress_of
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.nodes import OUTSIDE
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.staleness import digest
from ml_platform.orchestration.planning.stores import note_written
from ml_platform.warehouse.base import Warehouse

__all__ = ["calendar_of", "fingerprints", "raw_asset"]


def calendar_of(source: RawSource) -> Calendar:
    """The calendar of a source: its own, whose keys are the folders that landed."""
    return Calendar(source.name, source.cadence)


def fingerprints(
    sources: Sequence[RawSource], landing: LandingFolder
) -> dict[dg.AssetKey, Callable[[str], str | None]]:
    """Raw asset to a function that says what its files of a partition contain now; None when they were archived.

    A partition whose folder is gone contains nothing, and so is withdrawn; an archived one stays loaded.
    """

    def fingerprint(source: RawSource, key: str) -> str | None:
        found = landing.fingerprint(source, key)
        return "" if found is None and not landing.is_archived(source, key) else found

    return {asset_key(source.relation): partial(fingerprint, source) for source in sources}


def raw_asset(source: RawSource, sources: Sequence[RawSource] = ()) -> dg.AssetsDefinition:
    """``raw/<source>``: the validated rows of each partition's files; loading one again replaces it.

    Args:
        source: what is loaded.
        sources: every source of the landing folder, to tell what lies in it and is not loaded.
    """
    key, calendar = asset_key(source.relation), calendar_of(source)
    checks = Checks(
        key,
        {
            "quarantine": f"At most {source.max_quarantined_share:.1%} of {source.cadence.one}'s rows broke a rule.",
            "duplicates": "Rows that repeat an id are few; the first of them is kept.",
            "landing": "All that lies in the source's landing folder is loaded.",
        },
    )

    @dg.asset(
        key=key,
        partitions_def=calendar.partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        code_version=_recipe(source),
        description=source.description,
        metadata={
            "dagster/relation_identifier": source.relation,
            "dagster/column_schema": _column_schema(source),
            OUTSIDE: f"<landing>/{source.name}/<{source.cadence.pattern}>/",
            **calendar.metadata,
        },
        group_name="raw",
        owners=[source.owner] if source.owner else None,
        kinds={"table"},
        check_specs=checks.specs,
        freshness_policy=freshness_of(source.cadence),
        pool="warehouse",
    )
    @explained
    def load(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        landing: dg.ResourceParam[LandingFolder],
    ) -> Materialized:
        recording = Recording(context, fingerprints([source], landing))

        def also(partition: str) -> None:
            recording.read_also(key, partition)
            context.log.info(
                "%s/%s holds ids of rows that moved: it is loaded again too", source.name, partition
            )

        loads = load_partitions(source, recording.keys, landing, warehouse, progress_of(context), also)
        note_written(context.instance, "warehouse", warehouse)
        tallies = tally(warehouse, source)
        outcomes = [
            quarantine_outcome(source, tallies, loads),
            duplicates_outcome(source, tallies, loads),
            landing_outcome(landing, source, sources or [source]),
        ]
        recording.finish(
            key,
            {load.partition: load.version for load in loads},
            rows={load.partition: load.rows for load in loads},
            of_partition={
                load.partition: {
                    "quarantined": load.quarantined,
                    "bytes": load.bytes,
                    "files": load.files,
                }
                for load in loads
            },
        )
        return dg.MaterializeResult(check_results=checks.results(outcomes))

    return load


def _recipe(source: RawSource) -> str:
    """Everything beside the files that decides which rows are loaded: columns, and rules."""
    columns = [(name, c.kind, c.nullable, c.required) for name, c in source.columns.items()]
    rules = code_version(source.row_schema) if source.row_schema else ""
    kept = (source.cadence, source.partition_of, source.unique, source.unique_within, source.naive_is_utc)
    return digest(columns, *kept, rules)[:16]


def _column_schema(source: RawSource) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                str(column.arrow_type),
                column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=name == source.unique),
            )
            for name, column in source.columns.items()
        ]
    )
