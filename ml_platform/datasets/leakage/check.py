"""The leakage check: :mod:`ml_platform.datasets.leakage.search` on the newest events of a snapshot."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from ml_platform.checks import CheckOutcome
from ml_platform.datasets.leakage.blocks import MIN_POWER, MOST_BLOCKS, NEVER, Events
from ml_platform.datasets.leakage.search import MIN_MISSING, FeatureEvidence, judge
from ml_platform.datasets.snapshot import Snapshot
from ml_platform.use_case import Dataset, Label

__all__ = ["leakage_check"]

MOST_ROWS = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME = "leakage"


def leakage_check(snapshot: Snapshot, dataset: Dataset, *, most_rows: int = MOST_ROWS) -> CheckOutcome:
    """Judge every numeric feature of the snapshot.

    Args:
        snapshot: what is judged.
        dataset: its declaration.
        most_rows: of a larger snapshot, events of a sample of entities are taken (of the first of ``Dataset.keys``).
    """
    label = dataset.label
    if label is None or label.value is not None:
        return CheckOutcome(
            NAME, True, "only the labels that are events can be searched for", severity="WARN"
        )
    judged = [
        c.name for c in snapshot.manifest.columns if c.name in dataset.feature_names and _is_number(c.type)
    ]
    until = min(snapshot.as_of, snapshot.events_end)
    data = _newest(snapshot, until, dataset, label, judged, most_rows)
    reported = _micros(data.column(label.reported_at))
    evidence = judge(
        Events(
            _micros(data.column(dataset.occurred_at)),
            np.where(reported > _us(until), NEVER, reported),
            _us(until),
            label.delay // timedelta(microseconds=1),
        ),
        {name: _floats(data.column(name), data.column(dataset.occurred_at)) for name in judged},
        {name: _codes(data.column(name)) for name in dataset.keys},
    )
    leaking = {name: found for name, found in evidence.items() if found.leaks}
    told = sum(found.missing is not None for found in evidence.values())
    description = (
        "; ".join(_sentence(name, found) for name, found in leaking.items())
        if leaking
        else f"no feature knows unreported labels; the hidden positives of the last days could tell for {told} of "
        f"{len(evidence)} features"
    )
    return CheckOutcome(
        NAME,
        not leaking,
        description,
        {
            "leaking": sorted(leaking),
            "to_watch": sorted(
                name for name, found in evidence.items() if not found.leaks and _is_odd(found)
            ),
            "not_numeric": sorted(set(dataset.feature_names) - set(judged)),
            "rows": data.num_rows,
            "evidence": {
                name: {
                    "auc": _rounded(found.auc),
                    "missing": _rounded(found.missing),
                    "spreads": _rounded(found.spreads),
                    "aspect": found.aspect,
                }
                for name, found in evidence.items()
            },
        },
        severity="WARN",
    )


def _is_odd(found: FeatureEvidence) -> bool:
    """Tell whether more data may show a leak."""
    return found.missing is not None and found.missing >= MIN_MISSING and (found.spreads or 0) >= MIN_POWER


def _sentence(name: str, found: FeatureEvidence) -> str:
    if found.missing is None:
        return f"{name} alone separates the labels almost perfectly (AUC {found.auc:.4f}): is it made from the label?"
    return (
        f"{name} ({found.aspect}) points at positives that were reported and not at those still to be reported: "
        f"{found.missing:.0%} of the latter are missing, {found.spreads:.0f} standard deviations from chance. It is "
        "made from labels before they were available; delay them, or use only those reported by the event"
    )


def _newest(
    snapshot: Snapshot,
    until: datetime,
    dataset: Dataset,
    label: Label,
    features: Sequence[str],
    most_rows: int,
) -> pa.Table:
    """The events that the blocks can hold; numbers as 32-bit floats."""
    weeks = math.ceil(label.delay / timedelta(weeks=1))
    since = pa.scalar(until - MOST_BLOCKS * weeks * timedelta(weeks=1))
    sampled = dataset.keys[0] if dataset.keys else dataset.id
    columns = list(dict.fromkeys((dataset.occurred_at, label.reported_at, sampled, *dataset.keys, *features)))
    share = most_rows / snapshot.manifest.rows
    kept = []
    for batch in snapshot.batches(columns):
        newest = batch.filter(pc.greater_equal(batch.column(dataset.occurred_at), since))
        if share < 1:
            newest = newest.filter(pa.array(_sample(newest.column(sampled), share)))
        kept.append(newest)
    return pa.Table.from_batches(kept).combine_chunks()


def _sample(keys: pa.Array, share: float) -> npt.NDArray[np.bool_]:
    from pandas.util import hash_array

    hashes = hash_array(keys.cast(pa.string()).to_numpy(zero_copy_only=False))
    return np.asarray(hashes < share * 2.0**64)


def _is_number(kind: str) -> bool:
    return kind.startswith(("int", "uint", "float", "double", "halffloat", "decimal", "bool", "timestamp"))


def _floats(column: pa.ChunkedArray, occurred: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Numbers, NaN for null; of a timestamp the seconds since it, as it would else grow with time itself."""
    if types.is_timestamp(column.type):
        age = (_micros(occurred) - _micros(column)) / 1e6
        return np.where(column.is_null().to_numpy(), np.nan, age)
    return np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64)


def _micros(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    micros = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return np.asarray(pc.fill_null(micros, NEVER).to_numpy(), dtype=np.int64)


def _codes(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    codes = column.combine_chunks().dictionary_encode().indices
    return np.asarray(pc.fill_null(codes, -1).to_numpy(zero_copy_only=False), dtype=np.int64)


def _us(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
