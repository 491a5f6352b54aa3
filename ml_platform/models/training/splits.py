"""Splits by time: the label delay is a gap, and further folds are prequential.

Source: Y.-A. Le Borgne, W. Siblini, B. Lebichot, G. Bontempi, the *Practical Handbook* of reproducible machine learning
(2022), chapters 3.4 (delay period) and 5.3 (prequential validation).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ml_platform.errors import DataError
from ml_platform.use_case import Split

__all__ = ["Fold", "day_start", "folds"]

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Fold:
    """Two half-open windows ``[start, end)`` between UTC midnights; between them lies the label delay."""

    train_start: datetime
    train_end: datetime
    test_start: datetime
    test_end: datetime

    @property
    def train_days(self) -> int:
        """Length of the training window, in days."""
        return (self.train_end - self.train_start) // DAY

    @property
    def test_days(self) -> int:
        """Length of the test window, in days."""
        return (self.test_end - self.test_start) // DAY

    def __str__(self) -> str:
        return (
            f"train [{self.train_start:%Y-%m-%d}, {self.train_end:%Y-%m-%d}) "
            f"test [{self.test_start:%Y-%m-%d}, {self.test_end:%Y-%m-%d})"
        )


def day_start(moment: datetime) -> datetime:
    """The UTC midnight at or before a moment."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def folds(
    first: datetime,
    as_of: datetime,
    split: Split,
    maturity: timedelta,
    *,
    events_end: datetime | None = None,
) -> list[Fold]:
    """The folds of a history, newest first.

    The newest test window ends at the last midnight whose labels are mature (``as_of - maturity``), and no later than
    the events; each further fold lies ``test_days`` earlier. A training window is cut where the history starts, never
    below ``split.min_train_days``: compare :attr:`Fold.train_days` with the days declared. Older folds that the
    history does not reach are left out.

    Args:
        first: time of the first event.
        as_of: labels reported by it are known.
        split: the declaration.
        maturity: how long after an event its label is final.
        events_end: events before it are known; ``as_of`` when it is not given.

    Raises:
        DataError: the history is too short for the newest fold; names the days there are and the days needed.
    """
    until = events_end or as_of
    start, end = day_start(first), day_start(min(until, as_of - maturity))
    needed = timedelta(days=split.min_train_days + split.delay_days + split.test_days)
    if end - start < needed:
        raise DataError(_too_short(start, end, until, as_of, split, maturity))
    wanted = timedelta(days=split.train_days) if split.train_days is not None else None
    found = []
    for number in range(split.folds):
        test_end = end - number * timedelta(days=split.test_days)
        test_start = test_end - timedelta(days=split.test_days)
        train_end = test_start - timedelta(days=split.delay_days)
        train_start = start if wanted is None else max(start, train_end - wanted)
        if train_end - train_start < timedelta(days=split.min_train_days):
            break
        found.append(Fold(train_start, train_end, test_start, test_end))
    return found


def _too_short(
    start: datetime, end: datetime, until: datetime, as_of: datetime, split: Split, maturity: timedelta
) -> str:
    needed = split.min_train_days + split.delay_days + split.test_days
    young = (day_start(until) - end) // DAY
    immature = (
        f", of which the last {young} have no final label yet: labels are known as of {as_of:%Y-%m-%d}, and are final "
        f"{-(-maturity // DAY)} days after the event"
        if young > 0
        else ""
    )
    return (
        f"not enough history to train and test: there are {max((day_start(until) - start) // DAY, 0)} days of events "
        f"({start:%Y-%m-%d} to {until:%Y-%m-%d}){immature}. Needed are {needed + max(young, 0)}: "
        f"{split.min_train_days} of training, {split.delay_days} of label delay, {split.test_days} of test"
        f"{f', and those {young}' if young > 0 else ''}. Bring more days of events"
        f"{' or of reports' if young > 0 else ''}, or declare a Split with fewer test_days"
    )
