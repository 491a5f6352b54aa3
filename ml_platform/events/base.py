"""The contract of an event bus, and of a log that can also be read back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ml_platform.events.cloudevents import CloudEvent

__all__ = ["Consumer", "EventBus", "EventLog", "Published", "Record"]


@dataclass(frozen=True, slots=True)
class Published:
    """How many events were new, and how many the topic had already."""

    new: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Record:
    """An event and its place in the topic, counted from 1."""

    offset: int
    event: CloudEvent


class Consumer(ABC):
    """One reader of one topic, known by its name: at least once, in order.

    It starts after the last committed offset of its name; what was polled and not committed is delivered
    again to the next consumer of that name. Two consumers of one name at the same time each get every event.
    """

    @abstractmethod
    def poll(self, limit: int = 1000) -> list[Record]:
        """The next events, at most ``limit``; empty when there are none yet."""

    @abstractmethod
    def commit(self, offset: int) -> None:
        """Declare every event up to ``offset`` done, durably; never takes back what was committed.

        Raises:
            ConfigurationError: this consumer has not been given events up to there.
        """


class EventBus(ABC):
    """Where events are published.

    A topic keeps one event per id, in the order of publishing. Any number of processes may publish and
    consume.
    """

    @abstractmethod
    def publish(self, topic: str, events: Iterable[CloudEvent]) -> Published:
        """Publish events, in their order; they are durable when this returns.

        Killed half way, what was published is a prefix of ``events``: publish them all again, and the prefix
        counts as duplicates. An event whose id the topic has is a duplicate, and changes nothing.

        Raises:
            ConfigurationError: the topic's name is not legal.
            DataError: an event cannot be written as JSON; those before it may be published.
            LockTimeoutError: another process held the bus for too long.
        """

    @abstractmethod
    def consumer(self, topic: str, name: str) -> Consumer:
        """The consumer of that name; a new name starts at the beginning of the topic."""


class EventLog(EventBus):
    """A bus that keeps all events and can be read from any offset."""

    @abstractmethod
    def read(self, topic: str, after_offset: int = 0, limit: int = 1000) -> list[Record]:
        """Events after an offset, in order, at most ``limit``; none at the end or of an unknown topic."""

    @abstractmethod
    def tail(self, topic: str, n: int) -> list[Record]:
        """The last ``n`` events, oldest first."""

    @abstractmethod
    def topics(self) -> dict[str, int]:
        """Topics that have events, and how many, by name."""

    def follow(
        self, topic: str, after_offset: int = 0, *, wait: Callable[[], bool], limit: int = 1000
    ) -> Iterator[Record]:
        """Events after an offset, and then those to come.

        Args:
            topic: which.
            after_offset: 0 is from the beginning.
            wait: called at the end of the topic; it returns, when it is worth to look again, whether to stop
                (such as ``partial(threading.Event().wait, 1.0)``).
            limit: events to read at once.
        """
        while True:
            records = self.read(topic, after_offset, limit)
            yield from records
            if records:
                after_offset = records[-1].offset
            elif wait():
                return
