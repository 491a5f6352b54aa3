"""The gate: what a candidate must show before it may be released."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ml_platform.checks import CheckOutcome
from ml_platform.errors import ConfigurationError, SchemaMismatchError
from ml_platform.models.declarations import Gate, GateCheck, Model, Segment
from ml_platform.models.evaluation.metrics import evaluate, metric_of
from ml_platform.models.frameworks.base import FittedModel
from ml_platform.models.tasks.base import Direction, Predictor, Task, require_schema, task
from ml_platform.models.tasks.checking import metric_directions, metric_name
from ml_platform.models.training.data import TestData, judged_rows
from ml_platform.user_code import call_user_code

__all__ = ["GateInput", "gate_checks", "judge"]

Metrics = Mapping[str, float]
LATENCY_CALLS = 50


@dataclass(frozen=True)
class GateInput:
    """The input that the gate judges by; a use case's own checks get it too.

    Attributes:
        declared: the model's declaration.
        model: the candidate.
        folder: its files.
        test: the rows of the newest test window.
        predictions: the candidate's, one row a row of ``test``.
        baselines: metrics of each baseline on the same rows.
        champion: what is released now; None when nothing is.
    """

    declared: Model
    model: FittedModel
    folder: Path
    test: TestData
    predictions: pa.Table
    baselines: Mapping[str, Metrics]
    champion: Predictor | None

    @cached_property
    def metrics(self) -> Metrics:
        """The candidate's metrics, the task's and the use case's own."""
        return evaluate(self.declared, self.predictions, self.test)

    @cached_property
    def champion_predictions(self) -> pa.Table | None:
        """The champion's predictions of the same rows; None without one.

        Raises:
            SchemaMismatchError: the champion's features are gone, or it solves another task.
        """
        if self.champion is None:
            return None
        found = self.champion.predict(self.test.features)
        require_schema(found, self.predictions.schema, self.test.features.num_rows, "the champion")
        return found

    @property
    def task(self) -> Task:
        """The model's task."""
        return task(self.declared.task)

    @cached_property
    def directions(self) -> Mapping[str, Direction]:
        """Every metric with its direction."""
        return metric_directions(self.declared, self.test.classes)

    def direction(self, metric: str) -> Direction:
        """The direction of a metric.

        Raises:
            ConfigurationError: there is no such metric.
        """
        if metric not in self.directions:
            raise ConfigurationError(
                f"the gate names the metric {metric!r}; choose one of {sorted(self.directions)}"
            )
        return self.directions[metric]


def gate_checks(model: Model) -> dict[str, str]:
    """Name of each check that a model's gate has to what it looks at; all but a use case's own are blocking."""
    gate = model.gate
    chosen = {
        "predictions_sound": "Every prediction is finite, as the task wants it, and not all are equal.",
        "limits": gate.limits and "No metric is worse than its limit.",
        "beats_baselines": gate.beats_baselines_on and "It is better than every baseline on the same data.",
        "beats_champion": gate.beats_champion_on and "It is not worse than the champion on the same rows.",
        "segments_hold": gate.segments and "It does not collapse on any declared segment.",
        "calibrated": gate.max_calibration_error is not None and "Its probabilities mean what they say.",
        "latency": gate.max_latency_ms is not None and "It predicts one row in little processor time.",
        "size": gate.max_size_mb is not None and "It is small enough to load.",
    }
    own = {check.name: check.description for check in gate.checks}
    return {**{name: str(text) for name, text in chosen.items() if text}, **own}


def judge(
    declared: Model,
    model: FittedModel,
    folder: Path,
    test: TestData,
    *,
    baselines: Mapping[str, Metrics],
    champion: Predictor | None,
) -> list[CheckOutcome]:
    """Judge a model on the newest test window: one outcome for each of :func:`gate_checks`, in that order.

    When predictions cannot be used, theirs is the only outcome, for no metric is defined on them.

    Args:
        declared: the declaration, with its gate.
        model: the candidate.
        folder: its files.
        test: the rows of the test window.
        baselines: metrics of each baseline on the same rows.
        champion: what is released now, which predicts the same rows; None when nothing is.
    """
    predictions = model.predict(test.features)
    given = GateInput(declared, model, folder, test, predictions, baselines, champion)
    sound = _predictions_sound(given)
    if given.task.problems(predictions):
        return [sound]
    return [sound, *_declared_checks(given, declared.gate)]


def _declared_checks(given: GateInput, gate: Gate) -> list[CheckOutcome]:
    found = []
    if gate.limits:
        found.append(_limits(given, gate.limits))
    if gate.beats_baselines_on:
        found.append(_beats_baselines(given, metric_name(gate.beats_baselines_on, given.task)))
    if gate.beats_champion_on:
        found.append(_beats_champion(given, metric_name(gate.beats_champion_on, given.task)))
    if gate.segments:
        found.append(_segments_hold(given, gate))
    if gate.max_calibration_error is not None:
        found.append(_calibrated(given, gate.max_calibration_error))
    if gate.max_latency_ms is not None:
        found.append(_latency(given, gate.max_latency_ms))
    if gate.max_size_mb is not None:
        found.append(_size(given.folder, gate.max_size_mb))
    return [*found, *(_own(given, check) for check in gate.checks)]


def _outcome(name: str, passed: bool, description: str, **metadata: object) -> CheckOutcome:
    return CheckOutcome(name, bool(passed), description, metadata, blocking=True)


def _predictions_sound(given: GateInput) -> CheckOutcome:
    rows = given.predictions.num_rows
    problems = given.task.problems(given.predictions)
    if not problems and given.task.is_constant(given.predictions):
        problems = ["all are equal"]
    said = f"{rows} predictions: {', '.join(problems) or 'sound and not constant'}"
    return _outcome("predictions_sound", not problems, said, rows=rows)


def _limits(given: GateInput, limits: Mapping[str, float]) -> CheckOutcome:
    missed = []
    for name, limit in limits.items():
        direction, value = given.direction(name), given.metrics.get(name)
        if value is None or not direction.reaches(value, limit):
            missed.append(f"{name} is {_shown(value)}, its {direction.bound} accepted value {limit:g}")
    return _outcome(
        "limits",
        not missed,
        "; ".join(missed) or f"all {len(limits)} metrics keep their limits",
        **{name: given.metrics.get(name) for name in limits},
    )


def _beats_baselines(given: GateInput, on: str) -> CheckOutcome:
    own, direction = given.metrics.get(on), given.direction(on)
    theirs = {name: metrics.get(on) for name, metrics in given.baselines.items()}
    lost = [
        name
        for name, value in theirs.items()
        if own is None or (value is not None and not direction.beats(own, value))
    ]
    figures = "; ".join([f"{on} is {_shown(own)}", ", ".join(f"{n} {_shown(v)}" for n, v in theirs.items())])
    said = figures if theirs else f"{on} is {_shown(own)}; the task has no baselines"
    return _outcome(
        "beats_baselines",
        not lost,
        said + (f"; not better than {', '.join(lost)}" if lost else "") + _worse_elsewhere(given, on),
        candidate=own,
        **theirs,
    )


def _worse_elsewhere(given: GateInput, on: str) -> str:
    """In words, where a baseline is better by another metric that the gate names: one decides, and all are told."""
    found = [
        f"{name} has the better {metric}, {_shown(theirs)} to {_shown(own)}"
        for metric in given.declared.gate.limits
        for name, metrics in given.baselines.items()
        if metric != on
        and (own := given.metrics.get(metric)) is not None
        and (theirs := metrics.get(metric)) is not None
        and given.direction(metric).beats(theirs, own)
    ]
    return f"; though {', '.join(found)}" if found else ""


def _beats_champion(given: GateInput, on: str) -> CheckOutcome:
    name, tolerance = "beats_champion", given.declared.gate.champion_tolerance
    try:
        predictions = given.champion_predictions
    except SchemaMismatchError as error:
        return CheckOutcome(
            name, False, f"the champion cannot be compared on these rows: {error}", severity="WARN"
        )
    if predictions is None:
        return _outcome(name, True, "there is no champion yet")
    theirs = evaluate(given.declared, predictions, given.test).get(on)
    own = given.metrics.get(on)
    passed = own is not None and (theirs is None or given.direction(on).reaches(own, theirs, tolerance))
    return _outcome(
        name,
        passed,
        f"{on} is {_shown(own)}, the champion's {_shown(theirs)} on the same {given.test.features.num_rows} rows "
        f"(tolerance {tolerance:g})",
        candidate=own,
        champion=theirs,
    )


def _segments_hold(given: GateInput, gate: Gate) -> CheckOutcome:
    on = metric_name(gate.segment_metric, given.task)
    direction, limit = given.direction(on), gate.segment_limit
    figures: dict[str, object] = {}
    collapsed = []
    for segment in gate.segments:
        rows = _in_segment(given.test, segment)
        count = int(rows.sum())
        value = None
        if count >= gate.min_segment_rows:
            value = metric_of(given.declared, on, given.predictions, given.test, rows)
        if value is None:
            figures[segment.name] = f"not judged: {count} rows" + (
                "" if count < gate.min_segment_rows else f", on which {on} is not defined"
            )
            continue
        figures[segment.name] = value
        if limit is not None and not direction.reaches(value, limit):
            collapsed.append(f"{segment.name} ({on} {value:.4g}, {count} rows)")
    if limit is None:
        said = f"{on} of {len(gate.segments)} segments, which have no limit"
    elif collapsed:
        said = f"worse than {on} {limit:g}: {', '.join(collapsed)}"
    else:
        said = f"no segment of {len(gate.segments)} is worse than {on} {limit:g}"
    return _outcome("segments_hold", not collapsed, said, **figures)


def _in_segment(test: TestData, segment: Segment) -> npt.NDArray[np.bool_]:
    table = test.features if segment.column in test.features.column_names else test.rows
    if segment.column not in table.column_names:
        raise SchemaMismatchError(
            f"segment {segment.name}: {segment.column!r} is neither a feature nor a key; choose one of "
            f"{[*test.features.column_names, *test.rows.column_names]}"
        )
    column = table.column(segment.column)
    inside: npt.NDArray[np.bool_]
    if segment.values:
        texts = pc.cast(column, pa.string())
        inside = pc.is_in(texts, value_set=pa.array(segment.values, pa.string())).to_numpy()
        return inside
    values = pc.fill_null(pc.cast(column, "float64"), float("nan")).to_numpy()
    low = -np.inf if segment.low is None else segment.low
    high = np.inf if segment.high is None else segment.high
    inside = (values >= low) & (values < high)
    return inside


def _calibrated(given: GateInput, limit: float) -> CheckOutcome:
    error = given.metrics.get("calibration_error")
    return _outcome(
        "calibrated",
        error is not None and error <= limit,
        f"calibration error is {_shown(error)} (limit {limit:g})",
        calibration_error=error,
    )


def _latency(given: GateInput, limit: float) -> CheckOutcome:
    """Processor time of this process, its other threads included: a busy machine does not make it longer."""
    row = given.test.features.slice(0, 1)
    given.model.predict(row)
    taken = []
    for _ in range(LATENCY_CALLS):
        started = time.process_time()
        given.model.predict(row)
        taken.append((time.process_time() - started) * 1000)
    median = statistics.median(taken)
    return _outcome(
        "latency",
        median <= limit,
        f"one row takes {median:.2f} ms of processor time (limit {limit:g} ms)",
        milliseconds=median,
    )


def _size(folder: Path, limit: float) -> CheckOutcome:
    megabytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return _outcome(
        "size", megabytes <= limit, f"{megabytes:.2f} MB (limit {limit:g} MB)", megabytes=megabytes
    )


def _own(given: GateInput, check: GateCheck) -> CheckOutcome:
    found = call_user_code(
        f"model {given.declared.name}, gate check {check.name}",
        check.function,
        given,
        given=judged_rows(given.predictions, given.test),
    )
    if not isinstance(found, CheckOutcome):
        raise ConfigurationError(
            f"gate check {check.name} returned {type(found).__name__}; return a CheckOutcome"
        )
    return replace(found, name=check.name, blocking=check.blocking)


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
