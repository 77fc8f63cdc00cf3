"""Dead letters without a database: headers as text and back, coordinates as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.moments import from_millis
from stream.mysql.dead_letters import headers_from_text, headers_to_text
from stream.mysql.selection import Coordinates


@given(st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=20)), max_size=4))
def test_headers_come_back_as_they_were(headers: list[tuple[str, bytes | None]]) -> None:
    assert headers_from_text(headers_to_text(headers)) == headers


@given(st.from_regex(r"[a-zA-Z0-9._-]{1,30}", fullmatch=True), st.integers(0, 999), st.integers(0, 2**63))
def test_coordinates_are_read_as_they_are_printed(topic: str, partition: int, offset: int) -> None:
    assert Coordinates.parse(f"{topic}/{partition}/{offset}") == Coordinates(topic, partition, offset)


@pytest.mark.parametrize("text", ["", "trip", "trip/1", "trip/1/x", "trip/-1/3", "trip/1/3/", "trip/1/²"])
def test_what_are_no_coordinates_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="topic/partition/offset"):
        Coordinates.parse(text)


@pytest.mark.parametrize("timestamp_ms", [-1, 0, 253_402_300_799_999, 2**63 - 1])
def test_any_timestamp_of_kafka_becomes_a_moment_that_the_database_holds(timestamp_ms: int) -> None:
    """A producer may write any number there; it must not stop the partition."""
    assert 1970 <= from_millis(timestamp_ms).year <= 9999
