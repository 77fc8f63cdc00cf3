"""Datum → event: types, ranges, lengths and rules, all checked before the database sees a row.

The rules are stated in the catalog, on the events; here they are only applied. MySQL checks again, as a second
fence: a value that only it refuses costs a bisection.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from stream.catalog import Event, Route
from stream.errors import Reason, Rejection, Stage
from stream.records import Record

FUTURE_MS_MAX = 24 * 3600 * 1000
"""How far `occurred_at` may lie behind the record's own Kafka timestamp (docs/events.md, "Times"): one event from
the year 2999 must not block an entity for ever."""

FIELD_PATH = re.compile(r"at `\$\.([A-Za-z_]\w*)")
REQUIRED_FIELD = re.compile(r"missing required field `(\w+)`")


def validate(datum: dict[str, Any], record: Record, route: Route) -> Event:
    """Make the event of a datum.

    Raises Rejection with the first rule that the datum, or the record around it, breaks.
    """
    for name, digits in route.decimals:
        if datum.get(name) is not None:
            datum[name] = decimal_value(datum[name], digits, name)
    try:
        event = msgspec.convert(datum, route.event)
    except msgspec.ValidationError as error:
        raise rejection_of(error) from None
    for name, check in route.checks:
        value = getattr(event, name)
        if value is not None and not check(value):
            raise Rejection(Stage.VALIDATE, Reason.INVALID_VALUE, name)
    if event.occurred_at > (record.timestamp_ms + FUTURE_MS_MAX) * 1000:
        raise Rejection(Stage.VALIDATE, Reason.FROM_THE_FUTURE, "occurred_at")
    check_key(record.key, event, route)
    return event


def check_key(key: bytes | None, event: Event, route: Route) -> None:
    """The Kafka key must be the UTF-8 text of the entity's id: it decides what stays in order."""
    if not key:
        raise Rejection(Stage.VALIDATE, Reason.MISSING_KEY)
    if key != str(getattr(event, route.key)).encode():
        raise Rejection(Stage.VALIDATE, Reason.KEY_MISMATCH, route.key)


def decimal_value(unscaled: bytes, digits: tuple[int, int], field: str) -> Decimal:
    """The value of an Avro decimal.

    Raises Rejection where it has more digits than the schema allows: fastavro would round it without a word.
    """
    precision, scale = digits
    number = int.from_bytes(unscaled, "big", signed=True)
    if abs(number) >= 10**precision:
        raise Rejection(Stage.VALIDATE, Reason.OUT_OF_RANGE, field)
    return Decimal(number).scaleb(-scale)


def rejection_of(error: msgspec.ValidationError) -> Rejection:
    """What msgspec found, as a bounded reason and a field. Its message names types and limits, never the value."""
    message = str(error)
    required = REQUIRED_FIELD.search(message)
    if required:
        return Rejection(Stage.VALIDATE, Reason.MISSING_FIELD, required[1])
    path = FIELD_PATH.search(message)
    return Rejection(Stage.VALIDATE, _reason(message), path[1] if path else None)


def _reason(message: str) -> Reason:
    if ", got `" in message:
        return Reason.WRONG_TYPE
    if "of length <=" in message:
        return Reason.TOO_LONG
    if "of length >=" in message:
        return Reason.TOO_SHORT
    if re.search(r"[<>]=? -?\d", message):
        return Reason.OUT_OF_RANGE
    return Reason.INVALID_VALUE
