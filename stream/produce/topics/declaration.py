"""The language of a topic's file of synthetic events."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from stream.catalog import STREAMS
from stream.declaration.events import Event
from stream.declaration.routes import Route
from stream.declaration.streams import Stream
from stream.produce.riders import RiderDay

Datum = dict[str, Any]
"""A record as the plain schemas have it: moments in microseconds, decimals as unscaled bytes."""

IS_TOMBSTONE = "is_tombstone"
"""A datum in which this is true is published as a record without a value: its key says it all."""

Teller = Callable[[RiderDay, Random, Iterator[int]], Iterator[Datum]]


@dataclass(frozen=True)
class Synthetic:
    """The recipe for the events of one record."""

    event: type[Event]
    tell: Teller
    """Rider's day, chances and unused ids → the day's data of this record, without their event ids."""
    earlier: Callable[[Datum], Datum] | None = None
    """A datum → what might have been said of the same entity before, other than in `occurred_at`; None for what is
    said of it only once: a fact, or its end."""

    @property
    def record_name(self) -> str:
        return self.event.__name__

    @property
    def stream(self) -> Stream:
        return next(stream for stream in STREAMS.values() if self.event in stream.routes)

    @property
    def route(self) -> Route:
        return next(route for route in self.stream.bound_routes if route.event is self.event)


def unscaled(number: int) -> bytes:
    """The bytes of an Avro decimal that is `number` in units of its last digit, such as an amount in cents."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True)
