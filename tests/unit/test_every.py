"""The timer, by a clock that tests set."""

from __future__ import annotations

import pytest

from stream.every import Every


class Hands:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_timer_is_due_at_once_and_stays_due_until_it_is_restarted() -> None:
    hands = Hands()
    timer = Every(5.0, hands)
    assert timer.is_due()
    assert timer.is_due()
    timer.restart()
    assert not timer.is_due()


@pytest.mark.parametrize(("seconds_later", "is_due"), [(0.0, False), (4.9, False), (5.0, True), (60.0, True)])
def test_a_timer_is_due_again_so_many_seconds_after_its_restart(seconds_later: float, is_due: bool) -> None:
    hands = Hands()
    timer = Every(5.0, hands)
    timer.restart()
    hands.now += seconds_later
    assert timer.is_due() is is_due


def test_what_takes_a_turn_late_has_its_next_one_as_late() -> None:
    hands = Hands()
    timer = Every(5.0, hands)
    turns = []
    for now in (100.0, 101.0, 105.0, 117.0, 118.0, 121.9, 122.0):
        hands.now = now
        if timer.take():
            turns.append(now)
    assert turns == [100.0, 105.0, 117.0, 122.0]
