"""Freshness as asset checks: Dagster shows the state of a freshness policy, a check of it can also alert."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.state import freshness_of

__all__ = ["freshness_checks"]


def freshness_checks(
    specs: Sequence[dg.AssetSpec], cron: str = "0 * * * *"
) -> list[dg.AssetChecksDefinition]:
    """A check ``fresh`` for each asset with a freshness policy, in a step of its own: one that fails is alone in it.

    Args:
        specs: the assets.
        cron: when the automation sensor evaluates them (UTC).
    """
    policies = {spec.key: spec.freshness_policy for spec in specs if spec.freshness_policy is not None}
    return [_fresh(key, policy, cron) for key, policy in sorted(policies.items())]


def _fresh(key: dg.AssetKey, policy: dg.FreshnessPolicy, cron: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=key,
        name="fresh",
        description="It was materialised within the window of its freshness policy.",
        automation_condition=dg.AutomationCondition.on_cron(cron),
    )
    def fresh(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        newest = Ledger.of(context.instance).newest(key)
        at = datetime.fromtimestamp(newest, UTC) if newest is not None else None
        state = freshness_of(policy, at, datetime.now(UTC))
        return dg.AssetCheckResult(
            passed=state == "fresh",
            severity=dg.AssetCheckSeverity.WARN if state == "late" else dg.AssetCheckSeverity.ERROR,
            description=f"{state}: last materialised {f'{at:%Y-%m-%d %H:%M} UTC' if at else 'never'}",
        )

    return fresh
