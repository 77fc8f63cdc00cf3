"""Dead letters without a database: headers as text and back, coordinates as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.catalog import STREAMS
from stream.declaration.persons import Person, PersonKind
from stream.moments import from_millis
from stream.mysql.dead_letters import content, headers_from_text, headers_to_text
from stream.mysql.selection import Coordinates
from stream.records import RECORD_BYTES_MAX, Headers, Record


@given(st.lists(st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=20)), max_size=4))
def test_headers_come_back_as_they_were(headers: list[tuple[str, bytes | None]]) -> None:
    assert headers_from_text(headers_to_text(headers)) == headers


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"1", b"v" * (RECORD_BYTES_MAX - 100), [("a", b"b")]),
        (None, None, []),
        (b"\xff" * (RECORD_BYTES_MAX // 2), b"v", []),
    ],
)
def test_a_record_is_kept_whole_as_long_as_it_is_not_too_large(
    key: bytes | None, value: bytes | None, headers: Headers
) -> None:
    assert content(Record(0, 0, key, value, headers)) == (key, value, headers_to_text(headers))


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (b"1", b"v" * RECORD_BYTES_MAX, []),
        (b"\xff" * (RECORD_BYTES_MAX - 1), None, []),
        (b"1", b"v", [("\x01" * 1_000_000, None)]),
        (b"1", b"v", [("", None)] * 500_000),
        (b"1", b"v", [("a", bytes(RECORD_BYTES_MAX))]),
    ],
)
def test_of_a_record_that_is_too_large_nothing_is_kept(
    key: bytes | None, value: bytes | None, headers: Headers
) -> None:
    """A control character of a header's name takes six in JSON."""
    assert content(Record(0, 0, key, value, headers)) == (None, None, None)


def test_a_key_longer_than_any_id_names_nobody() -> None:
    stream = STREAMS["user.lifecycle"]
    assert stream.person_of_key(b"clerk:" + b"x" * 256, None) == Person(PersonKind.CLERK, "x" * 256)
    assert stream.person_of_key(b"\xff" * 1_000_000, None) is None


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
