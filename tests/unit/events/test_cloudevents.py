import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from ml_platform.errors import DataError
from ml_platform.events.cloudevents import CloudEvent, event_id, timestamp


def test_the_structured_form_has_what_the_specification_requires() -> None:
    event = CloudEvent(
        "1", "/ml-platform/card", "test.v1", "2018-04-01T00:00:31Z", "payment 7", {"score": 0.25}
    )
    assert json.loads(event.to_json()) == {
        "specversion": "1.0",
        "id": "1",
        "source": "/ml-platform/card",
        "type": "test.v1",
        "time": "2018-04-01T00:00:31Z",
        "subject": "payment 7",
        "datacontenttype": "application/json",
        "data": {"score": 0.25},
    }
    assert CloudEvent.from_json(event.to_json()) == event


def test_an_empty_subject_is_left_out_for_the_specification_forbids_it() -> None:
    assert "subject" not in json.loads(CloudEvent("1", "/s", "t", "2018-04-01T00:00:31Z").to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"specversion":"0.3","id":"1","source":"/s","type":"t","time":"2018-04-01T00:00:31Z"}',
        '{"specversion":"1.0","id":"","source":"/s","type":"t","time":"2018-04-01T00:00:31Z"}',
        '{"specversion":"1.0","id":"1","source":"/s","type":"t"}',
    ],
)
def test_what_is_no_event_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="not a CloudEvent"):
        CloudEvent.from_json(text)


def test_an_id_says_the_same_for_the_same_and_another_for_any_difference() -> None:
    assert event_id("r1", "7", "t") == event_id("r1", "7", "t")
    ids = {
        event_id(*says)
        for says in [("r1", "7", "t"), ("r17", "", "t"), ("r1", "7t"), ("r1", "7", "t", ""), ("r1", "", "7t")]
    }
    assert len(ids) == 5


def test_times_are_utc_whatever_the_zone_they_are_given_in() -> None:
    moment = datetime(2018, 4, 1, 12, 0, 0, 5, tzinfo=UTC)
    assert timestamp(moment) == "2018-04-01T12:00:00.000005Z"
    assert timestamp(moment.astimezone(timezone(timedelta(hours=5, minutes=30)))) == timestamp(moment)
    with pytest.raises(DataError, match="time zone"):
        timestamp(datetime(2018, 4, 1))  # noqa: DTZ001 (the point of the test)
