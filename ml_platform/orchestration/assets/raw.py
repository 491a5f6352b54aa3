"""Raw assets: one daily asset for each source of the landing folder."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import dagster as dg

from ml_platform.ingestion.checks import duplicates_outcome, landing_outcome, quarantine_outcome
from ml_platform.ingestion.landing import fingerprint
from ml_platform.ingestion.load import load_days
from ml_platform.ingestion.source import RawSource
from ml_platform.models.training.versions import code_version
from ml_platform.orchestration.assets.checks import Checks
from ml_platform.orchestration.assets.naming import Materialized, asset_key, freshness_of
from ml_platform.orchestration.planning.calendars import Calendar
from ml_platform.orchestration.planning.nodes import OUTSIDE
from ml_platform.orchestration.planning.recording import Recording
from ml_platform.orchestration.planning.staleness import digest
from ml_platform.warehouse.base import Warehouse

__all__ = ["calendar_of", "fingerprints", "raw_asset"]


def calendar_of(source: RawSource) -> Calendar:
    """The calendar of a source: its own, whose keys are the folders that landed."""
    return Calendar(source.name, source.cadence)


def fingerprints(
    sources: Sequence[RawSource], landing: Path
) -> dict[dg.AssetKey, Callable[[str], str | None]]:
    """Raw asset to a function that says what its files of a partition contain now; None when their folder is not there.

    So a partition whose folder was archived after it had been loaded stays loaded.
    """

    def of(source: RawSource) -> Callable[[str], str | None]:
        def read(key: str) -> str | None:
            there = (landing / source.name / key).is_dir()
            return fingerprint(landing, source, date.fromisoformat(key)) if there else None

        return read

    return {asset_key(source.relation): of(source) for source in sources}


def raw_asset(source: RawSource, folder: Sequence[RawSource] = ()) -> dg.AssetsDefinition:
    """``raw/<source>``: the validated rows of each day's files; loading a day again replaces it.

    Args:
        source: what is loaded.
        folder: every source of the landing folder, for the one asset that also says what lies in it and is not loaded.
    """
    key, calendar = asset_key(source.relation), calendar_of(source)
    checks = Checks(
        key,
        {
            "quarantine": f"At most {source.max_quarantined_share:.1%} of a day's rows broke a rule.",
            "duplicates": "Rows that repeat an id are few; the first of them is kept.",
            **({"landing": "All that lies in the landing folder is loaded."} if folder else {}),
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
    def load(
        context: dg.AssetExecutionContext,
        warehouse: dg.ResourceParam[Warehouse],
        landing: dg.ResourceParam[Path],
    ) -> Materialized:
        recording = Recording(context, fingerprints([source], landing))
        loads = load_days(
            source, [date.fromisoformat(day) for day in recording.keys], landing, warehouse, context.log.info
        )
        outcomes = [quarantine_outcome(source, loads), duplicates_outcome(source, loads)]
        if folder:
            outcomes.append(landing_outcome(landing, folder))
        recording.finish(
            key,
            {load.day.isoformat(): load.version for load in loads},
            rows={load.day.isoformat(): load.rows for load in loads},
            of_partition={
                load.day.isoformat(): {
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
    return digest(columns, source.day_of, source.unique, source.unique_within, source.naive_is_utc, rules)[
        :16
    ]


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
