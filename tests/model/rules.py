"""The rules of fields, each stated again: value → the reason why it is unfit, or None."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

ID_MAX = 4_294_967_295
MICROS_MAX = (datetime(9999, 12, 31, 23, 59, 59, 999999, UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
    microseconds=1
)

Rule = Callable[[Any], str | None]


def number(low: float, high: float) -> Rule:
    # A comparison with NaN is false.
    return lambda value: None if low <= value <= high else "out_of_range"


def text_id(length: int) -> Rule:
    def judge(value: str) -> str | None:
        if not 1 <= len(value) <= length:
            return "too_short" if not value else "too_long"
        has_control = any(ord(character) < 32 or 127 <= ord(character) < 160 for character in value)
        return "invalid_value" if has_control or value != value.strip() else None

    return judge


def free_text(length: int) -> Rule:
    return lambda value: "too_long" if len(value) > length else None


def uuid(value: str) -> str | None:
    form = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    return None if re.fullmatch(form, value, re.IGNORECASE | re.ASCII) else "invalid_value"


def decimal(precision: int) -> Rule:
    return lambda value: (
        None if len(str(abs(int.from_bytes(value, "big", signed=True)))) <= precision else "out_of_range"
    )


def business_time(value: int) -> str | None:
    """A moment that lies in no year before 2000, and that MySQL can hold."""
    if value < datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1_000_000:
        return "before_2000"
    return "too_far_ahead" if value > MICROS_MAX else None


ID, MOMENT = number(1, ID_MAX), business_time
TEN_YEARS = 3653 * 24 * 60 * 60 * 1_000_000
LATITUDE, LONGITUDE = number(-90, 90), number(-180, 180)
TELEGRAM_ID_MAX = 9_223_372_036_854_775_807


def app_id_text(value: str) -> str | None:
    """An app user's id as text: where Unicode calls it decimal, it must be the number's own text."""
    if value and value.isdecimal() and not re.fullmatch("[1-9][0-9]*", value):
        return text_id(256)(value) or "invalid_value"
    return text_id(256)(value)


def one_of(*values: str) -> Rule:
    return lambda value: None if value in values else "invalid_value"


def anything(_value: Any) -> str | None:
    return None


EVENT: dict[str, Rule] = {"event_id": uuid, "occurred_at": MOMENT}
"""The fields that every event begins with."""


# --- Values as rows have them


def moment(micros: int | None) -> datetime | None:
    return None if micros is None else datetime(1970, 1, 1) + timedelta(microseconds=micros)


def money(unscaled: bytes | None) -> Decimal | None:
    return None if unscaled is None else Decimal(int.from_bytes(unscaled, "big", signed=True)) / 100
