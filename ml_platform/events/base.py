"""The contracts of publishing events, and of a log that keeps them and can be read back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ml_platform.events.cloudevents import CloudEvent

__all__ = ["Consumer", "EventLog", "LoggedEvent", "Published", "Publisher"]


@dataclass(frozen=True, slots=True)
class Published:
    """The outcome of publishing.

    Attributes:
        events: how many were handed over.
        new: how many of them the topic did not have; None: the bus cannot tell.
        duplicates: how many it had already; None: the bus cannot tell.
    """

    events: int
    new: int | None = None
    duplicates: int | None = None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event and its place in the topic, counted from 1."""

    offset: int
    event: CloudEvent


class Publisher(ABC):
    """The bus that events are published on.

    A bus promises at least once: publishing the same events again is always allowed, and a consumer may be given an
    event more than once. What makes that harmless is the event's id, derived from what it says: a consumer that has
    an effect keeps a ledger of ids. A bus may drop an event whose id it has, and then counts it as a duplicate.

    >>> publisher.publish("card_fraud.predictions", events)  # doctest: +SKIP
    Published(events=2, new=2, duplicates=0)
    """

    @abstractmethod
    def publish(self, topic: str, events: Iterable[CloudEvent]) -> Published:
        """Publish events, in their order; they are durable when this returns.

        Killed half way, some of ``events`` were published: publish them all again.

        Raises:
            ConfigurationError: the topic's name is not legal.
            DataError: an event cannot be written as JSON; those before it may be published.
            LockTimeoutError: another process held the bus for too long.
            StoreUnavailableError: the bus cannot be reached.
        """


class Consumer(ABC):
    """One reader of one topic, known by its name: at least once, in order.

    It starts after the last committed offset of its name; what was polled and not committed is delivered
    again to the next consumer of that name. Two consumers of one name at the same time each get every event.
    """

    @abstractmethod
    def poll(self, limit: int = 1000) -> list[LoggedEvent]:
        """The next events, at most ``limit``; empty when there are none yet."""

    @abstractmethod
    def commit(self, offset: int) -> None:
        """Declare every event up to ``offset`` done, durably; never takes back what was committed.

        Raises:
            ConfigurationError: this consumer has not been given events up to there.
        """


class EventLog(ABC):
    """The events that were published, kept and read back from any offset.

    A topic has one event an id, in the order in which ids were first published. Any number of processes may consume.
    """

    @abstractmethod
    def consumer(self, topic: str, name: str) -> Consumer:
        """The consumer of that name; a new name starts at the beginning of the topic.

        Raises:
            ConfigurationError: one of the names is not legal.
        """

    @abstractmethod
    def read(self, topic: str, after_offset: int = 0, limit: int = 1000) -> list[LoggedEvent]:
        """Events after an offset, in order, at most ``limit``; none at the end or of an unknown topic."""

    @abstractmethod
    def tail(self, topic: str, n: int) -> list[LoggedEvent]:
        """The last ``n`` events, oldest first."""

    @abstractmethod
    def topics(self) -> dict[str, int]:
        """Topics that have events, and how many, by name."""

    def follow(
        self, topic: str, after_offset: int = 0, *, wait: Callable[[], bool], limit: int = 1000
    ) -> Iterator[LoggedEvent]:
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
