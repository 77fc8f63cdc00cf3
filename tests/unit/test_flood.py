"""The guard against floods of dead letters: its window, its share, and how few records say nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream.engine.flood_guard import RECORDS_MIN, WINDOW_SECONDS, FloodGuard
from stream.errors import Reason

FUTURE, LONG, KEY = Reason.FROM_THE_FUTURE, Reason.TOO_LONG, Reason.KEY_MISMATCH


class Clock:
    """Time that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def guard(ratio_max: float = 0.2) -> tuple[FloodGuard, Clock]:
    clock = Clock()
    return FloodGuard(ratio_max, clock), clock


def test_more_than_the_share_is_a_flood_and_as_much_is_not() -> None:
    watching, _ = guard(0.2)
    assert watching.observe("trip", 1000, {FUTURE: 200}) is None
    watching, _ = guard(0.2)
    assert watching.observe("trip", 1000, {FUTURE: 201}) is FUTURE


def test_fewer_records_than_the_least_say_nothing() -> None:
    watching, _ = guard()
    assert watching.observe("trip", RECORDS_MIN - 1, {FUTURE: RECORDS_MIN - 1}) is None
    assert watching.observe("trip", 1, {}) is FUTURE, "from here on they are enough"


def test_each_reason_is_judged_by_itself() -> None:
    """Many kinds of faults at once are many broken records, not one cause."""
    watching, _ = guard(0.2)
    assert watching.observe("trip", 1000, {FUTURE: 150, LONG: 150, KEY: 150}) is None
    assert watching.observe("trip", 100, {LONG: 100}) is LONG


def test_each_topic_is_judged_by_itself() -> None:
    watching, _ = guard()
    assert watching.observe("trip", 1000, {FUTURE: 190}) is None
    assert watching.observe("bytemark.pass", 600, {FUTURE: 100}) is None
    assert watching.observe("bytemark.pass", 600, {FUTURE: 600}) is FUTURE
    assert watching.observe("trip", 100, {}) is None


def test_what_is_older_than_the_window_is_forgotten() -> None:
    watching, clock = guard()
    watching.observe("trip", 1000, {FUTURE: 190})
    clock.now += WINDOW_SECONDS
    assert watching.observe("trip", 0, {FUTURE: 11}) is FUTURE, "the window's edge belongs to it"
    watching.observe("trip", 1000, {FUTURE: 190})
    clock.now += WINDOW_SECONDS + 0.001
    assert watching.observe("trip", 1000, {FUTURE: 190}) is None
    clock.now += WINDOW_SECONDS + 0.001
    assert watching.observe("trip", RECORDS_MIN - 1, {FUTURE: RECORDS_MIN - 1}) is None, "sound ones are forgotten too"


def test_after_a_flood_it_counts_anew() -> None:
    watching, _ = guard()
    assert watching.observe("trip", 1000, {FUTURE: 1000}) is FUTURE
    assert watching.observe("trip", RECORDS_MIN - 1, {FUTURE: RECORDS_MIN - 1}) is None
    assert watching.observe("trip", 1, {FUTURE: 1}) is FUTURE


batches = st.lists(
    st.tuples(st.floats(0, 2 * WINDOW_SECONDS), st.integers(0, 2000), st.sampled_from([FUTURE, LONG]), st.floats(0, 1)),
    max_size=12,
)


@given(batches)
def test_a_share_of_one_lets_everything_pass(given_batches: list[tuple[float, int, Reason, float]]) -> None:
    watching, clock = guard(1)
    for seconds, records, reason, share in given_batches:
        clock.now += seconds
        assert watching.observe("trip", records, {reason: int(records * share)}) is None


@given(batches)
def test_the_sums_are_those_of_the_window(given_batches: list[tuple[float, int, Reason, float]]) -> None:
    """Against a guard that adds everything up anew each time."""
    watching, clock = guard(0.3)
    seen: list[tuple[float, int, Reason, int]] = []
    for seconds, records, reason, share in given_batches:
        clock.now += seconds
        seen.append((clock.now, records, reason, int(records * share)))
        inside = [batch for batch in seen if batch[0] >= clock.now - WINDOW_SECONDS]
        total = sum(batch[1] for batch in inside)
        flooding = {
            each for each in (FUTURE, LONG) if sum(batch[3] for batch in inside if batch[2] is each) > 0.3 * total
        }
        flooded = watching.observe("trip", records, {reason: int(records * share)})
        if total >= RECORDS_MIN and flooding:
            assert flooded in flooding
            seen.clear()
        else:
            assert flooded is None
