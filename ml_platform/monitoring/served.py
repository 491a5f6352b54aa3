"""The predictions that served, as monitoring reads them: a query, and the declarations that say what it gives."""

from dataclasses import dataclass
from datetime import datetime

from ml_platform.errors import NotFoundError
from ml_platform.models.tasks.base import Task, task
from ml_platform.use_case import Dataset, Model
from ml_platform.warehouse.base import Query, Warehouse

__all__ = ["Served"]


@dataclass(frozen=True)
class Served:
    """Predictions that served.

    Attributes:
        relation: the table that holds them.
        rows: query of those that served: id and time of the event, ``release``, and the task's columns.
        dataset: of the events, with their label.
        model: that predicted.
    """

    relation: str
    rows: Query
    dataset: Dataset
    model: Model

    @property
    def task(self) -> Task:
        """The model's task."""
        return task(self.model.task)

    def require(self, warehouse: Warehouse) -> None:
        """Refuse a table that is not there. Raises NotFoundError."""
        if not warehouse.exists(self.relation):
            raise NotFoundError(
                f"there is no {self.relation}; materialise the predictions of the model {self.model.name} first"
            )

    def between(self, warehouse: Warehouse, first: datetime, end: datetime) -> Query:
        """Query of the rows of events from ``first`` to before ``end``, with parameters of these names."""
        sql = warehouse.dialect
        time = f"p.{sql.quoted(self.dataset.occurred_at)}"
        return Query(
            f"SELECT p.* FROM ({self.rows.sql}) AS p "
            f"WHERE {time} >= {sql.parameter('first')} AND {time} < {sql.parameter('end')}",
            {**self.rows.parameters, "first": first, "end": end},
        )
