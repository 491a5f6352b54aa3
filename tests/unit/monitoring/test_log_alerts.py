import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ml_platform.monitoring.alerts.base import Alert
from ml_platform.monitoring.alerts.log import LogAlerts

ALERT = Alert(
    "card_fraud/model",
    "team:fraud",
    "gate failed",
    "auc ist 0,6: höher nötig",
    "http://127.0.0.1:3000/runs/1",
)


def test_an_alert_is_a_line_and_a_log_entry(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "state" / "alerts.jsonl"
    alerts = LogAlerts(path, clock=lambda: datetime(2018, 8, 1, tzinfo=UTC))
    with caplog.at_level(logging.WARNING):
        alerts.send(ALERT)
        alerts.send(Alert("a/b", "team:x", "late", severity="warning"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines[0] == {
        "at": "2018-08-01T00:00:00+00:00",
        "asset": "card_fraud/model",
        "owner": "team:fraud",
        "title": "gate failed",
        "detail": "auc ist 0,6: höher nötig",
        "link": "http://127.0.0.1:3000/runs/1",
        "severity": "error",
        "route": "log",
    }
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"]
    assert "team:fraud" in caplog.text
