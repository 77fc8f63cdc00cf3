"""Progress beside the log: why a partition can't go on, how it would, and what can be verified."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import KafkaUnavailable, StopReason, TerminalError
from stream.kafka.brokers import Log
from stream.operate.offsets import acceptances
from stream.operate.standing import Applied, Place, Places, stop_reason
from stream.records import Range, TopicPartition
from stream.replay.verify import applied_ranges

offsets = st.integers(0, 2**63 - 1)


def place(stored: int, low: int, high: int, topic_id: str = "ours") -> Place:
    """A partition that is applied up to an offset, beside its log."""
    applied = Applied("ours", stored, 1, "somebody", None)
    return Place(TopicPartition("trip", 0), Log(topic_id, low, high, high), applied)


@pytest.mark.parametrize(
    ("stored", "low", "high", "reason"),
    [
        (0, 0, 0, None),
        (5, 5, 9, None),
        (9, 5, 9, None),
        (4, 5, 9, StopReason.RETENTION_OVERTOOK),
        (10, 5, 9, StopReason.LOG_IS_SHORTER),
        (1, 0, 0, StopReason.LOG_IS_SHORTER),
        (0, 5, 5, StopReason.RETENTION_OVERTOOK),
    ],
)
def test_progress_must_lie_in_the_log(stored: int, low: int, high: int, reason: StopReason | None) -> None:
    assert stop_reason(stored, low, high) is reason


@given(offsets, offsets, offsets)
def test_another_topic_of_the_same_name_stops_whatever_the_offsets_say(stored: int, first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert place(stored, low, high, "ours").stop_reason is stop_reason(stored, low, high)
    assert place(stored, low, high, "another").stop_reason is StopReason.TOPIC_RECREATED
    assert place(stored, low, high, "another").next_offset is None


@given(offsets, offsets, offsets)
def test_a_partition_goes_on_exactly_where_the_log_has_its_offset_or_ends(stored: int, first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert (stop_reason(stored, low, high) is None) is (low <= stored <= high)


@pytest.mark.parametrize(
    ("stopped", "reason", "lost"),
    [
        (place(4, 6, 9), StopReason.RETENTION_OVERTOOK, 2),
        (place(10, 0, 9), StopReason.LOG_IS_SHORTER, 0),
        (place(3, 5, 9, "another"), StopReason.TOPIC_RECREATED, 5),
    ],
)
def test_a_stopped_partition_goes_on_where_its_log_begins(stopped: Place, reason: StopReason, lost: int) -> None:
    (plan,) = acceptances([place(5, 5, 9), stopped, place(9, 5, 9)])
    assert (plan.reason, plan.goes_on_at, plan.records_never_applied_max) == (reason, stopped.log.low, lost)
    assert plan.topic_id == stopped.log.topic_id


def test_only_a_partition_without_a_leader_has_to_wait_for_it() -> None:
    leaderless = TopicPartition("trip", 1)
    places = Places([place(5, 5, 9)], {leaderless: None})
    with pytest.raises(KafkaUnavailable, match="no broker tells where trip/1 begins and ends"):
        places.required()
    assert places.of([TopicPartition("trip", 0)]).required() == places.known


def test_what_is_applied_and_still_in_the_log_is_verified() -> None:
    places = [place(7, 5, 9), place(5, 5, 9), place(3, 5, 9)]
    assert applied_ranges(places) == [Range("trip", 0, "ours", 5, 7)]


@pytest.mark.parametrize("other_log", [place(7, 5, 9, "another"), place(10, 5, 9)])
def test_a_log_that_is_not_the_applied_one_is_not_verified(other_log: Place) -> None:
    """A part behind the log's end would be waited for without end."""
    with pytest.raises(TerminalError, match="is not the log that was applied"):
        applied_ranges([other_log])
