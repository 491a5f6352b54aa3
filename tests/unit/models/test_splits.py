from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ml_platform.errors import DataError
from ml_platform.models.training.splits import folds
from ml_platform.use_case import Split

DAY = timedelta(days=1)
NOON = datetime(1999, 12, 25, 12, tzinfo=UTC)

splits = st.builds(
    Split,
    train_days=st.none() | st.integers(5, 60),
    min_train_days=st.integers(1, 5),
    delay_days=st.integers(0, 14),
    test_days=st.integers(1, 14),
    folds=st.integers(1, 5),
)


@settings(deadline=None)
@given(
    split=splits,
    first=st.integers(1, 30_000).map(lambda hours: NOON + timedelta(hours=hours, minutes=7)),
    history=st.timedeltas(timedelta(days=0), timedelta(days=200)),
    maturity=st.timedeltas(timedelta(0), timedelta(days=20)),
    ahead=st.timedeltas(timedelta(days=-30), timedelta(days=30)),
)
def test_folds_keep_the_gap_and_end_where_labels_are_mature(split, first, history, maturity, ahead):
    events_end = first + history
    as_of = events_end + ahead
    last = min(events_end, as_of - maturity)
    found = []
    with suppress(DataError):
        found = folds(first, as_of, split, maturity, events_end=events_end)
    assume(found)
    assert 1 <= len(found) <= split.folds
    assert last - DAY < found[0].test_end <= last
    for fold in found:
        assert fold.test_start - fold.train_end == split.delay_days * DAY
        assert fold.test_days == split.test_days
        assert fold.train_days >= split.min_train_days
        assert split.train_days is None or fold.train_days <= split.train_days
        assert fold.train_start >= first - DAY
    for newer, older in pairwise(found):
        assert older.test_end == newer.test_start, "test windows neither overlap nor leave days out"


def test_a_short_history_shortens_the_training_window_and_leaves_folds_out():
    found = folds(NOON, NOON + 25 * DAY, Split(train_days=30, folds=3), 7 * DAY)
    assert [fold.train_days for fold in found] == [4]


def test_too_short_a_history_is_refused_with_the_days_there_are_and_the_days_needed():
    with pytest.raises(DataError, match=r"15 days of events \(1999-12-25 to 2000-01-09\).* are 22:"):
        folds(NOON, NOON + 15 * DAY, Split(train_days=30), 7 * DAY)


def test_fewer_days_of_training_than_the_fewest_are_refused():
    with pytest.raises(ValidationError, match="train_days 2 is below min_train_days 3"):
        Split(train_days=2, min_train_days=3)
