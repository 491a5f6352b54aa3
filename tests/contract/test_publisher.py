"""The contract of publishing events, run on every backend.

A bus promises at least once, so what arrives is looked at by id, and a repetition is no failure.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.events.base import Published, Publisher
from ml_platform.events.cloudevents import CloudEvent
from ml_platform.events.local import LocalEventLog

TOPIC = "card.predictions"


@dataclass(frozen=True)
class Bus:
    """A publisher, and what a subscriber is given of a topic by now: at least once, in any order."""

    publisher: Publisher
    delivered: Callable[[str], list[CloudEvent]]


def local(folder: Path) -> Bus:
    log = LocalEventLog(folder / "deep" / "events.db", batch=7)
    return Bus(log, lambda topic: [logged.event for logged in log.read(topic, limit=10_000)])


BUSES = {"local": local}


@pytest.fixture(params=BUSES)
def bus(request: pytest.FixtureRequest, tmp_path: Path) -> Bus:
    return BUSES[request.param](tmp_path)


def event(n: int, **data: object) -> CloudEvent:
    time = f"2018-04-01T00:00:{n % 60:02d}Z"
    return CloudEvent(f"id-{n}", "/ml-platform/card", "test.v1", time, f"payment {n}", {"n": n, **data})


def events(*numbers: int) -> list[CloudEvent]:
    return [event(n) for n in numbers]


def arrived(bus: Bus, topic: str = TOPIC) -> set[int]:
    return {event.data["n"] for event in bus.delivered(topic)}


def test_what_is_published_arrives_whole(bus: Bus) -> None:
    published = bus.publisher.publish(TOPIC, events(*range(20)))
    assert published.events == 20
    assert {e.id: e for e in bus.delivered(TOPIC)} == {e.id: e for e in events(*range(20))}


def test_content_of_every_kind_survives(bus: Bus) -> None:
    data = {"a": [1, {"b": None}], "☃": 1.5}
    rich = CloudEvent("ünïcode ☃ 'quote'", "/s", "t.v1", "2018-04-01T00:00:00.000001Z", "", data)
    bus.publisher.publish(TOPIC, [rich])
    assert bus.delivered(TOPIC)[0] == rich


def test_publishing_again_is_harmless_by_id(bus: Bus) -> None:
    first = bus.publisher.publish(TOPIC, events(1, 2, 3))
    again = bus.publisher.publish(TOPIC, events(3, 4, 1, 4, 5))
    assert arrived(bus) == {1, 2, 3, 4, 5}
    assert told(first, 3, 0)
    assert told(again, 2, 3)


def told(published: Published, new: int, duplicates: int) -> bool:
    """Tell whether a bus that can tell what it had already says the truth."""
    return published == Published(new + duplicates, new, duplicates) or published == Published(
        new + duplicates
    )


def test_nothing_is_published_of_nothing(bus: Bus) -> None:
    assert told(bus.publisher.publish(TOPIC, []), 0, 0)
    assert bus.delivered(TOPIC) == []


def test_topics_are_apart(bus: Bus) -> None:
    bus.publisher.publish(TOPIC, events(1, 2))
    bus.publisher.publish("other.topic", events(2, 3))
    assert (arrived(bus), arrived(bus, "other.topic")) == ({1, 2}, {2, 3})


@pytest.mark.parametrize(
    "name", ["", "ab", "1abc", "a b c", "x" * 65, "å-topic", "topic'; DROP TABLE events"]
)
def test_names_that_some_bus_would_refuse_are_refused_by_all(bus: Bus, name: str) -> None:
    with pytest.raises(ConfigurationError, match="3 to 64"):
        bus.publisher.publish(name, events(1))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_say_is_refused_by_id(bus: Bus, value: object) -> None:
    with pytest.raises(DataError, match="id-3"):
        bus.publisher.publish(TOPIC, [event(1), event(2), event(3, value=value)])
    assert arrived(bus) <= {1, 2}


def test_after_an_error_of_the_source_everything_can_be_published_again(bus: Bus) -> None:
    def failing() -> Iterator[CloudEvent]:
        yield from events(*range(10))
        raise RuntimeError("warehouse gone")

    with pytest.raises(RuntimeError, match="warehouse gone"):
        bus.publisher.publish(TOPIC, failing())
    kept = len(arrived(bus))
    assert arrived(bus) <= set(range(10))
    assert told(bus.publisher.publish(TOPIC, events(*range(10))), 10 - kept, kept)
    assert arrived(bus) == set(range(10))
