"""Alerts as lines of a file and of the log."""

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from ml_platform.errors import StoreUnavailableError
from ml_platform.monitoring.alerts.base import Alert, Alerts

__all__ = ["LogAlerts"]

_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class LogAlerts(Alerts):
    """Appends each alert to a file of JSON lines, and logs it.

    Args:
        path: the file; it and its folder are made when they are first needed.
        clock: the time that is written beside an alert.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = _now) -> None:
        self._path = path
        self._clock = clock

    def send(self, alert: Alert) -> None:
        """See :meth:`Alerts.send`. One write a line, so that processes do not mix theirs."""
        line = json.dumps({"at": self._clock().isoformat(), **asdict(alert)}, ensure_ascii=False) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, line.encode())
                os.fsync(file)
            finally:
                os.close(file)
        except OSError as error:
            raise StoreUnavailableError(
                f"an alert on {alert.asset} could not be written to {self._path}: {error}; repair the disk"
            ) from error
        level = logging.ERROR if alert.severity == "error" else logging.WARNING
        _log.log(level, "%s (%s): %s %s %s", alert.asset, alert.owner, alert.title, alert.detail, alert.link)
