"""The changes that make loaded days stale beside their files."""

import pytest

from assets.bank.sources import PAYMENTS
from ml_platform.ingestion.source import RawSource
from ml_platform.orchestration.assets.raw import raw_asset


def version_of(source: RawSource) -> str | None:
    (spec,) = raw_asset(source).specs
    return spec.code_version


def other_rules() -> None:
    """Rules in another file."""


@pytest.mark.parametrize(
    "change", [{"row_schema": other_rules}, {"unique": None}, {"naive_is_utc": ("occurred_at",)}]
)
def test_days_are_loaded_again_when_the_rules_for_their_rows_change(change: dict[str, object]) -> None:
    assert version_of(PAYMENTS.model_copy(update=change)) != version_of(PAYMENTS)


def test_days_are_not_loaded_again_for_what_is_only_said_of_them() -> None:
    said = {"description": "Else.", "owner": "team:else", "max_quarantined_share": 0.5}
    assert version_of(PAYMENTS.model_copy(update=said)) == version_of(PAYMENTS)
