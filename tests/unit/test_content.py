"""The content of a record, told without telling anybody's values."""

from __future__ import annotations

import pytest

from stream.operate.content import content_of
from stream.records import Record
from tests import events
from tests.events import NOON, encode, samples
from tests.stores import STORE

READERS = STORE.readers("trip")


def record(value: bytes | None, key: bytes = b"11") -> Record:
    return Record(0, NOON // 1000, key, value)


def test_values_are_told_by_kind_and_size_unless_they_are_revealed() -> None:
    datum = samples()["TripRated"] | {"feedback": "no secret", "trip_id": 11}
    hidden = content_of(record(encode("TripRated", datum)), READERS, is_revealed=False)
    assert hidden.fields["feedback"] == "(a text of 9 characters)"
    assert hidden.fields["user_id"] == "(a number)"
    assert hidden.fields["event_id"] == datum["event_id"]
    assert hidden.judgement.startswith("would be accepted now")
    revealed = content_of(record(encode("TripRated", datum)), READERS, is_revealed=True)
    assert revealed.fields["feedback"] == "no secret"


@pytest.mark.parametrize(
    ("value", "schema", "reason"),
    [
        (None, None, "empty_value"),
        (b"nonsense", None, "unknown_framing"),
        (encode("TripRated", events.rating())[:-3], "TripRated.v1", "truncated"),
    ],
)
def test_what_can_not_be_read_is_told_as_far_as_it_goes(value: bytes | None, schema: str | None, reason: str) -> None:
    content = content_of(record(value), READERS, is_revealed=True)
    assert (content.schema, content.fields) == (schema, {})
    assert reason in content.judgement
