"""Check outcomes of the library as Dagster's check specs and results."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from ml_platform.checks import CheckOutcome
from ml_platform.orchestration.assets.figures import figure, figure_text

__all__ = ["NOT_EVALUATED", "Checks", "was_evaluated"]

NOT_EVALUATED = "not evaluated"
"""The beginning of the description of a check that did not run."""


@dataclass(frozen=True)
class Checks:
    """The checks that one asset returns from the pass that computes it.

    Attributes:
        asset: the asset's key.
        described: check name to what it looks at.
        blocking: names of those that stop what lies downstream when they fail.
    """

    asset: dg.AssetKey
    described: Mapping[str, str]
    blocking: frozenset[str] = frozenset()

    @property
    def specs(self) -> list[dg.AssetCheckSpec]:
        """The specs that the definition of the asset declares."""
        return [
            dg.AssetCheckSpec(name, asset=self.asset, description=text, blocking=name in self.blocking)
            for name, text in self.described.items()
        ]

    def results(self, outcomes: Iterable[CheckOutcome]) -> list[dg.AssetCheckResult]:
        """One result for each declared check; one without an outcome could not be evaluated, and fails."""
        by_name = {outcome.name: outcome for outcome in outcomes}
        missing = CheckOutcome(
            "", passed=False, description=f"{NOT_EVALUATED}: an earlier check of this asset failed"
        )
        return [self._result(name, by_name.get(name, missing)) for name in self.described]

    def evaluations(
        self, outcomes: Iterable[CheckOutcome], target: AssetCheckEvaluationTargetMaterializationData
    ) -> list[dg.AssetCheckEvaluation]:
        """One evaluation for each outcome, of a materialisation that no run made."""
        return [
            dg.AssetCheckEvaluation(
                asset_key=self.asset,
                check_name=outcome.name,
                passed=outcome.passed,
                severity=dg.AssetCheckSeverity[outcome.severity],
                description=outcome.description,
                blocking=outcome.name in self.blocking,
                target_materialization_data=target,
            )
            for outcome in outcomes
        ]

    def _result(self, name: str, outcome: CheckOutcome) -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            asset_key=self.asset,
            check_name=name,
            passed=outcome.passed,
            severity=dg.AssetCheckSeverity[outcome.severity],
            description=outcome.description,
            metadata={
                key: _shown(value) for key, value in outcome.metadata.items() if value not in ({}, [], ())
            },
        )


def _shown(value: object) -> dg.MetadataValue[Any]:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(figure(value))
    if isinstance(value, dict) and not any(isinstance(cell, dict | list | tuple) for cell in value.values()):
        return dg.MetadataValue.md(
            "\n".join(["| | |", "|---|---:|", *(f"| {a} | {_cell(b)} |" for a, b in value.items())])
        )
    if isinstance(value, dict | list | tuple):
        return dg.MetadataValue.json(list(value) if isinstance(value, tuple) else value)
    return dg.MetadataValue.text(str(value))


def _cell(value: object) -> object:
    return figure_text(value) if isinstance(value, float) else value


def was_evaluated(evaluation: dg.AssetCheckEvaluation) -> bool:
    """Tell a check that failed from one that did not run, which Dagster counts as failed too."""
    return not (evaluation.description or "").startswith(NOT_EVALUATED)
