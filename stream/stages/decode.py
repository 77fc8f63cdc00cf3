"""Record → event: the framing names the writer schema, the bytes become a datum, the datum an event."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from fastavro import schemaless_reader
from fastavro.read import SchemaResolutionError

from stream.declaration.events import Event
from stream.declaration.routes import Route
from stream.errors import Reason, Rejection, Stage, release_frames
from stream.records import RECORD_BYTES_MAX, Record, Slice
from stream.schemas.framing import SINGLE_OBJECT_HEADER_BYTES, header_length
from stream.schemas.readers import Reader, Readers
from stream.stages.together import decode_together
from stream.stages.validate import tombstone, validate

VARINT_CONTINUES = 0x80
"""Set in each byte of an Avro number but its last."""


class EndingBytes(BytesIO):
    """Bytes that say where they end: what passes over fields doesn't ask how many bytes it was given, and would count
    on behind the end for as long as a list's length says."""

    def read(self, size: int | None = -1) -> bytes:
        chunk = BytesIO.read(self, size)  # super() would cost as much again
        if len(chunk) == size:
            return chunk
        raise EOFError


Accepted = list[tuple[Record, Event, Route]]
Rejected = list[tuple[Record, Rejection]]


@dataclass(slots=True)
class DecodedSlice:
    slice: Slice
    accepted: Accepted
    rejected: Rejected


def decode(records: Sequence[Record], readers: Readers) -> tuple[Accepted, Rejected]:
    """Sort records into events and rejections, both in the order of the log."""
    accepted: Accepted = []
    rejected: Rejected = []
    for record, decoded in decode_together(records, readers):
        try:
            accepted.append(decoded or decode_record(record, readers))
        except Rejection as rejection:
            release_frames(rejection)  # this call, which holds the batch, is one of them
            rejected.append((record, rejection))
    return accepted, rejected


def decode_slice(slice_: Slice, readers: Readers) -> DecodedSlice:
    return DecodedSlice(slice_, *decode(slice_.records, readers))


def decode_record(record: Record, readers: Readers) -> tuple[Record, Event, Route]:
    """Raises Rejection where the record is unfit."""
    value = record.value
    if value is None and readers.tombstones:
        return tombstone(record, readers.tombstones)
    if not value:
        raise Rejection(Stage.DECODE, Reason.EMPTY_VALUE)
    if len(value) > RECORD_BYTES_MAX:
        raise Rejection(Stage.DECODE, Reason.TOO_LARGE)
    header_bytes = SINGLE_OBJECT_HEADER_BYTES
    reader = readers.by_header.get(value[:header_bytes])  # the usual case, in one look-up
    if reader is None:
        header_bytes = header_length(value)
        reader = reader_of(value[:header_bytes], readers)
    try:
        datum = read_datum(value, header_bytes, reader)
        return record, validate(datum, record, reader.route, readers.hasher), reader.route
    except Rejection as rejection:
        rejection.event_name = reader.route.record_name
        raise


def reader_of(header: bytes, readers: Readers) -> Reader:
    try:
        return readers.by_header[header]
    except KeyError:
        raise Rejection(Stage.DECODE, readers.refused.get(header, Reason.UNKNOWN_SCHEMA)) from None


def read_datum(value: bytes, header_bytes: int, reader: Reader) -> dict[str, Any]:
    """The datum behind the header, resolved to our newest schema, to the last byte of the value."""
    buffer = EndingBytes(value) if reader.has_unread_fields else BytesIO(value)
    for bounded in reader.lists:
        if len(value) > bounded.uncounted_bytes_max:
            buffer.seek(header_bytes)
            if bounded.is_exceeded(buffer):
                raise Rejection(Stage.VALIDATE, Reason.TOO_LONG, bounded.field)
    buffer.seek(header_bytes)
    try:
        datum = schemaless_reader(buffer, reader.writer_schema, reader.reader_schema)
    except EOFError:
        raise Rejection(Stage.DECODE, Reason.TRUNCATED) from None
    except UnicodeDecodeError:
        raise Rejection(Stage.DECODE, Reason.INVALID_TEXT) from None
    except SchemaResolutionError:
        raise Rejection(Stage.DECODE, Reason.INCOMPATIBLE_SCHEMA) from None
    except Exception:  # noqa: BLE001 - on arbitrary bytes fastavro raises whatever it stumbles over
        # Inside a number fastavro misses the next byte without an EOFError.
        is_cut = buffer.tell() == len(value) and value[-1] & VARINT_CONTINUES
        raise Rejection(Stage.DECODE, Reason.TRUNCATED if is_cut else Reason.MALFORMED) from None
    if buffer.tell() != len(value):
        raise Rejection(Stage.DECODE, Reason.TRAILING_BYTES)
    return datum  # type: ignore[return-value]  # every schema of the store is a record
