"""The contract of whatever brings an alert to a person."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

__all__ = ["Alert", "Alerts"]


@dataclass(frozen=True)
class Alert:
    """A fact that somebody has to know.

    Attributes:
        asset: key of the asset at fault, e.g. ``card_fraud/model``.
        owner: who answers for it, as declared.
        title: what is wrong, in one line.
        detail: what was found, and what to do.
        link: where to look, or empty.
        severity: ``error`` needs somebody now, ``warning`` today.
        route: where the use case wants its alerts, as the backend understands it.
    """

    asset: str
    owner: str
    title: str
    detail: str = ""
    link: str = ""
    severity: Literal["error", "warning"] = "error"
    route: str = "log"


class Alerts(ABC):
    """A destination of alerts."""

    @abstractmethod
    def send(self, alert: Alert) -> None:
        """Hand over one alert; when this returns, it has been.

        Raises:
            StoreUnavailableError: it could not be.
        """
