"""Reasons for which a partition cannot go on at its stored offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import StopReason
from stream.operate.offsets import stop_reason

offsets = st.integers(0, 2**63 - 1)


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
    assert stop_reason(stored, low, high, is_same_topic=True) is reason


@given(offsets, offsets, offsets)
def test_another_topic_of_the_same_name_stops_whatever_the_offsets_say(stored: int, first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert stop_reason(stored, low, high, is_same_topic=False) is StopReason.TOPIC_RECREATED


@given(offsets, offsets, offsets)
def test_a_partition_goes_on_exactly_where_the_log_has_its_offset_or_ends(stored: int, first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert (stop_reason(stored, low, high, is_same_topic=True) is None) is (low <= stored <= high)
