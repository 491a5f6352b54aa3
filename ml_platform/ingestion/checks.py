"""Check outcomes of raw data: its quality as it was loaded, and what lies beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ml_platform.checks import CheckOutcome
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.load import PartitionLoad
from ml_platform.ingestion.source import RawSource

__all__ = ["duplicates_outcome", "landing_outcome", "quarantine_outcome"]

SHOWN = 20


def quarantine_outcome(source: RawSource, loads: Sequence[PartitionLoad]) -> CheckOutcome:
    """Fails when more than ``max_quarantined_share`` of some partition's rows broke a rule, duplicates apart."""
    broken = {load.partition: load.quarantined - load.duplicates for load in loads}
    what = "are in quarantine for breaking a rule"
    return _outcome(source, "quarantine", loads, broken, source.max_quarantined_share, what)


def duplicates_outcome(source: RawSource, loads: Sequence[PartitionLoad]) -> CheckOutcome:
    """Warns when more than ``max_duplicate_share`` of some partition's rows repeat the id of one that was kept."""
    repeated = {load.partition: load.duplicates for load in loads}
    what = f"are in quarantine for repeating a {source.unique}"
    return _outcome(source, "duplicates", loads, repeated, source.max_duplicate_share, what)


def landing_outcome(landing: LandingFolder, source: RawSource, sources: Sequence[RawSource]) -> CheckOutcome:
    """Warns of what lies in the source's folder and is not loaded, and of partitions that a required source lacks.

    Folders that belong to no source are told by one of ``sources``: the first by name, of the required ones if there
    are any.

    Args:
        landing: the landing folder.
        source: whose folder is looked at.
        sources: every source of the landing folder.
    """
    found = landing.oddities(source)
    if source.required:
        beside = [other for other in sources if other.cadence is source.cadence and other.name != source.name]
        wanted = {key for other in beside for key in landing.partitions(other)}
        missing = sorted(wanted - set(landing.partitions(source)))
        found += [f"{source.name}/{key}: no files, though other sources have some" for key in missing]
    if source.name == min(sources, key=lambda one: (not one.required, one.name), default=source).name:
        found += landing.strangers(sources)
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
    source: RawSource,
    name: str,
    loads: Sequence[PartitionLoad],
    counted: Mapping[str, int],
    limit: float,
    what: str,
) -> CheckOutcome:
    shares = {
        load.partition: counted[load.partition] / max(load.rows + load.quarantined, 1) for load in loads
    }
    above = [key for key, share in shares.items() if share > limit]
    worst = max(shares.items(), key=lambda item: item[1], default=None)
    reasons: Counter[str] = Counter()
    for load in loads:
        reasons.update(load.reasons)
    rows = sum(load.rows + load.quarantined for load in loads)
    description = f"{sum(counted.values())} of {rows} rows {what}"
    if worst and above:
        some = f"{len(above)} {source.cadence.noun}{'s are' if len(above) > 1 else ' is'}"
        description += (
            f"; {some} above {limit:.2%}, worst is {worst[0]} with {worst[1]:.2%}: look at raw.quarantine and "
            f"correct the files; they will be loaded again"
        )
    return CheckOutcome(
        name=name,
        passed=not above,
        description=description,
        metadata={
            "rows": rows,
            name: sum(counted.values()),
            "limit": limit,
            "worst_partition": worst[0] if worst else None,
            "worst_share": worst[1] if worst else 0.0,
            "reasons": dict(reasons),
        },
        severity="ERROR" if name == "quarantine" else "WARN",
    )
