"""Delays of labels, estimated without being misled by those that have not come yet.

Of the events before ``as_of`` only reports up to then are known: the delay of a young event's report is seen only when
it is short. Delays are truncated on the right by the event's age. Source of the estimator (of the distribution
function, by reverse-time hazards): D. Lynden-Bell, MNRAS 155 (1971); J. D. Kalbfleisch and J. F. Lawless, *Inference
based on retrospective ascertainment*, JASA 84 (1989).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_platform.models.tasks.base import LabelQuery
from ml_platform.use_case import Dataset, Label

__all__ = ["Delays", "label_delays"]

BINS_IN_DELAY = 14
"""Delays are counted in parts of ``Label.delay``: of seven days, in half days."""
FEWEST = 30
"""Reports, of events old enough, below which nothing is said of a delay: a share of 10 % would be known to ± 11 %."""


@dataclass(frozen=True)
class Delays:
    """The distribution of delays.

    Attributes:
        width: of a bin.
        within: share of the reports that come within 0, 1, 2 … widths, of all that come within the last of them.
    """

    width: timedelta
    within: Sequence[float]

    def share_within(self, delay: timedelta) -> float:
        """Share of the labels that come within a delay."""
        return self.within[min(round(delay / self.width), len(self.within) - 1)]

    def needed(self, share: float) -> timedelta:
        """The shortest delay, in whole bins, within which that share of the labels comes."""
        return self.width * next(bins for bins, found in enumerate(self.within) if found >= share - 1e-9)


def label_delays(query: LabelQuery, dataset: Dataset, label: Label, as_of: datetime) -> Delays | None:
    """Estimate how late labels come.

    Args:
        query: the snapshot.
        dataset: its declaration.
        label: its label.
        as_of: that of the snapshot.

    Returns:
        None when there are too few reports of events that are older than ``Label.delay`` to tell.
    """
    width = label.delay / BINS_IN_DELAY if label.delay else timedelta(days=1)
    micros = max(width // timedelta(microseconds=1), 1)
    reported, occurred = f'epoch_us("{label.reported_at}")', f'epoch_us("{dataset.occurred_at}")'
    age = f"(epoch_us(TIMESTAMPTZ '{as_of.isoformat()}') - {occurred})"
    # A bin that is seen only in part would count too few: reports in the last one of an event's age are left out.
    counts = query(
        [dataset.occurred_at, label.reported_at],
        f"""SELECT delay, age, count(*) AS n FROM (
            SELECT CAST(ceil(({reported} - {occurred}) / {micros}.0) AS BIGINT) AS delay, {age} // {micros} AS age
            FROM snapshot WHERE {reported} >= {occurred})
        WHERE delay <= age GROUP BY delay, age""",
    )
    return _estimate(
        {(int(row["delay"]), int(row["age"])): int(row["n"]) for row in counts}, width, label.delay
    )


def _estimate(counts: Mapping[tuple[int, int], int], width: timedelta, delay: timedelta) -> Delays | None:
    with_delay, starts, ends = Counter[int](), Counter[int](), Counter[int]()
    for (late, age), n in counts.items():
        with_delay[late] += n
        starts[late] += n
        ends[age] += n
    at_risk: list[
        int
    ] = []  # by delay t: reports with a delay of at most t, of events whose age is at least t
    risk = 0
    for t in range(max(ends, default=-1) + 1):
        risk += starts[t] - (ends[t - 1] if t else 0)
        at_risk.append(risk)
    known = [t for t, n in enumerate(at_risk) if n >= FEWEST]
    if not known or known[-1] * width < delay:
        return None
    within = [1.0]
    for t in range(known[-1], 0, -1):
        within.append(within[-1] * (1 - with_delay[t] / at_risk[t]) if at_risk[t] else within[-1])
    return Delays(width, within[::-1])
