"""The brake of a replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stream.errors import DatabaseUnavailable
from stream.replay.brake import IDLE_SECONDS_MAX, LAG_RECORDS_MIN, LOOK_SECONDS, Brake, LiveLag

MANY = LAG_RECORDS_MIN * 10


class Live:
    """A live group as it is seen at each look, and a clock that moves on by a look's time."""

    def __init__(self, *seen: LiveLag | None) -> None:
        self.now = 0.0
        self._seen: Iterator[LiveLag | None] = iter(seen)

    def look(self) -> LiveLag:
        lag = next(self._seen)
        if lag is None:
            raise DatabaseUnavailable("unreachable", 2003)
        return lag

    def held(self, looks: int, seconds: float = LOOK_SECONDS) -> Sequence[bool]:
        brake = Brake(self.look, lambda: self.now)
        answers = []
        for _ in range(looks):
            answers.append(brake.holds())
            self.now += seconds
        return answers


def test_it_holds_from_the_growth_until_the_lag_is_what_it_was() -> None:
    lags = [MANY, MANY + 5, MANY + 9, MANY + 1, MANY, MANY]
    live = Live(*(LiveLag(lag, applied) for applied, lag in enumerate(lags)))
    assert live.held(len(lags)) == [False, True, True, True, False, False]


def test_a_small_lag_and_a_lag_that_shrinks_hold_nothing() -> None:
    live = Live(*(LiveLag(lag, applied) for applied, lag in enumerate([0, LAG_RECORDS_MIN, 10 * MANY, MANY])))
    assert live.held(2) == [False, False]
    shrinking = Live(*(LiveLag(MANY - applied, applied) for applied in range(4)))
    assert shrinking.held(4) == [False] * 4


def test_a_live_group_that_does_nothing_is_not_waited_for() -> None:
    idle = Live(*(LiveLag(MANY + n, 7) for n in range(4)))
    assert idle.held(4) == [False] * 4
    fell_silent = Live(LiveLag(MANY, 1), LiveLag(MANY + 1, 2), LiveLag(MANY + 2, 2), LiveLag(MANY + 3, 2))
    assert fell_silent.held(4, IDLE_SECONDS_MAX * 0.6) == [False, True, True, False]


def test_without_an_answer_it_stays_as_it_is() -> None:
    live = Live(LiveLag(MANY, 1), LiveLag(MANY + 1, 2), None, None, LiveLag(MANY, 3))
    assert live.held(5) == [False, True, True, True, False]


def test_it_looks_now_and_then_only() -> None:
    live = Live(LiveLag(0, 0))
    assert live.held(3, LOOK_SECONDS / 4) == [False] * 3
