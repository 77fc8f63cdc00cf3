"""Decoding: whatever the bytes are, there comes an event or a rejection, and the same one that the model sees.

What is unfit in the same way for every topic is in tests/test_framing.py.
"""

from __future__ import annotations

import contextlib
import json
import math
import tracemalloc
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.declaration.events import PersonErased
from stream.errors import Reason, Rejection, Stage
from stream.records import Record
from stream.schemas.framing import confluent_header
from stream.schemas.store import SchemaStore
from stream.stages.decode import decode, decode_record
from tests import avro, events, model
from tests.events import RECORDED_MS, TOPICS, rating, trip
from tests.model.rules import money
from tests.model.topics.user_lifecycle import person_of
from tests.stores import STORE

READERS = {topic: STORE.readers(topic) for topic in set(TOPICS.values())}
DATA = events.samples()
FRAMINGS = (events.single_object_header, events.confluent_header)
VALUES = [(name, header(name) + events.body(name, datum)) for name, datum in DATA.items() for header in FRAMINGS]


def reason_of(value: bytes | None, topic: str = "trip", key: bytes | None = b"11") -> Reason:
    with pytest.raises(Rejection) as rejected:
        decode_record(Record(0, RECORDED_MS, key, value), READERS[topic])
    assert rejected.value.stage is Stage.DECODE
    assert rejected.value.field is None
    return rejected.value.reason


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_sound_record_becomes_its_event(name: str, value: bytes) -> None:
    record = events.record(name, DATA[name])._replace(value=value)
    _, event, route = decode_record(record, READERS[TOPICS[name]])
    assert route.record_name == type(event).__name__ == name
    assert event.occurred_at == DATA[name]["occurred_at"]


def test_an_older_writers_event_gets_the_newer_fields_defaults() -> None:
    record = events.record("TripRecorded", trip(), version=1)
    _, event, _ = decode_record(record, READERS["trip"])
    assert event.fare is None  # type: ignore[attr-defined]
    assert event.created_on == trip()["created_on"]  # type: ignore[attr-defined]


def message_of(*blocks: tuple[int, bytes]) -> Record:
    """A message whose recipients are these blocks, each with the number of items that it says it has."""
    whole = events.record("MessageSaved", events.message_saved(recipients=[]))
    assert whole.value is not None
    created_on = events.message_saved()["created_on"]
    end = b"".join(map(long_of, (0, created_on)))
    assert whole.value.endswith(end)
    listed = b"".join(long_of(count) + content for count, content in blocks)
    return whole._replace(value=whole.value.removesuffix(end) + listed + end)


def long_of(number: int) -> bytes:
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema("long"), number)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "blocks",
    [[(1_300_000, b"\0" * 3_900_000)], [(5000, b"\0" * 15_000)] * 260, [(-5000, b"\2" + b"\0" * 15_000)] * 260],
    ids=["one block", "many blocks", "blocks that say a length"],
)
def test_a_list_is_not_read_beyond_its_bound(blocks: list[tuple[int, bytes]]) -> None:
    """An item of three zero bytes takes two hundred in memory: the whole took 300 MB and seconds."""
    record = message_of(*blocks)
    tracemalloc.start()
    with pytest.raises(Rejection) as rejected:
        decode_record(record, READERS["message"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (rejected.value.reason, rejected.value.field) == (Reason.TOO_LONG, "recipients")
    assert peak < 10_000_000


def test_a_long_list_may_come_in_several_blocks() -> None:
    (bounded,) = READERS["message"].by_header[events.single_object_header("MessageSaved")].lists
    contents = [BytesIO(), BytesIO()]
    users = range(5_000_000_001, 5_000_010_001)
    for user_id in users:
        fastavro.schemaless_writer(contents[user_id % 2], bounded.item, events.recipient(user_id))
    first, second = (content.getvalue() for content in contents)
    record = message_of((5000, first), (-5000, long_of(len(second)) + second))
    assert len(record.value or b"") > bounded.uncounted_bytes_max
    _, event, _ = decode_record(record, READERS["message"])
    assert [recipient.user_id for recipient in event.recipients] == list(users)  # type: ignore[attr-defined]


def test_a_datum_that_avro_can_not_resolve_is_of_an_incompatible_schema() -> None:
    """Datum by datum: the same writer's others may be sound."""
    source = json.loads(events.schema_file("TripRecorded").read_text())
    distance = next(field for field in source["fields"] if field["name"] == "distance")
    distance["type"] = ["double", "string"]
    readers = STORE.readers("trip")
    header = b"\x00\x00\x01\x00\x00"
    readers.learn(header, json.dumps(source))

    def written(distance: object) -> bytes:
        buffer = BytesIO()
        schema = fastavro.parse_schema(events._without_logical_types(source))
        fastavro.schemaless_writer(buffer, schema, trip(distance=distance))
        return header + buffer.getvalue()

    _, event, _ = decode_record(Record(0, RECORDED_MS, b"11", written(7.5)), readers)
    assert event.distance == 7.5  # type: ignore[attr-defined]
    with pytest.raises(Rejection) as rejected:
        decode_record(Record(0, RECORDED_MS, b"11", written("far")), readers)
    assert rejected.value.reason is Reason.INCOMPATIBLE_SCHEMA


def test_a_branch_from_the_end_of_a_union_is_taken_for_the_branch() -> None:
    """fastavro's leniency, which would cost a second reading to refuse: -2 of two branches is null."""
    with_fare, without = (events.encode("TripRecorded", trip(fare=fare)) for fare in (b"\x01", None))
    at = next(number for number, (byte, other) in enumerate(zip(with_fare, without, strict=False)) if byte != other)
    record = Record(0, RECORDED_MS, b"11", without[:at] + b"\x03" + without[at + 1 :])
    assert (
        decode_record(record, READERS["trip"])[1] == decode_record(record._replace(value=without), READERS["trip"])[1]
    )


@pytest.mark.parametrize("items", ["boolean", "float", "double", {"type": "fixed", "name": "Id", "size": 16}])
def test_a_list_that_is_passed_over_ends_with_the_bytes(items: Any) -> None:
    """fastavro counts on behind the end there: 2**40 items of which there are none, for hours."""
    source = json.loads(events.schema_file("TripRecorded").read_text())
    source["fields"].append({"name": "weather", "type": {"type": "array", "items": items}})
    readers = STORE.readers("trip")
    header = b"\x00\x00\x01\x00\x00"
    readers.learn(header, json.dumps(source))
    sound = header + events.body("TripRecorded", trip())
    for end in (b"\x00", b"\x01\x02\xff\x00"):  # no item, and one block of a byte
        _, event, _ = decode_record(Record(0, RECORDED_MS, b"11", sound + end), readers)
        assert event.trip_id == 11  # type: ignore[attr-defined]
    with pytest.raises(Rejection) as rejected:
        decode_record(Record(0, RECORDED_MS, b"11", sound + b"\x80\x80\x80\x80\x80\x80\x01"), readers)
    assert rejected.value.reason is Reason.TRUNCATED


def test_only_ids_that_nobody_knows_yet_are_asked_for() -> None:
    readers = SchemaStore(ids={}).readers("trip")
    readers.learn(known := confluent_header(5), events.schema_file("TripRated").read_text())
    readers.learn(refused := confluent_header(6), "")
    new = confluent_header(7)
    values = [known, refused, new + b"a", new + b"b", events.encode("TripRated", rating()), b"", None, new[:4], b"x"]
    records = [Record(number, 100 - number, b"11", value) for number, value in enumerate(values)]
    assert readers.unknown_headers(records) == {new: 98}


def test_a_length_beyond_all_bytes_is_truncated_and_takes_no_memory() -> None:
    header = events.single_object_header("TripRated")
    assert reason_of(header + b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01") is Reason.TRUNCATED


def test_accepted_and_rejected_keep_the_order_of_the_log() -> None:
    records = [events.record("TripRecorded", trip(trip_id=number or 1), offset=number) for number in range(6)]
    for number in (1, 4):
        records[number] = records[number]._replace(value=b"x")
    accepted, rejected = decode(records, READERS["trip"])
    assert [record.offset for record, _, _ in accepted] == [0, 2, 3, 5]
    assert [record.offset for record, _ in rejected] == [1, 4]


# --- Any bytes


def agree(topic: str, record: Record) -> None:
    """Product and model judge the record alike; a rejection's reason is one that the model sees as well."""
    twin = model.LogRecord(topic, 0, 0, record.timestamp_ms, record.key, record.value)
    try:
        name, wanted = model.read_event(twin)
    except model.Unfit as error:
        faults = {tuple(fault) for fault in error.faults}
        with pytest.raises(Rejection) as rejected:
            decode_record(record, READERS[topic])
    else:
        faults = set()
    if faults:
        assert rejected.value.stage is Stage.DECODE or (rejected.value.reason, rejected.value.field) in faults
        return
    _, event, _ = decode_record(record, READERS[topic])
    if name == model.TOMBSTONE:
        assert isinstance(event, PersonErased)
        assert (event.occurred_at, event.person_id) == (wanted["occurred_at"], person_of(wanted).person_id)
        return
    wanted = model.with_defaults(name, wanted)
    assert type(event).__name__ == name
    assert event.event_id == wanted["event_id"].replace("-", "").lower()
    for field, value in wanted.items():
        if isinstance(value, list):
            assert _by_person(map(msgspec.structs.asdict, getattr(event, field))) == _by_person(value), field
        elif field not in ("event_id", "logged_on"):
            meant = money(value) if isinstance(value, bytes) else value  # the only bytes are decimals
            assert model.is_same(getattr(event, field), meant), field


def _by_person(items: Iterable[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Of a list in which somebody is named twice the last entry counts."""
    return {item["user_id"]: item for item in items}


def mutated(value: bytes, changes: list[tuple[int, int]], cut: int | None, more: bytes) -> bytes:
    changed = bytearray(value)
    for position, byte in changes:
        changed[position % len(changed)] = byte
    return bytes(changed[:cut]) + more


changes = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4)


@settings(max_examples=600)
@given(
    chosen=st.sampled_from(VALUES),
    changes=changes,
    cut=st.none() | st.integers(0, 400),
    more=st.binary(max_size=3),
    key=st.sampled_from([*sorted({events.key_of(name, datum) for name, datum in DATA.items()}), b"", None]),
)
def test_a_mutated_record_is_judged_as_the_model_judges_it(
    chosen: tuple[str, bytes], changes: list[tuple[int, int]], cut: int | None, more: bytes, key: bytes | None
) -> None:
    name, value = chosen
    record = Record(0, RECORDED_MS, key, mutated(value, changes, cut, more))
    try:
        agree(TOPICS[name], record)
    except avro.Tolerated:
        with contextlib.suppress(Rejection):  # but a crash is not among what is left open
            decode_record(record, READERS[TOPICS[name]])


@settings(max_examples=600)
@given(
    header=st.sampled_from([b"", *READERS["trip"].by_header]),
    body=st.binary(max_size=300),
    topic=st.sampled_from(sorted(READERS)),
)
def test_random_bytes_never_crash_the_decoder(header: bytes, body: bytes, topic: str) -> None:
    try:
        decode_record(Record(0, RECORDED_MS, b"11", header + body), READERS[topic])
    except Rejection as rejected:
        assert rejected.reason in Reason  # noqa: PT017 - that nothing else comes is the point


def number(value: int) -> bytes:
    """Avro's long."""
    rest, groups = (value << 1) ^ (value >> 63), b""
    while rest > 0x7F:
        groups, rest = groups + bytes([rest & 0x7F | 0x80]), rest >> 7
    return groups + bytes([rest])


RECIPIENTS = [number(user_id) + b"\x08sent\x00" for user_id in (7, 2**40, 7)]
IN_BLOCKS = {
    "in one block": number(3) + b"".join(RECIPIENTS) + number(0),
    "in several": b"".join(number(1) + recipient for recipient in RECIPIENTS) + number(0),
    "in blocks that say their size": b"".join(number(-1) + number(len(block)) + block for block in RECIPIENTS)
    + number(0),
    "in blocks of both kinds": number(1)
    + RECIPIENTS[0]
    + number(-2)
    + number(sum(map(len, RECIPIENTS[1:])))
    + b"".join(RECIPIENTS[1:])
    + b"\0",
    "none": number(0),
    "none in a block without an end": number(3) + b"".join(RECIPIENTS),
    "more than there are": number(4) + b"".join(RECIPIENTS) + number(0),
    "more than there can be": number(2**62) + b"".join(RECIPIENTS) + number(0),
}


@pytest.mark.parametrize("recipients", IN_BLOCKS.values(), ids=IN_BLOCKS)
def test_a_list_may_come_in_blocks_of_either_kind(recipients: bytes) -> None:
    datum = events.message_saved(recipients=[])
    before, after = events.body("MessageSaved", datum), number(datum["created_on"])
    assert before.endswith(b"\0" + after)
    value = events.single_object_header("MessageSaved") + before.removesuffix(b"\0" + after) + recipients + after
    agree("message", Record(0, RECORDED_MS, events.key_of("MessageSaved", datum), value))


VALUES_OF_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=600)
    | st.sampled_from(["007", "\u0667", "clerk", "signup_date", "{}", '"admin"', "a" * 64, "A" * 64]),
    "boolean": st.booleans(),
    "long": st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2) | st.integers(2**32 - 2, 2**32 + 2),
    "int": st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 7),
    "double": st.floats() | st.sampled_from([90.0, -180.0, 1e9, -0.0, math.nan]),
    "bytes": st.binary(max_size=8),
    "null": st.none(),
    "array": st.lists(
        st.builds(
            events.recipient,
            st.integers(-1, 3) | st.integers(-(2**63), 2**63 - 1),
            delivery_status=st.sampled_from(["pending", "sent", "delivered", "failed", "Sent", ""]),
            delivered_on=st.none() | st.integers(-1, 2**63 - 1),
        ),
        max_size=4,
    ),
}


@st.composite
def data(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A record of which some fields have any value that its schema can write."""
    name = draw(st.sampled_from(sorted(DATA)))
    fields = events.plain_schema(name)["fields"]
    changed = draw(st.lists(st.sampled_from(fields), max_size=2, unique_by=lambda field: field["name"]))
    datum = dict(DATA[name])
    for field in changed:
        branches = field["type"] if isinstance(field["type"], list) else [field["type"]]
        kinds = [branch["type"] if isinstance(branch, dict) else branch for branch in branches]
        datum[field["name"]] = draw(VALUES_OF_FIELDS[draw(st.sampled_from(kinds))])
    return name, datum


@settings(max_examples=600)
@given(data())
def test_any_values_are_judged_as_the_model_judges_them(chosen: tuple[str, dict[str, Any]]) -> None:
    name, datum = chosen
    agree(TOPICS[name], events.record(name, datum))


PERSON_KEYS = (
    st.binary(max_size=300)
    | st.builds(
        lambda kind, person_id: f"{kind}:{person_id}".encode(),
        st.sampled_from(["app", "clerk", "telegram", "App", ""]),
        st.text(max_size=260)
        | st.integers(-2, 2**65).map(str)
        | st.sampled_from(["", "07", "0", "\u0667", "x" * 257, "a:b", " a", "9" * 5000, str(2**32), str(2**63)]),
    )
    | st.none()
)


@settings(max_examples=600)
@given(key=PERSON_KEYS, timestamp_ms=st.integers(-(2**63), 2**63 - 1) | st.just(RECORDED_MS))
def test_a_tombstone_with_any_key_is_judged_as_the_model_judges_it(key: bytes | None, timestamp_ms: int) -> None:
    agree("user.lifecycle", Record(0, timestamp_ms, key, None))


@given(key=PERSON_KEYS, topic=st.sampled_from(["trip", "bytemark.pass"]))
def test_where_keys_name_no_persons_a_tombstone_is_an_empty_value(key: bytes | None, topic: str) -> None:
    assert reason_of(None, topic, key) is Reason.EMPTY_VALUE


@pytest.mark.parametrize("key", ["app:7", "clerk:user_2aB", "clerk:a:b c", "telegram:9223372036854775807"])
def test_a_tombstone_erases_whom_its_key_names(key: str) -> None:
    _, event, route = decode_record(events.tombstone(key), READERS["user.lifecycle"])
    assert route.erases is not None
    assert f"{route.erases.kind}:{getattr(event, route.erases.attribute)}" == key
    assert event.occurred_at == RECORDED_MS * 1000
    assert route.feeds == ()
