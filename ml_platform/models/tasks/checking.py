"""The errors in a use case's models that can be known when it is declared."""

from collections.abc import Mapping

from ml_platform.errors import ConfigurationError
from ml_platform.models.declarations import PRIMARY, Model
from ml_platform.models.frameworks.base import check_framework
from ml_platform.models.tasks.base import Direction, Task, task
from ml_platform.use_case import Dataset, Label, UseCase

__all__ = ["check_models", "classes_of", "label_tasks", "metric_directions", "metric_name", "suggested_task"]


def classes_of(dataset: Dataset) -> tuple[str, ...]:
    """The classes of a dataset's label; empty when it has none."""
    return dataset.label.classes if dataset.label else ()


def metric_name(name: str, kind: Task) -> str:
    """The metric that a declaration means: ``primary`` is the task's main one."""
    return kind.primary if name == PRIMARY else name


def metric_directions(model: Model, classes: tuple[str, ...]) -> Mapping[str, Direction]:
    """Every metric of a model, the task's and the use case's own, with its direction."""
    own = {m.name: Direction.HIGHER if m.higher_is_better else Direction.LOWER for m in model.metrics}
    return {**task(model.task).directions(classes), **own}


def label_tasks(use_case: UseCase) -> tuple[Task, ...]:
    """The tasks that judge the labels of a use case's dataset: its models', or else the one that the label suggests."""
    names = dict.fromkeys(model.task for model in use_case.models)
    return tuple(map(task, names)) or (suggested_task(use_case.data.label),)


def suggested_task(label: Label | None) -> Task:
    """The task of labels that no model learns: binary of an event, multiclass of classes, regression of a number."""
    if label is None:
        return task("embedding")
    if label.value is None:
        return task("binary")
    return task("multiclass" if label.classes else "regression")


def check_models(use_case: UseCase) -> None:
    """Refuse tasks, frameworks, labels, metrics and segments that do not exist or do not fit each other.

    Raises:
        ConfigurationError: names the field, the value and what is allowed.
    """
    for position, model in enumerate(use_case.models):
        where = f"models.{position} ({model.name})"
        _check_model(model, use_case.data, where)
    if use_case.models:
        _check_retraining(use_case)


def _check_retraining(use_case: UseCase) -> None:
    metric = use_case.retraining.metric
    known = {name for model in use_case.models for name in (PRIMARY, *_metrics(model, use_case.data))}
    _check_known(metric, known, "retraining.metric")
    if use_case.retraining.limit is not None:
        counted = {
            name
            for kind in (task(model.task) for model in use_case.models)
            for name in set(kind.directions(classes_of(use_case.data))) - kind.uncounted
        }
        watched = {metric_name(metric, task(model.task)) for model in use_case.models}
        for name in sorted(watched - counted):
            raise ConfigurationError(
                f"retraining.metric is {name!r}, which cannot be reckoned from counts in the warehouse; choose one of "
                f"{sorted(counted)}, or leave retraining.limit out"
            )


def _check_model(model: Model, dataset: Dataset, where: str) -> None:
    check_framework(model.framework)
    kind, gate = task(model.task), model.gate
    kind.check_label(dataset.label)
    own = [metric.name for metric in model.metrics]
    if taken := sorted(set(own) & set(kind.directions(classes_of(dataset)))):
        raise ConfigurationError(f"{where}.metrics {taken} are the task's own; name them otherwise")
    _check_distinct(own, f"{where}.metrics")
    _check_distinct([plot.name for plot in model.plots], f"{where}.plots")
    _check_distinct([check.name for check in gate.checks], f"{where}.gate.checks")
    known = {PRIMARY, *_metrics(model, dataset)}
    for field, names in {
        "limits": gate.limits,
        "beats_baselines_on": [gate.beats_baselines_on] if gate.beats_baselines_on else [],
        "beats_champion_on": [gate.beats_champion_on] if gate.beats_champion_on else [],
        "segment_metric": [gate.segment_metric],
    }.items():
        for name in names:
            _check_known(name, known, f"{where}.gate.{field}")
    if gate.max_calibration_error is not None and "calibration_error" not in known:
        raise ConfigurationError(
            f"{where}.gate.max_calibration_error is {gate.max_calibration_error:g}; the task {kind.name} gives no "
            "probabilities, so leave it out"
        )
    columns = {
        *dataset.feature_names,
        *model.request_feature_names,
        *dataset.keys,
        dataset.id,
        dataset.occurred_at,
    }
    for segment in gate.segments:
        if segment.column not in columns:
            raise ConfigurationError(
                f"{where}.gate.segments: {segment.name} names the column {segment.column!r}; choose one of "
                f"{sorted(columns)}"
            )
    if repeated := sorted(set(model.request_feature_names) & set(dataset.feature_names)):
        raise ConfigurationError(
            f"{where}.request_feature_names {repeated} are features of the dataset already; name each once"
        )


def _metrics(model: Model, dataset: Dataset) -> Mapping[str, Direction]:
    return metric_directions(model, classes_of(dataset))


def _check_known(name: str, known: set[str], where: str) -> None:
    if name not in known:
        raise ConfigurationError(f"{where} names the metric {name!r}; choose one of {sorted(known)}")


def _check_distinct(names: list[str], where: str) -> None:
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{where} repeat {repeated}; name each once")
