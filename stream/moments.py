"""Moments in their three forms: microseconds since 1970 in events, milliseconds in Kafka, datetimes in MySQL.

A datetime here is UTC and carries no zone, as MySQL gives and takes it. One that carries a zone is understood too.
"""

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MICROS_MAX = 253_402_300_799_999_999
"""9999-12-31 23:59:59.999999 UTC, the last moment that DATETIME holds, in microseconds since 1970."""


def now() -> datetime:
    """The moment now, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def now_micros() -> int:
    return time.time_ns() // 1000


def from_micros(micros: int) -> datetime:
    """The moment of microseconds since 1970. What lies outside, or is more than DATETIME holds, becomes the bound."""
    return (EPOCH + timedelta(microseconds=min(max(micros, 0), MICROS_MAX))).replace(tzinfo=None)


def iso_text(micros: int) -> str:
    """The moment of microseconds since 1970 as JSON has it: ISO 8601, UTC."""
    return f"{from_micros(micros).isoformat(timespec='microseconds')}Z"


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (_with_zone(moment) - EPOCH) // timedelta(microseconds=1)


def from_millis(millis: int) -> datetime:
    """The moment of a timestamp of Kafka's: producers may send any number, so it is bounded as above."""
    return from_micros(min(millis, MICROS_MAX // 1000) * 1000)


def to_millis(moment: datetime) -> int:
    """The nearest timestamp of Kafka's."""
    return round(to_micros(moment) / 1000)


def parse(text: str) -> datetime:
    """The moment of a text in ISO 8601, which is UTC where it names no zone. Raises ValueError for another text, and
    OverflowError for a moment before year 1 or after 9999."""
    return _with_zone(datetime.fromisoformat(text)).astimezone(UTC).replace(tzinfo=None)


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
