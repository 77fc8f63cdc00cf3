"""Records → events, many at a time: what costs by the call is paid once for a hundred records.

The data of one writer schema are read as one Avro array, each followed by an end that nobody could have guessed: so it
is noticed where a datum is cut, or has bytes behind it. Where anything is unfit, or could be, nothing is told of these
records, and each is decoded by itself (`decode_record`), which finds what is wrong with it.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from io import BytesIO
from operator import itemgetter
from typing import Any

from fastavro import schemaless_reader, schemaless_writer

from stream.declaration.events import Event
from stream.declaration.routes import Route
from stream.records import Record
from stream.schemas.framing import CONFLUENT_HEADER_BYTES, SINGLE_OBJECT_HEADER_BYTES
from stream.schemas.readers import END, END_BYTES, Reader, Readers
from stream.stages.validate import validate_together

RECORDS_MAX = 200
"""With more at a time nothing is won, and more have to be decoded again where one is unfit."""

VALUE_BYTES_MAX = 16 * 1024
"""Larger values are read by themselves, which costs them nothing to speak of. So a broken length doesn't lead far."""

ARRAY_END = b"\x00"
"""A block of no items, with which Avro's arrays end."""

Decoded = tuple[Record, Event, Route]


def decode_together(records: Sequence[Record], readers: Readers) -> Iterator[tuple[Record, Decoded | None]]:
    """Each record with what it was decoded to; None where that has to be done by itself."""
    end = secrets.token_bytes(END_BYTES)  # once: it hands the interpreter to another thread
    for start in range(0, len(records), RECORDS_MAX):
        some = records[start : start + RECORDS_MAX]
        decoded: list[Decoded | None] = [None] * len(some)
        for header, places in _by_header(some, readers).items():
            reader = readers.by_header[header]
            told = [some[place] for place in places]
            events = _events(told, len(header), end, reader, readers)
            for place, record, event in zip(places, told, events, strict=False):
                decoded[place] = (record, event, reader.route)
        yield from zip(some, decoded, strict=True)


def _by_header(records: Sequence[Record], readers: Readers) -> dict[bytes, list[int]]:
    """The places of those records of whose schema a reader is known, by their headers."""
    places: defaultdict[bytes, list[int]] = defaultdict(list)
    known = readers.by_header
    for place, value in enumerate(map(_VALUE, records)):
        if value and len(value) <= VALUE_BYTES_MAX:
            header = value[:SINGLE_OBJECT_HEADER_BYTES]
            if header in known or (header := value[:CONFLUENT_HEADER_BYTES]) in known:
                places[header].append(place)
    return places


_VALUE = itemgetter(Record._fields.index("value"))  # a third of what the attribute costs


def _events(
    records: Sequence[Record], header_bytes: int, end: bytes, reader: Reader, readers: Readers
) -> Sequence[Event]:
    """The events of all the records, or of none."""
    values: list[bytes] = [record.value for record in records]  # type: ignore[misc]  # those that have one
    longest = len(max(values, key=len))
    if any(longest > bounded.uncounted_bytes_max for bounded in reader.lists):
        return ()
    data = _data([value[header_bytes:] for value in values], end, reader)
    return validate_together(data, records, reader.route, readers.hasher) if data else ()


def _data(bodies: Sequence[bytes], end: bytes, reader: Reader) -> list[dict[str, Any]]:
    """The data that these bytes are, all or none; behind each stands the end."""
    if reader.array is None:
        return []
    array = BytesIO(b"".join((_number(len(bodies)), end.join(bodies), end, ARRAY_END)))
    try:
        data: Any = schemaless_reader(array, *reader.array)
    except Exception:  # noqa: BLE001 - on arbitrary bytes fastavro raises whatever it stumbles over
        return []
    # Further blocks of the array would be somebody's bytes.
    return data if list(map(itemgetter(END), data)) == [end] * len(bodies) else []


def _number(number: int) -> bytes:
    """A number, as Avro writes it."""
    written = BytesIO()
    schemaless_writer(written, "long", number)
    return written.getvalue()
