"""Tags by which MLflow's pages know an experiment as one of trained models, and say where a run comes from."""

import getpass
from collections.abc import Mapping

__all__ = ["KIND", "NOTE", "experiment_tags", "run_tags"]

KIND = "mlflow.experimentKind"
"""Tag of an experiment that chooses its pages; without it MLflow guesses, and takes our runs for evaluations."""

NOTE = "mlflow.note.content"
"""Tag of the description that pages show."""

_MODELS = "custom_model_development"


def experiment_tags(name: str) -> dict[str, str]:
    """Tags of a new experiment.

    Args:
        name: ``<use_case>.<model>``.
    """
    use_case, _, model = name.partition(".")
    note = (
        f"Trainings of the model `{model}` of the use case `{use_case}`. Each run is one training: of a data version, "
        "by a code version. What serves is named in the production registry, which the aliases of the registered "
        "model mirror."
    )
    return {KIND: _MODELS, NOTE: note}


def run_tags(source: str, description: str) -> Mapping[str, str]:
    """Tags of a run: who trained, by what code, and a description.

    Args:
        source: the function that fits, as ``module.function``.
        description: of the run, in Markdown.
    """
    return {
        "mlflow.user": _user(),
        "mlflow.source.name": source,
        "mlflow.source.type": "JOB",
        NOTE: description,
    }


def _user() -> str:
    """The account that trains; a container may have none for its user id."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
