"""The contract of a log of events, run on every backend."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.errors import ConfigurationError
from ml_platform.events.base import EventLog, Publisher
from ml_platform.events.cloudevents import CloudEvent
from ml_platform.events.local import LocalEventLog

TOPIC = "card.predictions"


class Log(EventLog, Publisher):
    """A log that can be published to, which is how the suite fills it."""


Open = Callable[[], Log]
LOGS: dict[str, Callable[[Path], Log]] = {
    "local": lambda folder: LocalEventLog(folder / "events.db", batch=7)
}


@pytest.fixture(params=LOGS)
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return lambda: LOGS[request.param](tmp_path / "deep")


@pytest.fixture
def log(open_log: Open) -> Log:
    return open_log()


def event(n: int, **data: object) -> CloudEvent:
    time = f"2018-04-01T00:00:{n % 60:02d}Z"
    return CloudEvent(f"id-{n}", "/ml-platform/card", "test.v1", time, f"payment {n}", {"n": n, **data})


def events(*numbers: int) -> list[CloudEvent]:
    return [event(n) for n in numbers]


def numbers(records: list) -> list[int]:
    return [record.event.data["n"] for record in records]


def test_what_is_published_is_read_back_in_order(log: Log) -> None:
    log.publish(TOPIC, events(*range(20)))
    records = log.read(TOPIC)
    assert [r.event for r in records] == events(*range(20))
    assert [r.offset for r in records] == list(range(1, 21))


def test_publishing_again_changes_nothing(log: Log, open_log: Open) -> None:
    log.publish(TOPIC, events(1, 2, 3))
    open_log().publish(TOPIC, events(3, 4, 1, 4, 5))
    assert numbers(log.read(TOPIC)) == [1, 2, 3, 4, 5]


def test_of_two_events_with_one_id_the_first_counts(log: Log) -> None:
    log.publish(TOPIC, [event(1, word="first"), event(1, word="second")])
    log.publish(TOPIC, [event(1, word="third")])
    assert [r.event.data["word"] for r in log.read(TOPIC)] == ["first"]


def test_topics_are_apart(log: Log) -> None:
    log.publish(TOPIC, events(1, 2))
    log.publish("other.topic", events(2, 3))
    assert numbers(log.read("other.topic")) == [2, 3]
    assert log.topics() == {TOPIC: 2, "other.topic": 2}


def test_reading_from_an_offset_in_pieces(log: Log) -> None:
    log.publish(TOPIC, events(*range(10)))
    assert numbers(log.read(TOPIC, after_offset=4, limit=3)) == [4, 5, 6]
    assert log.read(TOPIC, after_offset=10) == []
    assert log.read("never.published") == []


def test_tail_gives_the_last_ones_oldest_first(log: Log) -> None:
    log.publish(TOPIC, events(*range(10)))
    assert numbers(log.tail(TOPIC, 3)) == [7, 8, 9]
    assert numbers(log.tail(TOPIC, 99)) == list(range(10))


def test_following_goes_on_with_what_is_published_later(log: Log) -> None:
    log.publish(TOPIC, events(*range(5)))
    later: Iterator[int] = iter((5, 6))

    def wait() -> bool:
        n = next(later, None)
        if n is not None:
            log.publish(TOPIC, events(n))
        return n is None

    assert numbers(list(log.follow(TOPIC, 2, wait=wait, limit=2))) == [2, 3, 4, 5, 6]


def test_a_consumer_gets_everything_once_it_commits(log: Log, open_log: Open) -> None:
    log.publish(TOPIC, events(*range(5)))
    consumer = log.consumer(TOPIC, "alerts")
    first = consumer.poll(2)
    consumer.commit(first[-1].offset)
    assert numbers(consumer.poll(2)) == [2, 3]
    assert numbers(open_log().consumer(TOPIC, "alerts").poll()) == [2, 3, 4]


def test_what_was_not_committed_is_delivered_again(log: Log, open_log: Open) -> None:
    log.publish(TOPIC, events(*range(4)))
    consumer = log.consumer(TOPIC, "alerts")
    records = consumer.poll()
    consumer.commit(records[1].offset)
    assert numbers(open_log().consumer(TOPIC, "alerts").poll()) == [2, 3]


def test_consumers_do_not_disturb_each_other(log: Log) -> None:
    log.publish(TOPIC, events(*range(3)))
    one, other = log.consumer(TOPIC, "one"), log.consumer(TOPIC, "other")
    one.commit(one.poll()[-1].offset)
    assert numbers(other.poll()) == [0, 1, 2]


def test_an_older_commit_takes_nothing_back(log: Log) -> None:
    log.publish(TOPIC, events(*range(3)))
    slow, fast = log.consumer(TOPIC, "team"), log.consumer(TOPIC, "team")
    slow_records, fast_records = slow.poll(), fast.poll()
    fast.commit(fast_records[-1].offset)
    slow.commit(slow_records[0].offset)
    assert log.consumer(TOPIC, "team").poll() == []


def test_a_consumer_cannot_commit_what_it_was_not_given(log: Log) -> None:
    log.publish(TOPIC, events(*range(3)))
    consumer = log.consumer(TOPIC, "alerts")
    consumer.poll(1)
    with pytest.raises(ConfigurationError, match="cannot commit 2"):
        consumer.commit(2)
    assert numbers(log.consumer(TOPIC, "alerts").poll()) == [0, 1, 2]


def test_a_consumer_may_wait_for_a_topic_that_is_not_there_yet(log: Log) -> None:
    consumer = log.consumer(TOPIC, "early")
    assert consumer.poll() == []
    log.publish(TOPIC, events(1))
    assert numbers(consumer.poll()) == [1]


@pytest.mark.parametrize(
    "name", ["", "ab", "1abc", "a b c", "x" * 65, "å-topic", "topic'; DROP TABLE events"]
)
def test_names_that_some_backend_would_refuse_are_refused_by_all(log: Log, name: str) -> None:
    with pytest.raises(ConfigurationError, match="3 to 64"):
        log.consumer(TOPIC, name)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.lists(st.integers(0, 15), max_size=20), max_size=5))
def test_a_topic_is_its_distinct_events_in_the_order_of_first_publishing(
    open_log: Open, calls: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    topic = f"topic-{tmp_path_factory.mktemp('topic').name}"
    log = open_log()
    for call in calls:
        log.publish(topic, events(*call))
    assert numbers(log.read(topic)) == list(dict.fromkeys(n for call in calls for n in call))
