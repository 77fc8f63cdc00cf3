"""Records decoded together: the same events and rejections, in the same order, as of each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.errors import Rejection
from stream.records import Record
from stream.schemas.readers import END, Reader
from stream.stages import together
from stream.stages.decode import decode, decode_record
from stream.stages.together import RECORDS_MAX, VALUE_BYTES_MAX, decode_together
from tests import events
from tests.events import TOPICS, rating
from tests.stores import STORE

READERS = {topic: STORE.readers(topic) for topic in set(TOPICS.values())}
DATA = events.samples()
FRAMINGS = (events.single_object_header, events.confluent_header)


def sample(name: str, header: Any = events.single_object_header) -> Record:
    return events.record(name, DATA[name])._replace(value=header(name) + events.body(name, DATA[name]))


def told(records: Sequence[Record], topic: str) -> tuple[list[Any], list[Any]]:
    """The outcome of each record by itself; of a rejection, all that it says."""
    accepted, rejected = [], []
    for record in records:
        try:
            accepted.append(decode_record(record, READERS[topic]))
        except Rejection as rejection:
            rejected.append((record, str(rejection), rejection.event_name))
    return accepted, rejected


def assert_same(records: Sequence[Record], topic: str) -> None:
    accepted, rejected = decode(records, READERS[topic])
    assert (accepted, [(record, str(why), why.event_name) for record, why in rejected]) == told(records, topic)


def together_count(records: Sequence[Record], topic: str) -> int:
    """The number of records that are decoded together."""
    return sum(decoded is not None for _, decoded in decode_together(records, READERS[topic]))


@pytest.mark.parametrize("topic", sorted(READERS))
def test_all_sound_records_of_a_topic_are_decoded_together(topic: str) -> None:
    names = [name for name in DATA if TOPICS[name] == topic]
    records = [sample(name, header) for name in names for header in FRAMINGS] * 3
    assert together_count(records, topic) == len(records)
    assert_same(records, topic)


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, list[Record]]:
    """Records of a topic, of which some are cut, lengthened, changed in a byte, or lack their key, value or time."""
    topic = draw(st.sampled_from(sorted(READERS)))
    names = st.sampled_from([name for name in DATA if TOPICS[name] == topic])
    records = []
    for _ in range(draw(st.integers(1, 12))):
        record = sample(draw(names), draw(st.sampled_from(FRAMINGS)))
        value = record.value or b""
        at = draw(st.integers(0, len(value) - 1))
        changed = value[:at] + bytes([draw(st.integers(0, 255))]) + value[at + 1 :]
        spoils = {
            "nothing": record,
            "cut": record._replace(value=value[:at]),
            "longer": record._replace(value=value + draw(st.binary(min_size=1, max_size=9))),
            "changed": record._replace(value=changed),
            "key": record._replace(key=draw(st.sampled_from([None, b"", b"x"]))),
            "value": record._replace(value=None),
            "time": record._replace(timestamp_ms=0),
        }
        records.append(spoils[draw(st.sampled_from([*spoils, "nothing", "nothing"]))])
    return topic, [record._replace(offset=offset) for offset, record in enumerate(records)]


@given(spoilt())
def test_spoilt_records_among_sound_ones_are_found_as_each_by_itself(log: tuple[str, list[Record]]) -> None:
    topic, records = log
    assert_same(records, topic)


def test_what_the_next_record_would_complete_is_unfit_all_the_same() -> None:
    """Two records whose bytes, one behind the other, are two sound data: the cut between them is wrong."""
    first, second = (sample("TripRated") for _ in range(2))
    value = first.value or b""
    records = [first._replace(value=value[:-1]), second._replace(value=value[:10] + value[-1:] + value[10:])]
    assert together_count(records, "trip") == 0
    assert_same(records, "trip")


def test_an_unfit_record_costs_only_those_near_it() -> None:
    records = [sample("TripRated")] * (3 * RECORDS_MAX)
    records[RECORDS_MAX] = sample("TripRated")._replace(value=b"\x00nothing")
    assert together_count(records, "trip") == 3 * RECORDS_MAX - 1, "it has another header, and is no part of them"
    records[RECORDS_MAX] = sample("TripRated")._replace(key=b"1")
    assert together_count(records, "trip") == 2 * RECORDS_MAX


def test_a_large_value_is_decoded_by_itself() -> None:
    large = events.record("TripRated", rating(feedback="x" * VALUE_BYTES_MAX))
    assert together_count([large, sample("TripRated")], "trip") == 1
    assert_same([large, sample("TripRated")], "trip")


def test_a_writer_whose_fields_are_passed_over_is_read_one_by_one() -> None:
    """Only bytes that tell their end keep fastavro from counting on behind them."""
    readers = READERS["trip"].by_header.values()
    assert all(reader.array is not None for reader in readers)
    some = next(iter(readers))
    passing = Reader(some.name, some.route, some.writer_schema, some.reader_schema, some.lists, has_unread_fields=True)
    assert passing.array is None


def test_the_end_of_a_datum_is_no_field_of_an_event() -> None:
    for readers in READERS.values():
        for route, _ in readers.newest:
            assert END not in route.event.__struct_fields__


def test_each_call_has_an_end_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knew it could hide bytes behind a datum."""
    ends: list[bytes] = []
    read = together._data

    def noted(bodies: Sequence[bytes], end: bytes, reader: Reader) -> list[dict[str, Any]]:
        data = read(bodies, end, reader)
        ends.append(data[0][END])
        return data

    monkeypatch.setattr(together, "_data", noted)
    records = [sample("TripRated")] * RECORDS_MAX
    assert together_count(records, "trip") == together_count(records, "trip") == len(records)
    assert len(set(ends)) == len(ends) == 2
