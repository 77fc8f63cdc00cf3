"""Datum → event: types, ranges, lengths and rules, all checked before the database sees a row.

The rules are stated in the catalog, on the events; here they are only applied. MySQL checks again, as a second
fence: a value that only it refuses costs a bisection.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import msgspec

from stream.declaration.events import Event, HashedEvent, PersonErased
from stream.declaration.persons import NAMED_KINDS, Person, PersonKind
from stream.declaration.routes import Route
from stream.declaration.types import AHEAD_MICROS_MAX, YEAR_2000, EntityId, TelegramId, check_text_id, meta_of
from stream.errors import Reason, Rejection, Stage
from stream.hashing import Hasher
from stream.moments import MICROS_MAX
from stream.records import Record

FUTURE_MS_MAX = 24 * 3600 * 1000
"""The most that `occurred_at` may lie behind the record's own Kafka timestamp (docs/events.md, "Times"): one event from
the year 2999 must not block an entity for ever."""

NO_EVENT_ID = "00000000-0000-0000-0000-000000000000"
"""A tombstone has no value, and so no event id; nothing is stored under it."""

FIELD_PATH = re.compile(r"at `\$\.([A-Za-z_]\w*)")
REQUIRED_FIELD = re.compile(r"missing required field `(\w+)`")


def validate(datum: dict[str, Any], record: Record, route: Route, hasher: Hasher | None = None) -> Event:
    """Make the event of a datum. The hasher is needed where the route's event is a hashed one. Raises Rejection with
    the first rule that the datum, or the record around it, breaks."""
    _prepare(datum, route)
    try:
        event = msgspec.convert(datum, route.event)
    except msgspec.ValidationError as error:
        raise rejection_of(error) from None
    _judge(event, record, route, hasher)
    return event


def validate_together(
    data: Sequence[dict[str, Any]], records: Sequence[Record], route: Route, hasher: Hasher | None = None
) -> Sequence[Event]:
    """Make the events of data, all of them; none where a datum, or the record around it, breaks a rule."""
    try:
        if route.decimals or route.absent_where_empty:
            for datum in data:
                _prepare(datum, route)
        events: list[Event] = msgspec.convert(data, route.events)
        if not _pass_together(events, records, route):
            for event, record in zip(events, records, strict=True):
                _judge(event, record, route, hasher)
    except (Rejection, msgspec.ValidationError):
        return ()
    return events


def _pass_together(events: Sequence[Event], records: Sequence[Record], route: Route) -> bool:
    """Whether all events surely pass what `_judge` asks; else each has to be asked about."""
    if route.is_hashed or route.moments_of_items:
        return False
    earliest, latest = min(map(_OCCURRED_AT, events)), max(map(_OCCURRED_AT, events))
    if latest > _latest_of(min(map(_TIMESTAMP_MS, records))):
        return False
    for name in route.moments:
        if any(moment is not None and moment > earliest + AHEAD_MICROS_MAX for moment in map(attrgetter(name), events)):
            return False
    for name, check in route.checks:
        if not all(value is None or check(value) for value in map(attrgetter(name), events)):
            return False
    return [record.key for record in records] == [str(key).encode() for key in map(attrgetter(route.key), events)]


_OCCURRED_AT = attrgetter("occurred_at")
_TIMESTAMP_MS = attrgetter("timestamp_ms")


def _prepare(datum: dict[str, Any], route: Route) -> None:
    """Bring values into the form in which the event takes them."""
    for name, digits in route.decimals:
        if datum.get(name) is not None:
            datum[name] = decimal_value(datum[name], digits, name)
    for name in route.absent_where_empty:
        if datum.get(name) == "":
            datum[name] = None


def _judge(event: Event, record: Record, route: Route, hasher: Hasher | None) -> None:
    """Raises Rejection with the first rule that the event, or the record around it, breaks beyond types and bounds."""
    for name, check in route.checks:
        value = getattr(event, name)
        if value is not None and not check(value):
            raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, name)
    if route.is_hashed:
        assert isinstance(event, HashedEvent)
        assert hasher is not None, "a stream of hashed events was started without a key"
        event.seal(hasher)
    if event.occurred_at > _latest_of(record.timestamp_ms):
        raise Rejection(Stage.VALIDATE, Reason.FROM_THE_FUTURE, "occurred_at")
    check_moments(event, route)
    check_key(record.key, event, route)


def _latest_of(timestamp_ms: int) -> int:
    """The latest moment at which the event of a record with this timestamp may have occurred."""
    return (timestamp_ms + FUTURE_MS_MAX) * 1000


def check_moments(event: Event, route: Route) -> None:
    """Raises Rejection where a business time lies too long after the event. Types refuse those that lie too early."""
    latest = event.occurred_at + AHEAD_MICROS_MAX
    for name in route.moments:
        moment = getattr(event, name)
        if moment is not None and moment > latest:
            raise Rejection(Stage.VALIDATE, Reason.TOO_FAR_AHEAD, name)
    for listing, names in route.moments_of_items:
        for item in getattr(event, listing):
            for name in names:
                moment = getattr(item, name)
                if moment is not None and moment > latest:
                    raise Rejection(Stage.VALIDATE, Reason.TOO_FAR_AHEAD, listing)


def check_key(key: bytes | None, event: Event, route: Route) -> None:
    """The Kafka key must be the UTF-8 text of the entity's id: it decides what stays in order."""
    if not key:
        raise Rejection(Stage.VALIDATE, Reason.MISSING_KEY)
    if key != str(getattr(event, route.key)).encode():
        raise Rejection(Stage.VALIDATE, Reason.KEY_MISMATCH, route.key)


def tombstone(record: Record, routes: Mapping[PersonKind, Route]) -> tuple[Record, Event, Route]:
    """The event of a record without a value: the person whom its key names, as `app:7` does, is to be forgotten. Raises
    Rejection where the key names nobody."""
    if not record.key:
        raise Rejection(Stage.VALIDATE, Reason.MISSING_KEY)
    try:
        person = Person.parse(record.key.decode())
    except UnicodeDecodeError:
        raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE) from None
    if not is_named_rightly(person):
        raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE)
    occurred_at = min(max(record.timestamp_ms, 0) * 1000, MICROS_MAX)
    event = PersonErased(event_id=NO_EVENT_ID, occurred_at=occurred_at, person_id=person.person_id)
    return record, event, routes[PersonKind(person.kind)]


def is_named_rightly(person: Person) -> bool:
    """Whether events may name the person so: by a kind of theirs, and the id in the form in which it is stored."""
    kind, text = person
    if kind not in NAMED_KINDS:
        return False
    if kind == PersonKind.CLERK:
        return 0 < len(text) <= 256 and check_text_id(text)
    greatest = int(meta_of(EntityId if kind == PersonKind.APP else TelegramId).le or 0)
    # The length comes first: int() refuses thousands of digits with an error.
    is_number = len(text) <= len(str(greatest)) and text.isascii() and text.isdecimal() and text[0] != "0"
    return is_number and int(text) <= greatest


def decimal_value(unscaled: bytes, digits: tuple[int, int], field: str) -> Decimal:
    """The value of an Avro decimal. Raises Rejection where it has more digits than the schema allows: fastavro would
    round it without a word."""
    precision, scale = digits
    number = int.from_bytes(unscaled, "big", signed=True)
    if abs(number) >= 10**precision:
        raise Rejection(Stage.VALIDATE, Reason.OUT_OF_RANGE, field)
    return Decimal(number).scaleb(-scale)


def rejection_of(error: msgspec.ValidationError) -> Rejection:
    """The rejection that msgspec's error means. Its message names types and limits, never the value."""
    message = str(error)
    required = REQUIRED_FIELD.search(message)
    if required:
        return Rejection(Stage.VALIDATE, Reason.MISSING_FIELD, required[1])
    path = FIELD_PATH.search(message)
    return Rejection(Stage.VALIDATE, _reason(message), path[1] if path else None)


def _reason(message: str) -> Reason:
    if ", got `" in message:
        return Reason.WRONG_TYPE
    if f">= {YEAR_2000}" in message:
        return Reason.BEFORE_2000
    if f"<= {MICROS_MAX}" in message:
        return Reason.TOO_FAR_AHEAD
    if "of length <=" in message:
        return Reason.TOO_LONG
    if "of length >=" in message:
        return Reason.TOO_SHORT
    if re.search(r"[<>]=? -?\d", message):
        return Reason.OUT_OF_RANGE
    return Reason.INVALID_VALUE
