"""The point-in-time join, slow and obvious: what every engine's SQL is compared with."""

import math
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from ml_platform.features.point_in_time.join import PointInTimeRequest
from ml_platform.use_case import FeatureView, ViewFeatures

# The hours around a change of daylight saving time in New York, where "a day earlier" is not 24 hours.
BASE = datetime(2031, 3, 9, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)

TERMINAL = FeatureView(name="terminal", relation="f.terminal", entity=("k",), features=("x", "s", "n"))
PAIR = FeatureView(name="pair", relation="f.pair", entity=("k", "j"), features=("x", "s", "n"))
VIEWS = (TERMINAL, PAIR)
COLUMNS = {
    "k": str, "j": int, "event_timestamp": datetime, "available_at": datetime, "x": float, "s": str, "n": int
}  # fmt: skip

_time = st.none() | st.builds(
    lambda hours, micros: BASE + hours * HOUR + timedelta(microseconds=micros),
    st.integers(0, 30),
    st.sampled_from([0, 0, 0, 1, -1]),
)
_key = {"k": st.sampled_from(["a", "b", None, ""]), "j": st.sampled_from([0, 7, None])}
_value = {
    "x": st.sampled_from([None, math.nan, math.inf, -math.inf, -1.5, 0.0, 0.1, 1e300]),
    "s": st.sampled_from([None, "", "nan", "a", "Z", "é", "\U0001f600"]),
    "n": st.sampled_from([None, -1, 0, 2**60]),
}
rows = st.lists(
    st.fixed_dictionaries({**_key, "event_timestamp": _time, "available_at": _time, **_value}), max_size=8
)
# Repeated events, with the very same id, are part of it.
events = st.lists(st.fixed_dictionaries({"id": st.integers(0, 3), **_key, "occurred_at": _time}), max_size=6)
ttls = st.sampled_from([None, timedelta(0), HOUR, 24 * HOUR, timedelta(microseconds=1)])
chosen = st.sampled_from([("x",), ("s", "x"), ("n",), ("x", "s", "n")])


@st.composite
def requests(draw):
    """Both views, each with a time to live and some of its features."""
    views = tuple(
        ViewFeatures(view=view.model_copy(update={"ttl": draw(ttls)}), features=draw(chosen))
        for view in VIEWS
    )
    return PointInTimeRequest(events="f.events", views=views)


def expected(request, events, tables):
    """Every event as a tuple (id, k, j, occurred_at, features…), in no order; ``tables`` by relation."""
    joined = []
    for event in events:
        features = [value for view in request.views for value in _looked_up(event, view, tables)]
        joined.append((event["id"], event["k"], event["j"], event["occurred_at"], *features))
    return joined


def _looked_up(event, joined, tables):
    view, time = joined.view, event["occurred_at"]
    known = [
        row
        for row in tables[view.relation]
        if all(event[key] is not None and event[key] == row[key] for key in view.entity)
        and time is not None
        and row["available_at"] is not None
        and row["available_at"] <= time
    ]
    best = max(known, key=lambda row: _rank(row, view), default=None)
    if best is not None and view.ttl is not None:
        happened = best["event_timestamp"]
        if happened is None or time - happened >= view.ttl:
            best = None
    return [None if best is None else best[feature] for feature in joined.features]


def _rank(row, view):
    return [_ordered(row[column]) for column in (view.available_at, view.event_timestamp, *view.features)]


def _ordered(value):
    """Null below NaN below everything else; text by code point."""
    if value is None:
        return (0, 0)
    if isinstance(value, float) and math.isnan(value):
        return (1, 0)
    return (2, value)


def canonical(rows):
    """Rows that can be compared as a multiset: sorted, NaN equal to itself, times as UTC."""
    return sorted([tuple(_text(value) for value in row) for row in rows])


def _text(value):
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return repr(value)
