"""Check outcomes of raw data: its quality as it was loaded, and what lies beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ml_platform.checks import CheckOutcome
from ml_platform.ingestion.landing import LandingFolder
from ml_platform.ingestion.load import PartitionLoad
from ml_platform.ingestion.quarantine import DUPLICATE, QUARANTINE_TABLE
from ml_platform.ingestion.source import RawSource
from ml_platform.warehouse.base import Warehouse

__all__ = ["Tally", "duplicates_outcome", "landing_outcome", "quarantine_outcome", "tally"]

SHOWN = 20
_NEED = ("thing needs", "things need")


class Tally(NamedTuple):
    """The rows of a partition: those loaded, those that broke a rule, those that repeat an id."""

    rows: int = 0
    broken: int = 0
    repeated: int = 0

    @property
    def total(self) -> int:
        """All rows of its files."""
        return sum(self)


def tally(warehouse: Warehouse, source: RawSource) -> dict[str, Tally]:
    """Count the rows of every partition of a source, loaded and in quarantine, whenever it was loaded."""
    sql, cadence = warehouse.dialect, source.cadence
    found: dict[str, Tally] = {}
    if warehouse.exists(source.relation):
        column, table = sql.quoted(cadence.column), sql.quoted(source.relation)
        counted = warehouse.table(f"SELECT {column} AS place, count(*) AS n FROM {table} GROUP BY {column}")
        found = {cadence.key_of(row["place"]): Tally(row["n"]) for row in counted.to_pylist()}
    if warehouse.exists(QUARANTINE_TABLE):
        rejected = f"""SELECT partition, count(*) AS n,
                count(CASE WHEN reason LIKE {sql.parameter("duplicate")} THEN 1 END) AS repeated
            FROM {sql.quoted(QUARANTINE_TABLE)} WHERE source = {sql.parameter("source")} GROUP BY partition"""
        values = {"source": source.name, "duplicate": f"{DUPLICATE} of {source.unique} %"}
        for row in warehouse.table(rejected, values).to_pylist():
            rows = found.get(row["partition"], Tally()).rows
            found[row["partition"]] = Tally(rows, row["n"] - row["repeated"], row["repeated"])
    return dict(sorted(found.items()))


def quarantine_outcome(
    source: RawSource, tallies: Mapping[str, Tally], loads: Sequence[PartitionLoad] = ()
) -> CheckOutcome:
    """Fails when more than ``max_quarantined_share`` of some partition's rows broke a rule, duplicates apart.

    Args:
        source: the source.
        tallies: of all its partitions, so that a good one does not hide a bad one that was loaded before.
        loads: those that were loaded now; their reasons are told.
    """
    broken = {key: one.broken for key, one in tallies.items()}
    what = "are in quarantine for breaking a rule"
    return _outcome(source, "quarantine", tallies, broken, source.max_quarantined_share, what, loads)


def duplicates_outcome(
    source: RawSource, tallies: Mapping[str, Tally], loads: Sequence[PartitionLoad] = ()
) -> CheckOutcome:
    """Warns when more than ``max_duplicate_share`` of some partition's rows repeat the id of one that was kept.

    Args: as those of :func:`quarantine_outcome`.
    """
    repeated = {key: one.repeated for key, one in tallies.items()}
    what = f"are in quarantine for repeating a {source.unique}"
    return _outcome(source, "duplicates", tallies, repeated, source.max_duplicate_share, what, loads)


def landing_outcome(landing: LandingFolder, source: RawSource, sources: Sequence[RawSource]) -> CheckOutcome:
    """Warns of what lies in the source's folder and is not loaded, and of partitions that a required source lacks.

    It lacks those without files from the first that it or another source of its cadence has to its own last one, or to
    that of the others when it has none.

    Folders that belong to no source are told by one of ``sources``: the first by name, of the required ones if there
    are any.

    Args:
        landing: the landing folder.
        source: whose folder is looked at.
        sources: every source of the landing folder.
    """
    found = landing.oddities(source)
    if source.required:
        found += _missing(landing, source, sources)
    if source.name == min(sources, key=lambda one: (not one.required, one.name), default=source).name:
        found += landing.strangers(sources)
    return CheckOutcome(
        name="landing",
        passed=not found,
        description=f"{len(found)} {_NEED[len(found) > 1]} a look, the first: {found[0]}"
        if found
        else "everything is loaded",
        metadata={"oddities": found[:SHOWN], "number": len(found)},
        severity="WARN",
    )


def _missing(landing: LandingFolder, source: RawSource, sources: Sequence[RawSource]) -> list[str]:
    """The partitions that a required source lacks, those that follow each other as one."""
    cadence, own = source.cadence, dict.fromkeys(landing.partitions(source))
    beside = [other for other in sources if other.cadence is cadence and other.name != source.name]
    wanted = {key for other in beside for key in landing.partitions(other)} | set(own)
    # Behind its last partition others may well go on: reports speak of what happened before. `fresh` tells of a source
    # that has ended.
    last = max(own or wanted, default=None)
    if last is None:
        return []
    spans: list[tuple[str, str]] = []
    within = False
    for key in cadence.keys(cadence.start(min(wanted)), cadence.end(last)):
        if key in own:
            within = False
            continue
        spans[len(spans) - within :] = [(spans[-1][0] if within else key, key)]
        within = True
    remedy = "bring them, or a file without rows where there was nothing"
    return [
        f"{source.name}/{first}{f' to {end}' if end != first else ''}: no files; {remedy}"
        for first, end in spans
    ]


def _outcome(
    source: RawSource,
    name: str,
    tallies: Mapping[str, Tally],
    counted: Mapping[str, int],
    limit: float,
    what: str,
    loads: Sequence[PartitionLoad],
) -> CheckOutcome:
    shares = {key: counted[key] / max(one.total, 1) for key, one in tallies.items()}
    above = [key for key, share in shares.items() if share > limit]
    worst = max(shares.items(), key=lambda item: item[1], default=None)
    reasons: Counter[str] = Counter()
    for load in loads:
        reasons.update(load.reasons)
    rows = sum(one.total for one in tallies.values())
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
