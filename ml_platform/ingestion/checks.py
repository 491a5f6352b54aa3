"""What the load of raw data says of its quality, as check outcomes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from ml_platform.checks import CheckOutcome
from ml_platform.ingestion.landing import landing_days, landing_files, oddities
from ml_platform.ingestion.load import DayLoad
from ml_platform.ingestion.source import RawSource

__all__ = ["duplicates_outcome", "landing_outcome", "quarantine_outcome"]

SHOWN = 20


def quarantine_outcome(source: RawSource, loads: Sequence[DayLoad]) -> CheckOutcome:
    """Fails when more than ``max_quarantined_share`` of some day's rows broke a rule, duplicates apart."""
    broken = {load.day: load.quarantined - load.duplicates for load in loads}
    what = "are in quarantine for breaking a rule"
    return _outcome("quarantine", loads, broken, source.max_quarantined_share, what)


def duplicates_outcome(source: RawSource, loads: Sequence[DayLoad]) -> CheckOutcome:
    """Warns when more than ``max_duplicate_share`` of some day's rows repeat the id of one that was kept."""
    repeated = {load.day: load.duplicates for load in loads}
    what = f"are in quarantine for repeating a {source.unique}"
    return _outcome("duplicates", loads, repeated, source.max_duplicate_share, what)


def landing_outcome(landing: Path, sources: Sequence[RawSource]) -> CheckOutcome:
    """Warns of what is in the landing folder and is not loaded, and of days without a required source."""
    found = oddities(landing, sources)
    days = landing_days(landing, sources)
    for source in sources:
        if source.required:
            there = {file.day for file in landing_files(landing, source, days)}
            missing = [day for day in days if day not in there]
            found += [f"{source.name}/{day}: no files, though other sources have some" for day in missing]
    return CheckOutcome(
        name="landing",
        passed=not found,
        description=f"{len(found)} things need a look, the first: {found[0]}"
        if found
        else "everything is loaded",
        metadata={"oddities": found[:SHOWN], "number": len(found)},
        severity="WARN",
    )


def _outcome(
    name: str, loads: Sequence[DayLoad], counted: Mapping[date, int], limit: float, what: str
) -> CheckOutcome:
    shares = {load.day: counted[load.day] / max(load.rows + load.quarantined, 1) for load in loads}
    above = [day for day, share in shares.items() if share > limit]
    worst = max(shares.items(), key=lambda item: item[1], default=None)
    reasons: Counter[str] = Counter()
    for load in loads:
        reasons.update(load.reasons)
    rows = sum(load.rows + load.quarantined for load in loads)
    description = f"{sum(counted.values())} of {rows} rows {what}"
    if worst and above:
        description += (
            f"; {len(above)} days are above {limit:.2%}, worst is {worst[0]} with {worst[1]:.2%}: look at "
            f"raw.quarantine, correct the files, and the days will be loaded again"
        )
    return CheckOutcome(
        name=name,
        passed=not above,
        description=description,
        metadata={
            "rows": rows,
            name: sum(counted.values()),
            "limit": limit,
            "worst_day": str(worst[0]) if worst else None,
            "worst_share": worst[1] if worst else 0.0,
            "reasons": dict(reasons),
        },
        severity="ERROR" if name == "quarantine" else "WARN",
    )
