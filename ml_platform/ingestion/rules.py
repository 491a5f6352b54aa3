"""Row rules: what a source's pandera schema says of rows that could be read."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ml_platform.errors import ConfigurationError

__all__ = ["Violation", "violations"]


@dataclass(frozen=True)
class Violation:
    """The first rule that a row breaks: the row's position, the rule, and the same with the value."""

    row: int
    rule: str
    reason: str


def violations(schema: Any, batch: pa.Table) -> list[Violation]:  # noqa: ANN401 (pandera is imported late)
    """Validate rows with a pandera ``DataFrameSchema``, lazily; every failing row is found, in order.

    Only the columns that the schema names are looked at, unless it has checks of whole rows.

    Raises:
        ConfigurationError: the schema cannot be applied to these columns at all.
    """
    from pandera.errors import SchemaErrors

    names = batch.column_names if schema.checks else [n for n in batch.column_names if n in schema.columns]
    frame = batch.select(names).to_pandas()
    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        failures = errors.failure_cases
    else:
        return []
    if (general := failures[failures["index"].isna()]).shape[0]:
        raise ConfigurationError(
            f"the row schema cannot be applied: {general.iloc[0].to_dict()}; correct the source's row_schema"
        )
    found: dict[int, Violation] = {}
    for case in failures.to_dict("records"):
        row = int(case["index"])
        whole_row = case["schema_context"] == "DataFrameSchema"
        rule = str(case["check"]) if whole_row else f"{case['column']} {case['check']}"
        reason = rule if whole_row else f"{rule}: {case['failure_case']}"
        found.setdefault(row, Violation(row, rule, reason))
    return [found[row] for row in sorted(found)]
