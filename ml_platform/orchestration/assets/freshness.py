"""Freshness as asset checks: Dagster shows the state of a freshness policy, a check of it can also alert."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from ml_platform.orchestration.planning.ledger import Ledger
from ml_platform.orchestration.planning.state import freshness_of

__all__ = ["freshness_checks"]


def freshness_checks(specs: Sequence[dg.AssetSpec], cron: str = "0 * * * *") -> dg.AssetChecksDefinition:
    """A check ``fresh`` for each asset with a freshness policy.

    Args:
        specs: the assets.
        cron: when the automation sensor evaluates them (UTC).
    """
    policies: Mapping[dg.AssetKey, dg.FreshnessPolicy] = {
        spec.key: spec.freshness_policy for spec in specs if spec.freshness_policy is not None
    }

    @dg.multi_asset_check(
        name="freshness",
        specs=[
            dg.AssetCheckSpec(
                "fresh",
                asset=key,
                description="It was materialised within the window of its freshness policy.",
                automation_condition=dg.AutomationCondition.on_cron(cron),
            )
            for key in sorted(policies)
        ],
        can_subset=True,
    )
    def fresh(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        ledger, now = Ledger.of(context.instance), datetime.now(UTC)
        for check in sorted(context.selected_asset_check_keys):
            newest = ledger.newest(check.asset_key)
            at = datetime.fromtimestamp(newest, UTC) if newest is not None else None
            state = freshness_of(policies[check.asset_key], at, now)
            yield dg.AssetCheckResult(
                asset_key=check.asset_key,
                check_name=check.name,
                passed=state == "fresh",
                severity=dg.AssetCheckSeverity.WARN if state == "late" else dg.AssetCheckSeverity.ERROR,
                description=f"{state}: last materialised {f'{at:%Y-%m-%d %H:%M} UTC' if at else 'never'}",
            )

    return fresh
