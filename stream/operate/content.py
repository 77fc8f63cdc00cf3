"""The content of a record, told as far as it can be decoded: for people who ask why it was rejected."""

from dataclasses import dataclass
from typing import Any

from stream.declaration.routes import Route
from stream.errors import Rejection
from stream.records import Record
from stream.schemas.framing import header_length
from stream.schemas.readers import Readers
from stream.stages.decode import decode_record, read_datum, reader_of
from stream.stages.validate import decimal_value

ALWAYS_SHOWN = ("event_id", "occurred_at")
"""Every other value is somebody's: where a person went, what they paid, or who they are."""


@dataclass(frozen=True)
class Content:
    """A record's schema and datum, and what would become of it now."""

    schema: str | None
    """The `Reader.name`; None where the bytes in front name none that we know."""
    fields: dict[str, Any]
    """Empty where nothing could be read."""
    judgement: str
    """The reason for which the record would be rejected now, or the word that it would not."""


def content_of(record: Record, readers: Readers, *, is_revealed: bool) -> Content:
    """Decode a record as far as it goes. Unless they are to be revealed, values are told by their kind and size."""
    schema, fields = None, {}
    try:
        if record.value:
            header_bytes = header_length(record.value)
            reader = reader_of(record.value[:header_bytes], readers)
            schema = reader.name
            datum = read_datum(record.value, header_bytes, reader)
            fields = {name: _shown(name, value, reader.route, is_revealed) for name, value in datum.items()}
        decode_record(record, readers)
    except Rejection as rejection:
        return Content(schema, fields, f"would be rejected now, {rejection}")
    return Content(schema, fields, "would be accepted now: redrive it")


def _shown(name: str, value: Any, route: Route, is_revealed: bool) -> Any:
    if name not in ALWAYS_SHOWN and not is_revealed:
        return _kind_of(value)
    digits = dict(route.decimals).get(name)
    if digits and value is not None:
        try:
            return str(decimal_value(value, digits, name))
        except Rejection:
            return f"0x{value.hex()}, too many digits"
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


def _kind_of(value: Any) -> str | None:
    """The kind of a value, without the value; null is told, for a missing field is a reason to be rejected."""
    match value:
        case None:
            return None
        case bool():
            return "(a flag)"
        case int() | float():
            return "(a number)"
        case str():
            return f"(a text of {len(value)} characters)"
        case bytes():
            return f"(a decimal of {len(value)} bytes)"
        case list():
            return f"(a list of {len(value)})"
    return "(a record)"
