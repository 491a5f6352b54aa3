"""The verdicts of asset checks that stand."""

from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

__all__ = ["CheckState", "check_states"]

_EVALUATED = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


@dataclass(frozen=True)
class CheckState:
    """The newest evaluation of a check."""

    key: dg.AssetCheckKey
    passed: bool
    severity: dg.AssetCheckSeverity
    description: str

    @property
    def stops(self) -> bool:
        """It failed, and not as a warning: if the check is blocking, nothing downstream is made."""
        return not self.passed and self.severity == dg.AssetCheckSeverity.ERROR


def check_states(
    instance: dg.DagsterInstance, keys: list[dg.AssetCheckKey]
) -> dict[dg.AssetCheckKey, CheckState]:
    """The newest evaluation of each check that has one."""
    if not keys:
        return {}
    states = {}
    storage = instance.event_log_storage
    for key, newest in storage.get_latest_asset_check_execution_by_key(keys).items():
        record: AssetCheckExecutionRecord | None = newest
        if newest.status not in _EVALUATED:  # planned by a run that is at work, or was ended before
            record = next(iter(storage.get_asset_check_execution_history(key, 1, status=_EVALUATED)), None)
        event = record.event.dagster_event if record and record.event else None
        if event is None:
            continue
        evaluation = event.asset_check_evaluation_data
        states[key] = CheckState(key, evaluation.passed, evaluation.severity, evaluation.description or "")
    return states
