"""The pace at which a sync writes, by a clock of the test's own."""

from ml_platform.features.sync.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def written(clock: Clock, pace: Pace, seconds: list[float], rows: int) -> None:
    for duration in seconds:
        pace.write(rows, lambda duration=duration: clock.sleep(duration))  # type: ignore[misc]


def test_a_limit_of_rows_a_second_is_kept() -> None:
    clock = Clock()
    pace = Pace(100, clock=clock, sleep=clock.sleep)
    assert pace.batch_rows == 50
    written(clock, pace, [0.1] * 10, 50)
    assert 4.5 <= clock.now <= 5.0


def test_without_a_limit_a_steady_store_is_never_waited_for() -> None:
    clock = Clock()
    pace = Pace(None, clock=clock, sleep=clock.sleep)
    written(clock, pace, [0.5, 0.6, 0.4, 0.5], 1000)
    assert clock.now == 2.0
    assert pace.rests == 0


def test_a_store_that_slows_down_is_left_alone_for_as_long() -> None:
    clock = Clock()
    pace = Pace(None, clock=clock, sleep=clock.sleep)
    written(clock, pace, [0.5, 4.0, 0.5], 1000)
    assert clock.now == 0.5 + 4.0 + 4.0 + 0.5
    assert pace.rests == 1
