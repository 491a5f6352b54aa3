"""The contract of an event bus, run on every backend."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.errors import ConfigurationError, DataError
from ml_platform.events.base import EventLog
from ml_platform.events.cloudevents import CloudEvent
from ml_platform.events.local import LocalEventLog

TOPIC = "card.predictions"
Open = Callable[[], EventLog]


@pytest.fixture(params=["local"])
def open_log(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return {"local": lambda: LocalEventLog(tmp_path / "deep" / "events.db", batch=7)}[request.param]


@pytest.fixture
def log(open_log: Open) -> EventLog:
    return open_log()


def event(n: int, **data: object) -> CloudEvent:
    time = f"2018-04-01T00:00:{n % 60:02d}Z"
    return CloudEvent(f"id-{n}", "/ml-platform/card", "test.v1", time, f"payment {n}", {"n": n, **data})


def events(*numbers: int) -> list[CloudEvent]:
    return [event(n) for n in numbers]


def numbers(records: list) -> list[int]:
    return [record.event.data["n"] for record in records]


def test_what_is_published_is_read_back_in_order(log: EventLog) -> None:
    published = log.publish(TOPIC, events(*range(20)))
    assert (published.new, published.duplicates) == (20, 0)
    records = log.read(TOPIC)
    assert [r.event for r in records] == events(*range(20))
    assert [r.offset for r in records] == list(range(1, 21))


def test_content_of_every_kind_survives(log: EventLog) -> None:
    rich = CloudEvent(
        "ünïcode ☃ 'quote'",
        "/s",
        "t.v1",
        "2018-04-01T00:00:00.000001Z",
        "",
        {"a": [1, {"b": None}], "☃": 1.5},
    )
    log.publish(TOPIC, [rich])
    assert log.read(TOPIC)[0].event == rich


def test_publishing_again_changes_nothing_and_is_told(log: EventLog, open_log: Open) -> None:
    log.publish(TOPIC, events(1, 2, 3))
    again = open_log().publish(TOPIC, events(3, 4, 1, 4, 5))
    assert (again.new, again.duplicates) == (2, 3)
    assert numbers(log.read(TOPIC)) == [1, 2, 3, 4, 5]


def test_of_two_events_with_one_id_the_first_counts(log: EventLog) -> None:
    log.publish(TOPIC, [event(1, word="first"), event(1, word="second")])
    log.publish(TOPIC, [event(1, word="third")])
    assert [r.event.data["word"] for r in log.read(TOPIC)] == ["first"]


def test_topics_are_apart(log: EventLog) -> None:
    log.publish(TOPIC, events(1, 2))
    log.publish("other.topic", events(2, 3))
    assert numbers(log.read("other.topic")) == [2, 3]
    assert log.topics() == {TOPIC: 2, "other.topic": 2}


def test_reading_from_an_offset_in_pieces(log: EventLog) -> None:
    log.publish(TOPIC, events(*range(10)))
    assert numbers(log.read(TOPIC, after_offset=4, limit=3)) == [4, 5, 6]
    assert log.read(TOPIC, after_offset=10) == []
    assert log.read("never.published") == []


def test_tail_gives_the_last_ones_oldest_first(log: EventLog) -> None:
    log.publish(TOPIC, events(*range(10)))
    assert numbers(log.tail(TOPIC, 3)) == [7, 8, 9]
    assert numbers(log.tail(TOPIC, 99)) == list(range(10))


def test_following_goes_on_with_what_is_published_later(log: EventLog) -> None:
    log.publish(TOPIC, events(*range(5)))
    later: Iterator[int] = iter((5, 6))

    def wait() -> bool:
        n = next(later, None)
        if n is not None:
            log.publish(TOPIC, events(n))
        return n is None

    assert numbers(list(log.follow(TOPIC, 2, wait=wait, limit=2))) == [2, 3, 4, 5, 6]


def test_a_consumer_gets_everything_once_it_commits(log: EventLog, open_log: Open) -> None:
    log.publish(TOPIC, events(*range(5)))
    consumer = log.consumer(TOPIC, "alerts")
    first = consumer.poll(2)
    consumer.commit(first[-1].offset)
    assert numbers(consumer.poll(2)) == [2, 3]
    assert numbers(open_log().consumer(TOPIC, "alerts").poll()) == [2, 3, 4]


def test_what_was_not_committed_is_delivered_again(log: EventLog, open_log: Open) -> None:
    log.publish(TOPIC, events(*range(4)))
    consumer = log.consumer(TOPIC, "alerts")
    records = consumer.poll()
    consumer.commit(records[1].offset)
    assert numbers(open_log().consumer(TOPIC, "alerts").poll()) == [2, 3]


def test_consumers_do_not_disturb_each_other(log: EventLog) -> None:
    log.publish(TOPIC, events(*range(3)))
    one, other = log.consumer(TOPIC, "one"), log.consumer(TOPIC, "other")
    one.commit(one.poll()[-1].offset)
    assert numbers(other.poll()) == [0, 1, 2]


def test_an_older_commit_takes_nothing_back(log: EventLog) -> None:
    log.publish(TOPIC, events(*range(3)))
    slow, fast = log.consumer(TOPIC, "team"), log.consumer(TOPIC, "team")
    slow_records, fast_records = slow.poll(), fast.poll()
    fast.commit(fast_records[-1].offset)
    slow.commit(slow_records[0].offset)
    assert log.consumer(TOPIC, "team").poll() == []


def test_a_consumer_cannot_commit_what_it_was_not_given(log: EventLog) -> None:
    log.publish(TOPIC, events(*range(3)))
    consumer = log.consumer(TOPIC, "alerts")
    consumer.poll(1)
    with pytest.raises(ConfigurationError, match="cannot commit 2"):
        consumer.commit(2)
    assert numbers(log.consumer(TOPIC, "alerts").poll()) == [0, 1, 2]


def test_a_consumer_may_wait_for_a_topic_that_is_not_there_yet(log: EventLog) -> None:
    consumer = log.consumer(TOPIC, "early")
    assert consumer.poll() == []
    log.publish(TOPIC, events(1))
    assert numbers(consumer.poll()) == [1]


@pytest.mark.parametrize(
    "name", ["", "ab", "1abc", "a b c", "x" * 65, "å-topic", "topic'; DROP TABLE events"]
)
def test_names_that_some_backend_would_refuse_are_refused_by_all(log: EventLog, name: str) -> None:
    with pytest.raises(ConfigurationError, match="3 to 64"):
        log.publish(name, events(1))
    with pytest.raises(ConfigurationError, match="3 to 64"):
        log.consumer(TOPIC, name)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_what_json_cannot_say_is_refused_by_id(log: EventLog, value: object) -> None:
    with pytest.raises(DataError, match="id-3"):
        log.publish(TOPIC, [event(1), event(2), event(3, value=value)])
    assert set(numbers(log.read(TOPIC))) <= {1, 2}


def test_an_error_of_the_publisher_keeps_what_was_published_before(log: EventLog) -> None:
    def failing() -> Iterator[CloudEvent]:
        yield from events(*range(10))
        raise RuntimeError("warehouse gone")

    with pytest.raises(RuntimeError, match="warehouse gone"):
        log.publish(TOPIC, failing())
    kept = numbers(log.read(TOPIC))
    assert kept == list(range(len(kept)))
    published = log.publish(TOPIC, events(*range(10)))
    assert (published.new, published.duplicates) == (10 - len(kept), len(kept))
    assert numbers(log.read(TOPIC)) == list(range(10))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.lists(st.integers(0, 15), max_size=20), max_size=5))
def test_a_topic_is_its_distinct_events_in_the_order_of_first_publishing(
    open_log: Open, calls: list[list[int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    topic = f"topic-{tmp_path_factory.mktemp('topic').name}"
    log = open_log()
    told = [log.publish(topic, events(*call)) for call in calls]
    flat = [n for call in calls for n in call]
    assert numbers(log.read(topic)) == list(dict.fromkeys(flat))
    assert sum(p.new for p in told) == len(set(flat))
    assert sum(p.new + p.duplicates for p in told) == len(flat)
