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

import numpy as np
import numpy.typing as npt

from ml_platform.models.tasks.base import LabelQuery
from ml_platform.use_case import Dataset, Label

__all__ = ["Delays", "bin_width", "delays_of", "delays_of_counts", "label_delays"]

BINS_IN_DELAY = 14
"""Delays are counted in parts of ``Label.delay``: of seven days, in half days."""
_MICROSECOND = timedelta(microseconds=1)
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

    def share_known(self, ages: npt.NDArray[np.int64]) -> float:
        """Share of the labels of some events that are known, by the events' ages in microseconds, of shape (rows,)."""
        bins = np.clip(ages // (self.width // _MICROSECOND), 0, len(self.within) - 1)
        return float(np.asarray(self.within)[bins].mean()) if len(bins) else 1.0

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
    width = bin_width(label.delay)
    micros = width // _MICROSECOND
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
    return delays_of_counts(
        {(int(row["delay"]), int(row["age"])): int(row["n"]) for row in counts}, label.delay
    )


def delays_of(
    occurred: npt.NDArray[np.int64], reported: npt.NDArray[np.int64], as_of: int, delay: timedelta
) -> Delays | None:
    """Estimate the same from arrays of microseconds since 1970; what is later than ``as_of`` is not reported."""
    width = bin_width(delay)
    micros = width // _MICROSECOND
    known = (reported <= as_of) & (reported >= occurred) & (occurred <= as_of)
    late, age = -((occurred[known] - reported[known]) // micros), (as_of - occurred[known]) // micros
    seen, counts = np.unique(np.stack([late, age])[:, late <= age], axis=1, return_counts=True)
    return delays_of_counts(
        {(int(one), int(two)): int(n) for one, two, n in zip(*seen, counts, strict=True)}, delay
    )


def bin_width(delay: timedelta) -> timedelta:
    """The width of the bins in which delays are counted, by ``Label.delay``."""
    return max(delay / BINS_IN_DELAY, _MICROSECOND) if delay else timedelta(days=1)


def delays_of_counts(counts: Mapping[tuple[int, int], int], delay: timedelta) -> Delays | None:
    """Estimate the same from counts of reports by delay (rounded up) and age of the event (down), in bins' widths.

    The delay of each is at most its age: one in an event's last, incomplete bin is left out.
    """
    width = bin_width(delay)
    with_delay, starts, ends = Counter[int](), Counter[int](), Counter[int]()
    for (late, age), n in counts.items():
        with_delay[late] += n
        starts[late] += n
        ends[age] += n
    # By delay t: reports with a delay of at most t, of events whose age is at least t.
    at_risk, risk = list[int](), 0
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
