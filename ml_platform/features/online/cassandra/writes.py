"""Many idempotent writes to Cassandra.

Unlogged batches by replica, a bounded number on their way, retried with backoff.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from cassandra.cluster import Session
from cassandra.query import BatchStatement, BatchType, BoundStatement, PreparedStatement

from ml_platform.features.online.cassandra.session import OVERLOADED, TRANSIENT, WRITE, explained
from ml_platform.features.online.cassandra.settings import CassandraSettings

__all__ = ["BatchWriter"]


class BatchWriter:
    """Sends batches of prepared statements that may be repeated.

    The number on their way is halved when the server is overloaded and grows by one a round of successes, so
    that a cluster in trouble is left room. A batch that failed is sent again after a wait that doubles each
    time, with jitter.
    """

    def __init__(self, session: Session, settings: CassandraSettings) -> None:
        self._session = session
        self._settings = settings
        self._window = float(settings.writes_in_flight)
        self._random = random.Random()  # noqa: S311 (jitter)

    def write(self, prepared: PreparedStatement, rows: Iterable[tuple[bytes | None, ...]]) -> None:
        """Write rows, each the protocol's bytes of the statement's values in order.

        Raises:
            StoreUnavailableError: a batch failed after all attempts; any of the rows may have been written.
            ConfigurationError: the account may not write.
            NotFoundError: the table or a column is not there.
        """
        waiting: deque[tuple[BatchStatement, int]] = deque()
        done: deque[tuple[BatchStatement, int, BaseException | None]] = deque()
        woken = threading.Condition()
        batches = self._batches(prepared, rows)
        on_the_way = 0

        def finished(batch: BatchStatement, attempt: int, error: BaseException | None) -> None:
            with woken:
                done.append((batch, attempt, error))
                woken.notify()

        while True:
            while on_the_way < int(self._window):
                batch, attempt = waiting.popleft() if waiting else (next(batches, None), 1)
                if batch is None:
                    break
                future = self._session.execute_async(batch, execution_profile=WRITE)
                future.add_callbacks(
                    callback=lambda _, b=batch, a=attempt: finished(b, a, None),
                    errback=lambda error, b=batch, a=attempt: finished(b, a, error),
                )
                on_the_way += 1
            if not on_the_way:
                return
            with woken:
                while not done:
                    woken.wait()
                results = list(done)
                done.clear()
            on_the_way -= len(results)
            again = [self._retried(*result) for result in results if result[2] is not None]
            waiting.extend(again)
            if again:
                time.sleep(self._backoff(max(attempt for _, attempt in again) - 1))
            else:
                self._window = min(
                    self._settings.writes_in_flight, self._window + len(results) / self._window
                )

    def _retried(
        self, batch: BatchStatement, attempt: int, error: BaseException | None
    ) -> tuple[BatchStatement, int]:
        if isinstance(error, OVERLOADED):
            self._window = max(1.0, self._window / 2)
        if error is None or not isinstance(error, TRANSIENT) or attempt >= self._settings.write_attempts:
            raise explained(error or RuntimeError("no error"), self._settings) from error
        return batch, attempt + 1

    def _backoff(self, failures: int) -> float:
        longest: float = min(
            self._settings.max_backoff_seconds, self._settings.backoff_seconds * 2.0 ** (failures - 1)
        )
        return longest * self._random.uniform(0.5, 1.0)

    def _batches(
        self, prepared: PreparedStatement, rows: Iterable[tuple[bytes | None, ...]]
    ) -> Iterator[BatchStatement]:
        """Batches of rows that have the same first replica, so that a coordinator has them all itself."""
        metadata = self._session.cluster.metadata
        alone = len(metadata.all_hosts()) == 1
        open_batches: dict[Any, tuple[list[BoundStatement], int]] = {}
        for row in rows:
            statement = BoundStatement(prepared)
            statement.values = row
            replica = None
            if not alone:
                replicas = metadata.get_replicas(self._settings.keyspace, statement.routing_key)
                replica = replicas[0] if replicas else None
            size = sum(len(value) for value in row if value is not None)
            statements, total = open_batches.pop(replica, ([], 0))
            if statements and total + size > self._settings.batch_bytes:
                yield _batch(statements)
                statements, total = [], 0
            statements.append(statement)
            if len(statements) >= self._settings.batch_rows:
                yield _batch(statements)
            else:
                open_batches[replica] = (statements, total + size)
        for statements, _ in open_batches.values():
            yield _batch(statements)


def _batch(statements: list[BoundStatement]) -> BatchStatement:
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.is_idempotent = True  # every write carries its own timestamp
    for statement in statements:
        batch.add(statement)
    return batch
