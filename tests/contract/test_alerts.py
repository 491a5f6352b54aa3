"""The contract of whatever brings an alert to a person, run on every backend."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_platform.errors import MLPlatformError, StoreUnavailableError
from ml_platform.monitoring.alerts.base import Alert, Alerts
from ml_platform.monitoring.alerts.log import LogAlerts

ALERT = Alert(
    asset="card_fraud/model",
    owner="team:fraud",
    title="gate failed",
    detail="auc ist 0,6: höher nötig ☃ <b>&amp;</b>",
    link="http://127.0.0.1:3000/runs/1",
)


@dataclass(frozen=True)
class Place:
    """A place to which alerts are sent.

    Attributes:
        open: makes a sender, as each process has its own.
        texts: what a person has been shown by now, one text an alert, in the order of sending.
        unreachable: makes a sender whose other side cannot be reached.
    """

    open: Callable[[], Alerts]
    texts: Callable[[], list[str]]
    unreachable: Callable[[], Alerts]


@contextmanager
def log(folder: Path) -> Iterator[Place]:
    path = folder / "state" / "alerts.jsonl"
    (folder / "file").touch()
    yield Place(
        open=lambda: LogAlerts(path),
        texts=lambda: path.read_text(encoding="utf-8").splitlines() if path.exists() else [],
        unreachable=lambda: LogAlerts(folder / "file" / "alerts.jsonl"),
    )


PLACES = {"log": log}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with PLACES[request.param](tmp_path) as opened:
        yield opened


def test_a_person_sees_what_is_wrong_where_and_whose_it_is(place: Place) -> None:
    place.open().send(ALERT)
    (text,) = place.texts()
    for part in (ALERT.asset, ALERT.owner, ALERT.title, ALERT.link, "höher nötig ☃"):
        assert part in text


def test_every_alert_is_sent_once_and_in_order(place: Place) -> None:
    titles = [f"alert {n:03}" for n in range(5)]
    for title in titles:
        place.open().send(Alert("a/b", "team:x", title))
    assert len(place.texts()) == 5
    assert all(title in text for title, text in zip(titles, place.texts(), strict=True))


def test_a_warning_looks_other_than_an_error(place: Place) -> None:
    for severity in ("error", "warning"):
        place.open().send(Alert("a/b", "team:x", "late", severity=severity))
    error, warning = place.texts()
    assert error != warning


def test_an_alert_without_detail_and_link_is_an_alert(place: Place) -> None:
    place.open().send(Alert("a/b", "team:x", "late"))
    assert "late" in place.texts()[0]


def test_alerts_sent_at_once_do_not_mix(place: Place) -> None:
    titles = [f"alert {n:03}" for n in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda title: place.open().send(Alert("a", "o", title, "x" * 2000)), titles))
    texts = place.texts()
    assert len(texts) == 40
    assert all(sum(title in text for text in texts) == 1 for title in titles)


def test_an_alert_that_cannot_be_sent_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(StoreUnavailableError, match="card_fraud/model") as caught:
        place.unreachable().send(ALERT)
    assert isinstance(caught.value, MLPlatformError)
