"""The gate: what a candidate must show before it may be released."""

import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from ml_platform.checks import CheckOutcome
from ml_platform.errors import SchemaMismatchError
from ml_platform.models.evaluation.metrics import evaluate
from ml_platform.models.frameworks.base import FittedModel, Scorer
from ml_platform.models.training.data import TestData
from ml_platform.use_case import Gate, Segment

__all__ = ["judge"]

Scores = npt.NDArray[np.float64]
Metrics = Mapping[str, float]
LATENCY_CALLS = 50


def judge(
    model: FittedModel,
    folder: Path,
    test: TestData,
    gate: Gate,
    *,
    baselines: Mapping[str, Metrics],
    champion: Scorer | None,
    k: int,
) -> list[CheckOutcome]:
    """Judge a model on the newest test window.

    Args:
        model: the candidate.
        folder: its files.
        test: the rows of the test window.
        gate: the declaration.
        baselines: metrics of each baseline on the same rows.
        champion: what is released now, scored on the same rows; None when nothing is.
        k: k of Card Precision@k.
    """
    scores = model.predict(test.features)
    sound = _predictions_sound(scores)
    if not ((scores >= 0) & (scores <= 1)).all():  # no metric is defined on them
        return [sound]
    metrics = evaluate(scores, test, k)
    return [
        sound,
        _floors(metrics, gate),
        _beats_baselines(metrics, baselines, gate.beats_baselines_on),
        _beats_champion(metrics, champion, test, gate, k),
        _segments_hold(scores, test, gate),
        _calibrated(metrics, scores, test, gate.max_calibration_error),
        _latency(model, test, gate.max_latency_ms),
        _size(folder, gate.max_size_mb),
    ]


def _outcome(name: str, passed: bool, description: str, **metadata: object) -> CheckOutcome:
    return CheckOutcome(name, bool(passed), description, metadata, blocking=True)


def _predictions_sound(scores: Scores) -> CheckOutcome:
    finite = bool(np.isfinite(scores).all())
    bounded = finite and bool(((scores >= 0) & (scores <= 1)).all())
    varied = finite and bool(scores.min() < scores.max())
    problems = [
        text
        for passed, text in [
            (finite, "some are not finite"),
            (bounded or not finite, "some are outside [0, 1]"),
            (varied or not finite, "all are equal"),
        ]
        if not passed
    ]
    return _outcome(
        "predictions_sound",
        not problems,
        f"{len(scores)} predictions: {', '.join(problems) or 'finite, within [0, 1] and not constant'}",
        rows=len(scores),
    )


def _floors(metrics: Metrics, gate: Gate) -> CheckOutcome:
    below = {
        name: metrics.get(name)
        for name, floor in gate.floors.items()
        if name not in metrics or metrics[name] < floor
    }
    said = [f"{name} is {_shown(value)}, its floor {gate.floors[name]:g}" for name, value in below.items()]
    return _outcome(
        "absolute_floors",
        not below,
        "; ".join(said) or f"all {len(gate.floors)} metrics reach their floors",
        **{name: metrics.get(name) for name in gate.floors},
    )


def _beats_baselines(metrics: Metrics, baselines: Mapping[str, Metrics], on: str) -> CheckOutcome:
    own = metrics.get(on)
    lost = [name for name, theirs in baselines.items() if own is None or own <= theirs.get(on, -np.inf)]
    figures = ", ".join(f"{name} {_shown(theirs.get(on))}" for name, theirs in baselines.items())
    return _outcome(
        "beats_baselines",
        not lost,
        f"{on} is {_shown(own)}; {figures}" + (f"; not better than {', '.join(lost)}" if lost else ""),
        candidate=own,
        **{name: theirs.get(on) for name, theirs in baselines.items()},
    )


def _beats_champion(
    metrics: Metrics, champion: Scorer | None, test: TestData, gate: Gate, k: int
) -> CheckOutcome:
    name, on = "beats_champion", gate.beats_champion_on
    if champion is None:
        return _outcome(name, True, "there is no champion yet")
    try:
        theirs = evaluate(champion.predict(test.features), test, k).get(on)
    except SchemaMismatchError as error:
        return CheckOutcome(
            name, False, f"the champion cannot be compared on these rows: {error}", severity="WARN"
        )
    own = metrics.get(on)
    passed = own is not None and theirs is not None and own >= theirs - gate.champion_tolerance
    return _outcome(
        name,
        passed,
        f"{on} is {_shown(own)}, the champion's {_shown(theirs)} on the same {len(test.labels)} rows "
        f"(tolerance {gate.champion_tolerance:g})",
        candidate=own,
        champion=theirs,
    )


def _segments_hold(scores: Scores, test: TestData, gate: Gate) -> CheckOutcome:
    from sklearn.metrics import roc_auc_score

    figures: dict[str, object] = {}
    collapsed = []
    for segment in gate.segments:
        rows = _in_segment(test, segment)
        positives = int(test.labels[rows].sum())
        if positives < max(gate.min_segment_positives, 1) or positives == rows.sum():
            figures[segment.name] = f"not judged: {positives} positives of {int(rows.sum())} rows"
            continue
        auc = float(roc_auc_score(test.labels[rows], scores[rows]))
        figures[segment.name] = auc
        if auc < gate.min_segment_auc:
            collapsed.append(f"{segment.name} (auc {auc:.3f}, {positives} positives)")
    return _outcome(
        "segments_hold",
        not collapsed,
        f"below auc {gate.min_segment_auc:g}: {', '.join(collapsed)}"
        if collapsed
        else f"no segment of {len(gate.segments)} is below auc {gate.min_segment_auc:g}",
        **figures,
    )


def _in_segment(test: TestData, segment: Segment) -> npt.NDArray[np.bool_]:
    if segment.column not in test.features.column_names:
        raise SchemaMismatchError(
            f"segment {segment.name}: {segment.column!r} is not a feature; choose one of "
            f"{test.features.column_names}"
        )
    column = test.features.column(segment.column)
    values = pc.fill_null(pc.cast(column, "float64"), float("nan")).to_numpy()
    low = -np.inf if segment.low is None else segment.low
    high = np.inf if segment.high is None else segment.high
    inside: npt.NDArray[np.bool_] = (values >= low) & (values < high)
    return inside


def _calibrated(metrics: Metrics, scores: Scores, test: TestData, limit: float) -> CheckOutcome:
    error, predicted, observed = metrics["calibration_error"], float(scores.mean()), float(test.labels.mean())
    return _outcome(
        "calibrated",
        error <= limit,
        f"calibration error is {error:.4f} (limit {limit:g}); {predicted:.3%} predicted, "
        f"{observed:.3%} observed",
        calibration_error=error,
        predicted_share=predicted,
        observed_share=observed,
    )


def _latency(model: FittedModel, test: TestData, limit: float) -> CheckOutcome:
    row = test.features.slice(0, 1)
    model.predict(row)
    taken = []
    for _ in range(LATENCY_CALLS):
        started = time.perf_counter()
        model.predict(row)
        taken.append((time.perf_counter() - started) * 1000)
    median = statistics.median(taken)
    return _outcome(
        "latency", median <= limit, f"one row takes {median:.2f} ms (limit {limit:g} ms)", milliseconds=median
    )


def _size(folder: Path, limit: float) -> CheckOutcome:
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return _outcome(
        "size", megabytes <= limit, f"{megabytes:.2f} MB (limit {limit:g} MB)", megabytes=megabytes
    )


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
