"""The table of predictions: one row an event and release, which says who predicted it, and as what.

Columns: id and time of the event, the columns that are carried along, those of the task's predictions, and

=============== ==================================================================================================
``model``       ``<use_case>/<model>`` that predicted
``stage``       ``champion``, or the name of a shadow
``release``     version of the release
``promotion``   BIGINT: number of the change that gave the stage to the release; grows with every change
partition       the start of the hour, the day or the week's Monday in which the event lies: ``hour``, ``day``, ``week``
=============== ==================================================================================================

Rows are replaced by (partition, stage, release): what another release predicted, or a shadow, stays. The rows that
serve are those of the newest promotion of the champion in their partition (:func:`serving_sql`)::

    SELECT * FROM predictions.returns
    WHERE model = 'returns/model' AND stage = 'champion'
    QUALIFY promotion = MAX(promotion) OVER (PARTITION BY day)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ml_platform.cadence import Cadence
from ml_platform.errors import ConfigurationError, NotFoundError
from ml_platform.models.releases.stages import CHAMPION
from ml_platform.use_case import BatchPrediction, Dataset, Model, UseCase
from ml_platform.warehouse.base import Query
from ml_platform.warehouse.dialect import SqlDialect

__all__ = ["MODEL", "PROMOTION", "RELEASE", "STAGE", "BatchScoring", "batch_scoring", "serving_sql"]

MODEL = "model"
STAGE = "stage"
RELEASE = "release"
PROMOTION = "promotion"
OWN = (MODEL, STAGE, RELEASE, PROMOTION)


@dataclass(frozen=True)
class BatchScoring:
    """A batch prediction, with the declarations that it draws on.

    Attributes:
        use_case: who declares it.
        declared: the batch prediction.
        owner: the use case whose model predicts; ``use_case`` itself, or another one.
        model: the model.
    """

    use_case: UseCase
    declared: BatchPrediction
    owner: UseCase
    model: Model

    @property
    def name(self) -> str:
        """The model that predicts: ``<use_case>/<model>``."""
        return f"{self.owner.name}/{self.model.name}"

    @property
    def dataset(self) -> Dataset:
        """Whose events are scored: those of ``use_case``, or when it has no dataset those of the model's."""
        return self.use_case.dataset or self.owner.data

    @property
    def carried(self) -> tuple[str, ...]:
        """Columns of the events that a prediction carries along: id, time, and those declared, each once."""
        return tuple(dict.fromkeys((self.dataset.id, self.dataset.occurred_at, *self.declared.columns)))


def batch_scoring(
    use_case: UseCase, declared: BatchPrediction, use_cases: Mapping[str, UseCase] | None = None
) -> BatchScoring:
    """The batch prediction, with the model that it names looked up.

    Args:
        use_case: who declares it.
        declared: one of its ``batch_predictions``.
        use_cases: by name, to find another one's model in.

    Raises:
        NotFoundError: there is no such use case or model.
        ConfigurationError: the model needs features that the dataset does not have, or a carried column is named like
            one of the table's own.
    """
    owner, model = use_case, declared.model
    if "/" in declared.model:
        name, model = declared.model.split("/")
        known = {use_case.name: use_case, **(use_cases or {})}
        if name not in known:
            raise NotFoundError(
                f"batch_predictions of {use_case.name} names the model {declared.model!r}; there is no use case "
                f"{name!r}: choose among {sorted(known)}"
            )
        owner = known[name]
    found = BatchScoring(use_case, declared, owner, owner.model(model))
    if taken := sorted({*OWN, *(c.column for c in Cadence)} & set(found.carried)):
        raise ConfigurationError(
            f"batch_predictions of {use_case.name} carries the columns {taken}, which the table of predictions has "
            "of its own; leave them out, or rename them in the events' SQL"
        )
    if missing := sorted(set(owner.data.feature_names) - set(found.dataset.feature_names)):
        raise ConfigurationError(
            f"batch_predictions of {use_case.name} asks {found.name} to predict; its dataset lacks the features "
            f"{missing} of that model: declare them in Dataset.features or views"
        )
    return found


def serving_sql(
    scoring: BatchScoring, cadence: Cadence, dialect: SqlDialect, partitions: str | None = None
) -> Query:
    """Query of the rows that serve: the newest promotion of the champion in each partition.

    Wrap it in parentheses and select from it. Its parameters are ``serving_model`` and ``serving_stage``; the caller
    binds ``partitions``.

    Args:
        scoring: whose predictions.
        cadence: of the table's partitions.
        dialect: whose SQL.
        partitions: name of a parameter that lists values of the partition column; None: all partitions.
    """
    column, promotion = dialect.quoted(cadence.column), dialect.quoted(PROMOTION)
    some = f"\nAND {dialect.is_in(column, partitions, cadence.arrow_type)}" if partitions else ""
    sql = (
        f"SELECT * FROM {dialect.quoted(scoring.declared.relation)}\n"
        f"WHERE {dialect.quoted(MODEL)} = {dialect.parameter('serving_model')}"
        f" AND {dialect.quoted(STAGE)} = {dialect.parameter('serving_stage')}{some}\n"
        f"QUALIFY {promotion} = MAX({promotion}) OVER (PARTITION BY {column})"
    )
    return Query(sql, {"serving_model": scoring.name, "serving_stage": CHAMPION})
