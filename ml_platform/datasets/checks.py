"""The checks of a dataset snapshot. Each streams the snapshot, so memory is bounded."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ml_platform.checks import CheckOutcome
from ml_platform.datasets.leakage.check import leakage_check
from ml_platform.datasets.rederivation import point_in_time_check
from ml_platform.datasets.snapshot import Snapshot
from ml_platform.models.tasks.base import Task
from ml_platform.models.tasks.checking import suggested_task
from ml_platform.use_case import Dataset
from ml_platform.warehouse.base import Warehouse
from ml_platform.warehouse.duckdb_dialect import DuckDBDialect

__all__ = [
    "CHECKS",
    "WARNINGS",
    "dataset_checks",
    "duplicates_check",
    "filled_check",
    "labels_check",
    "schema_check",
]

CHECKS: Mapping[str, str] = {
    "schema": "every row satisfies the declared schema, and has an id and a time",
    "duplicates": "no id occurs twice",
    "labels": "the labels are believable for the task that learns them, and none was reported before its event",
    "point_in_time": "sampled view values, derived again, are those that were available at the time of their event",
    "leakage": "no feature knows labels that had not been reported",
    "filled": "every feature has a value in some row",
}
"""Name of each check to what it looks at. All but :data:`WARNINGS` are blocking."""
WARNINGS = frozenset({"leakage", "filled"})
"""Checks of what is estimated, or may be meant: nothing is held back for them."""

SHOWN = 5
_SQL = DuckDBDialect()


def dataset_checks(
    snapshot: Snapshot,
    dataset: Dataset,
    warehouse: Warehouse,
    *,
    tasks: Sequence[Task] = (),
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> list[CheckOutcome]:
    """Every check of :data:`CHECKS`, in that order.

    Args:
        snapshot: what is checked.
        dataset: its declaration.
        warehouse: where its views are derived again from.
        tasks: of the use case's models, which judge the labels; none: the one that the label suggests.
        seed: of the samples.
        progress: told the outcome of each.
    """
    checks: list[Callable[[], CheckOutcome]] = [
        lambda: schema_check(snapshot, dataset),
        lambda: duplicates_check(snapshot, dataset),
        lambda: labels_check(snapshot, dataset, tasks),
        lambda: point_in_time_check(snapshot, dataset, warehouse, seed=seed),
        lambda: leakage_check(snapshot, dataset),
        lambda: filled_check(snapshot, dataset),
    ]
    outcomes = []
    for check in checks:
        outcomes.append(outcome := check())
        progress(f"check {outcome.name}: {'passed' if outcome.passed else 'FAILED'}: {outcome.description}")
    return outcomes


def schema_check(snapshot: Snapshot, dataset: Dataset) -> CheckOutcome:
    """Validate every row by ``Dataset.data_schema``: a pandera ``DataFrameSchema``, or a function that makes one."""
    import pandera.errors

    schema = dataset.data_schema
    if schema is not None and not hasattr(schema, "validate"):
        schema = schema()
    failures: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}

    def failed(what: str, count: int, shown: list[str]) -> None:
        failures[what] += count
        examples[what] = (examples.get(what, []) + shown)[:SHOWN]

    for batch in snapshot.batches():
        for name in (dataset.id, dataset.occurred_at):
            if nulls := batch.column(name).null_count:
                failed(f"{name}: not null", nulls, [])
        if schema is None:
            continue
        try:
            schema.validate(batch.to_pandas(), lazy=True)
        except pandera.errors.SchemaErrors as error:
            cases = error.failure_cases.fillna({"column": "the frame"})
            for (column, check), group in cases.groupby(["column", "check"]):
                failed(
                    f"{column}: {check}",
                    len(group),
                    [str(case) for case in group["failure_case"].head(SHOWN)],
                )
    summary = ", ".join(f"{what} ({count} times)" for what, count in failures.most_common(SHOWN))
    return CheckOutcome(
        "schema",
        not failures,
        f"rows that violate the schema: {summary}; correct the source, or the schema if it is wrong"
        if failures
        else f"{snapshot.manifest.rows} rows satisfy the schema"
        + ("" if schema is not None else " (none is declared: ids and times were looked at)"),
        {"rows": snapshot.manifest.rows, "failures": dict(failures), "examples": examples},
        blocking=True,
    )


def duplicates_check(snapshot: Snapshot, dataset: Dataset) -> CheckOutcome:
    """Find ids that occur more than once."""
    rows = _query(
        snapshot,
        [dataset.id],
        f"SELECT CAST({_SQL.quoted(dataset.id)} AS VARCHAR) AS id, count(*) AS n FROM snapshot "
        f"GROUP BY ALL HAVING n > 1 ORDER BY n DESC, id",
    )
    extra = sum(row["n"] - 1 for row in rows)
    return CheckOutcome(
        "duplicates",
        not rows,
        f"{len(rows)} ids occur more than once; load each event once" if rows else "every id occurs once",
        {"ids": len(rows), "surplus_rows": extra, "examples": rows[:SHOWN]},
        blocking=True,
    )


def filled_check(snapshot: Snapshot, dataset: Dataset) -> CheckOutcome:
    """Warn of features that are null in every row: what they are made from may never have landed."""
    names = list(dataset.feature_names)
    counted = ", ".join(f"count({_SQL.quoted(name)}) AS {_SQL.quoted(name)}" for name in names)
    (found,) = _query(snapshot, names, f"SELECT {counted} FROM snapshot") if names else [{}]
    empty = [name for name in names if not found[name]]
    rows = snapshot.manifest.rows
    return CheckOutcome(
        "filled",
        not empty,
        f"null in every row: {', '.join(empty)}; a model learns nothing from them: bring what they are made from, or "
        "take them out of the declaration"
        if empty
        else "every feature has values",
        {"null_share": {name: 1 - found[name] / rows for name in names if found[name] < rows}},
        severity="WARN",
    )


def labels_check(snapshot: Snapshot, dataset: Dataset, tasks: Sequence[Task] = ()) -> CheckOutcome:
    """Let each task that learns from the labels judge them; what any of them finds wrong fails the check.

    Args:
        snapshot: what is judged.
        dataset: its declaration.
        tasks: of the use case's models; none: the one that the label suggests.
    """

    def query(columns: Sequence[str], sql: str) -> list[dict[str, Any]]:
        return _query(snapshot, list(columns), sql)

    found = [
        kind.labels_check(query, dataset, snapshot.as_of) for kind in tasks or [suggested_task(dataset.label)]
    ]
    wrong = list(dict.fromkeys(outcome.description for outcome in found if not outcome.passed))
    return replace(
        found[0],
        passed=not wrong,
        description="; ".join(wrong or [found[0].description]),
        metadata={name: value for outcome in found for name, value in outcome.metadata.items()},
    )


def _query(snapshot: Snapshot, columns: list[str], sql: str) -> list[dict[str, Any]]:
    """Run DuckDB over some of the snapshot's columns, as ``snapshot``; for results that are small."""
    import duckdb

    batches = snapshot.batches(columns)
    first = next(batches)

    def stream() -> Any:  # noqa: ANN401
        yield first
        yield from batches

    with duckdb.connect() as connection:
        connection.register("snapshot", pa.RecordBatchReader.from_batches(first.schema, stream()))
        found = connection.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
