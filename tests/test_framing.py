"""Bytes that are unfit in the same way for every topic: made from the valid examples of all streams.

Nothing here names a topic, so a new stream's examples need not show these cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_writer

from stream.catalog import STREAMS
from stream.errors import Reason, Rejection, Stage
from stream.records import Record
from stream.schemas.framing import CONFLUENT_HEADER_BYTES, SINGLE_OBJECT_HEADER_BYTES
from stream.stages.decode import decode_record
from tests.examples import Example, datum_of, in_confluent_framing, valid_examples
from tests.stores import STORE

READERS = {topic: STORE.readers(topic) for topic in STREAMS}
EXAMPLES = [example for example in valid_examples() if example.version is not None]


def short_examples(topic: str) -> list[Example]:
    """Examples of which every byte can be tried."""
    return [example for example in EXAMPLES if example.topic == topic and len(example.record.value or b"") < 1000]


def framings_of(example: Example) -> Iterator[tuple[bytes, int]]:
    """The example's value in each framing, and the length of what stands before the datum."""
    for record, header_bytes in (
        (example.record, SINGLE_OBJECT_HEADER_BYTES),
        (in_confluent_framing(example), CONFLUENT_HEADER_BYTES),
    ):
        assert record.value is not None
        yield record.value, header_bytes


def reason_of(record: Record, topic: str, value: bytes | None) -> Reason:
    """The reason for which decoding rejects the record with another value."""
    with pytest.raises(Rejection) as rejected:
        decode_record(record._replace(value=value), READERS[topic])
    assert rejected.value.stage is Stage.DECODE
    assert rejected.value.field is None
    return rejected.value.reason


@pytest.mark.parametrize("topic", STREAMS)
def test_nothing_is_an_empty_value(topic: str) -> None:
    record = short_examples(topic)[0].record
    assert reason_of(record, topic, b"") is Reason.EMPTY_VALUE
    if not READERS[topic].tombstones:
        for key in (record.key, None, b"", b"app:7", b"\xff" * 300):
            assert reason_of(record._replace(key=key), topic, None) is Reason.EMPTY_VALUE, key


@pytest.mark.parametrize("topic", STREAMS)
def test_header_that_leads_to_no_schema_is_rejected(topic: str) -> None:
    record = short_examples(topic)[0].record
    for value in (b"x", b"{}", b'{"id": 42}', b"\x01" + bytes(30), b"\xc3", b"\xc3\x02" + bytes(20)):
        assert reason_of(record, topic, value) is Reason.UNKNOWN_FRAMING, value
    for value in (b"\x00", b"\x00\x00\x00\x00", b"\xc3\x01", b"\xc3\x01" + bytes(7)):
        assert reason_of(record, topic, value) is Reason.TRUNCATED, value
    for value in (b"\x00\x7f\xff\xff\xff" + bytes(50), b"\xc3\x01" + bytes(50)):
        assert reason_of(record, topic, value) is Reason.UNKNOWN_SCHEMA, value


@pytest.mark.parametrize("topic", STREAMS)
def test_record_of_any_other_topic_is_unexpected(topic: str) -> None:
    record = short_examples(topic)[0].record
    for version in STORE.versions.values():
        if version.topic != topic:
            for header in (version.header, STORE.confluent_header(version)):
                assert reason_of(record, topic, header) is Reason.UNEXPECTED_RECORD, version.file_name
                assert reason_of(record, topic, header + bytes(40)) is Reason.UNEXPECTED_RECORD, version.file_name


@pytest.mark.parametrize("topic", STREAMS)
def test_every_cut_is_truncated_and_every_byte_too_many_is_trailing(topic: str, subtests: pytest.Subtests) -> None:
    for example in short_examples(topic):
        with subtests.test(str(example)):
            for value, header_bytes in framings_of(example):
                for length in range(header_bytes, len(value)):
                    assert reason_of(example.record, topic, value[:length]) is Reason.TRUNCATED, length
                for more in (b"\x00", b"\xff", value):
                    assert reason_of(example.record, topic, value + more) is Reason.TRAILING_BYTES


@pytest.mark.parametrize("topic", STREAMS)
def test_text_that_is_not_utf_8_is_invalid_and_a_branch_that_is_not_there_malformed(
    topic: str, subtests: pytest.Subtests
) -> None:
    """In whichever field, and in each item of a list."""
    for example in short_examples(topic):
        with subtests.test(str(example)):
            assert example.version is not None
            broken = list(spoilt(example.version.plain, datum_of(example)))
            assert Reason.INVALID_TEXT in {reason for _, reason in broken}
            for datum, reason in broken:
                assert reason_of(example.record, topic, example.version.header + datum) is reason, datum


NO_UTF_8 = (b"caf\xe9 \xff\xff", b"\xed\xa0\x80")
"""Latin-1, and half of a surrogate pair."""


def spoilt(schema: Any, value: Any) -> Iterator[tuple[bytes, Reason]]:
    """Bytes of a datum of which one text or one union is broken, with the reason to expect; each of them once."""
    if isinstance(schema, list):
        branch = next(place for place, part in enumerate(schema) if (value is None) == (part == "null"))
        yield from ((number, Reason.MALFORMED) for number in (b"\x04", b"\x05", b"\x7f"))
        yield from ((encoded("long", branch) + part, reason) for part, reason in spoilt(schema[branch], value))
    elif schema == "string":
        yield from ((encoded("long", len(text)) + text, Reason.INVALID_TEXT) for text in NO_UTF_8)
    elif isinstance(schema, dict) and schema["type"] == "record":
        fields = schema["fields"]
        sound = [encoded(field["type"], value[field["name"]]) for field in fields]
        yield from _with_each_spoilt(sound, [(field["type"], value[field["name"]]) for field in fields], b"")
    elif isinstance(schema, dict) and schema["type"] == "array":
        sound = [encoded(schema["items"], item) for item in value]
        for parts, reason in _with_each_spoilt(sound, [(schema["items"], item) for item in value], b"\x00"):
            yield encoded("long", len(value)) + parts, reason


def _with_each_spoilt(sound: list[bytes], parts: list[tuple[Any, Any]], end: bytes) -> Iterator[tuple[bytes, Reason]]:
    for place, (schema, value) in enumerate(parts):
        for broken, reason in spoilt(schema, value):
            yield b"".join((*sound[:place], broken, *sound[place + 1 :])) + end, reason


def encoded(schema: Any, value: Any) -> bytes:
    buffer = BytesIO()
    schemaless_writer(buffer, schema, value)
    return buffer.getvalue()
