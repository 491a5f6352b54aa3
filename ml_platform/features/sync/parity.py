"""Parity: what a reader gets from the online store equals what the warehouse says, to the bit."""

import datetime as dt
import struct
from dataclasses import dataclass
from typing import Any

from ml_platform.checks import CheckOutcome
from ml_platform.features.online.base import Key, OnlineStore, Row
from ml_platform.features.online.columns import micros, timestamp
from ml_platform.features.sync.newest import Source, source_of
from ml_platform.use_case import FeatureView
from ml_platform.warehouse.base import Warehouse

__all__ = ["Difference", "FeatureDifference", "diff", "parity"]

SHOWN = 5
KEYS_A_QUERY = 200
MARGIN = 2.0
"""Multiple of the sample that is looked at, since hashes are spread by chance."""


@dataclass(frozen=True)
class FeatureDifference:
    """One feature of one entity, offline and online."""

    feature: str
    offline: Any
    online: Any

    @property
    def equal(self) -> bool:
        """Tell whether they are the same, to the bit; any NaN is the same."""
        return same_value(self.offline, self.online)


@dataclass(frozen=True)
class Difference:
    """One entity, offline and online, side by side; an event time is None where the entity is missing."""

    key: Key
    offline_event_timestamp: dt.datetime | None
    online_event_timestamp: dt.datetime | None
    features: tuple[FeatureDifference, ...]

    @property
    def equal(self) -> bool:
        """Tell whether both sides say the same."""
        same_time = self.offline_event_timestamp == self.online_event_timestamp
        return same_time and all(feature.equal for feature in self.features)


def parity(
    view: FeatureView,
    warehouse: Warehouse,
    store: OnlineStore,
    *,
    sample: int = 200,
    seed: int = 0,
    as_of: dt.datetime | None = None,
) -> CheckOutcome:
    """Read a sample of entities back from the store and compare them with the warehouse.

    Args:
        view: that was synced.
        warehouse: that holds its relation.
        store: to read from.
        sample: how many entities at most, chosen by a hash of the key.
        seed: of the hash; the same seed takes the same entities of the same data.
        as_of: as given to the sync.

    Entities whose event is newer online, and entities that have expired, are counted and not held against it.
    """
    source = source_of(view, warehouse)
    last = store.record(view.name).last
    keys = _sample(source, warehouse, last.rows if last else 0, sample, seed, as_of)
    differences = _differences(source, warehouse, store, keys, as_of)
    now = dt.datetime.now(dt.UTC)
    newer = [d for d in differences if _newer_online(d)]
    expired = [d for d in differences if d.online_event_timestamp is None and _expired(view, d, now)]
    excused = {id(d) for d in (*newer, *expired)}
    wrong = [d for d in differences if not d.equal and id(d) not in excused]
    text = f"of {len(keys)} sampled entities {len(keys) - len(wrong)} read back as the warehouse says"
    if wrong:
        text += f"; {wrong[0].key} does not: sync the view, in full (`full`) if that does not help"
    metadata = {
        "sampled": len(keys),
        "differing": len(wrong),
        "newer_online": len(newer),
        "expired": len(expired),
        "examples": [_example(difference) for difference in wrong[:SHOWN]],
    }
    return CheckOutcome("parity", not wrong, text, metadata)


def diff(view: FeatureView, key: Key, warehouse: Warehouse, store: OnlineStore) -> Difference:
    """One entity, offline (newest row) and online, side by side, whether it has expired or not.

    Raises:
        NotFoundError: there is no such relation, or the view was never synced.
        DataError: ``key`` is no key of the view.
    """
    return _differences(source_of(view, warehouse), warehouse, store, [key], None)[0]


def same_value(one: object, other: object) -> bool:
    """Tell whether two values are the same to the bit; any NaN is the same as any."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other) or (one != one and other != other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    return one == other and (one is None) == (other is None)


def _sample(
    source: Source, warehouse: Warehouse, entities: int, sample: int, seed: int, as_of: dt.datetime | None
) -> list[Key]:
    """Keys chosen by their hashes; ``entities`` is how many there are thought to be."""
    if sample < 1:
        return []
    share = MARGIN * sample / entities if entities else 1.0
    while True:
        table = warehouse.table(*source.sample(as_of, sample, seed, share))
        if table.num_rows == sample or share >= 1:
            return list(zip(*(table.column(name).to_pylist() for name in source.view.entity), strict=True))
        share *= MARGIN * sample / max(table.num_rows, 1)  # there are fewer: look at more of them


def _differences(
    source: Source, warehouse: Warehouse, store: OnlineStore, keys: list[Key], as_of: dt.datetime | None
) -> list[Difference]:
    view = source.view
    offline: dict[Key, dict[str, Any]] = {}
    for start in range(0, len(keys), KEYS_A_QUERY):
        query = source.newest(as_of, chosen=keys[start : start + KEYS_A_QUERY], ordered=False)
        for row in warehouse.table(*query).to_pylist():
            offline[tuple(row[name] for name in view.entity)] = row
    online = store.read(view.model_copy(update={"ttl": None}), keys)
    return [_difference(view, key, offline.get(key), row) for key, row in zip(keys, online, strict=True)]


def _difference(view: FeatureView, key: Key, offline: dict[str, Any] | None, online: Row) -> Difference:
    values = zip(view.features, online.values, strict=True)
    features = tuple(
        FeatureDifference(name, offline[name] if offline else None, value) for name, value in values
    )
    event = timestamp(micros(offline["event_timestamp"])) if offline else None
    return Difference(key, event, online.event_timestamp, features)


def _newer_online(difference: Difference) -> bool:
    offline, online = difference.offline_event_timestamp, difference.online_event_timestamp
    return offline is not None and online is not None and online > offline


def _expired(view: FeatureView, difference: Difference, now: dt.datetime) -> bool:
    event = difference.offline_event_timestamp
    return view.ttl is not None and event is not None and event + view.ttl <= now


def _example(difference: Difference) -> dict[str, Any]:
    return {
        "key": [str(value) for value in difference.key],
        "offline_event_timestamp": str(difference.offline_event_timestamp),
        "online_event_timestamp": str(difference.online_event_timestamp),
        "features": {f.feature: [str(f.offline), str(f.online)] for f in difference.features if not f.equal},
    }
