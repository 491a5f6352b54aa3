"""Publishers and consumers of the local log that are killed at random, and many at once."""

import random
from pathlib import Path

from samples.killed import go, start

from ml_platform.events.local import LocalEventLog

TOPIC = "test.topic"
EVENTS = 6_000

PUBLISH = """
import sys
from pathlib import Path
from ml_platform.events.cloudevents import CloudEvent
from ml_platform.events.local import LocalEventLog
path, first, last, batch = Path(sys.argv[1]), *map(int, sys.argv[2:5])
sys.stdin.readline()
time = "2018-04-01T00:00:00Z"
events = (CloudEvent(f"id-{n}", "/s", "t.v1", time, str(n), {"n": n}) for n in range(first, last))
published = LocalEventLog(path, batch=batch).publish("test.topic", events)
print(published.new, published.duplicates)
"""

CONSUME = """
import os, sys
from pathlib import Path
from ml_platform.events.local import LocalEventLog
consumer = LocalEventLog(Path(sys.argv[1])).consumer("test.topic", "team")
done = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sys.stdin.readline()
while records := consumer.poll(50):
    os.write(done, "".join(f"{r.event.data['n']}\\n" for r in records).encode())
    consumer.commit(records[-1].offset)
"""


def published(log: LocalEventLog) -> int:
    return log.topics().get(TOPIC, 0)


def test_a_publisher_killed_again_and_again_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    log, random_, kills = LocalEventLog(tmp_path / "events.db"), random.Random(3), 0
    while True:
        publisher = start(PUBLISH, tmp_path / "events.db", 0, EVENTS, 50)
        assert publisher.stdin is not None
        publisher.stdin.write("go\n")
        publisher.stdin.flush()
        enough = published(log) + random_.randrange(1, EVENTS // 4)
        while published(log) < enough and publisher.poll() is None:
            pass
        if publisher.poll() is not None:
            break
        publisher.kill()
        publisher.communicate()
        kills += 1
        kept = [r.event.data["n"] for r in log.read(TOPIC, limit=EVENTS)]
        assert kept == list(range(len(kept))), "what is there is a prefix, in order"
    new, duplicates = map(int, publisher.communicate()[0].split())
    assert kills
    assert new + duplicates == EVENTS
    records = log.read(TOPIC, limit=EVENTS + 1)
    assert [(r.offset, r.event.data["n"]) for r in records] == [(n + 1, n) for n in range(EVENTS)]


def test_a_consumer_killed_again_and_again_handles_every_event_in_order(tmp_path: Path) -> None:
    go([start(PUBLISH, tmp_path / "events.db", 0, EVENTS, 1000)])
    log, random_, kills = LocalEventLog(tmp_path / "events.db"), random.Random(5), 0
    runs = []
    while True:
        done = tmp_path / f"done {kills}"
        consumer = start(CONSUME, tmp_path / "events.db", done)
        assert consumer.stdin is not None
        consumer.stdin.write("go\n")
        consumer.stdin.flush()
        enough = log.committed(TOPIC, "team") + random_.randrange(1, EVENTS // 4)
        while log.committed(TOPIC, "team") < enough and consumer.poll() is None:
            pass
        finished = consumer.poll() is not None
        consumer.kill()
        consumer.communicate()
        runs.append([int(line) for line in done.read_text().split()] if done.exists() else [])
        if finished:
            break
        kills += 1
    assert kills
    assert set().union(*runs) == set(range(EVENTS))
    for run in runs:
        assert run == list(range(run[0], run[0] + len(run))) if run else True
    assert sum(map(len, runs)) <= EVENTS + 50 * kills, "only what was not committed comes again"


def test_publishers_at_once_share_one_log_in_which_each_event_is_once(tmp_path: Path) -> None:
    ranges = [(0, 3000), (1500, 4500), (3000, 6000), (0, 3000)]
    printed = go([start(PUBLISH, tmp_path / "events.db", first, last, 200) for first, last in ranges])
    told = [tuple(map(int, line.split())) for line in printed]
    assert [sum(t) for t in told] == [3000] * 4
    assert sum(new for new, _ in told) == 6000
    records = LocalEventLog(tmp_path / "events.db").read(TOPIC, limit=7000)
    assert [r.offset for r in records] == list(range(1, 6001))
    assert {r.event.data["n"] for r in records} == set(range(6000))
