"""The rows that `stream` would write, for contenders that get them preformatted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.ground import Ground
from bench.workload import Workload
from stream.declaration.events import Event
from stream.declaration.routes import Feed
from stream.records import Record
from stream.stages.decode import decode

PART_RECORDS = 10_000
"""Records that are decoded at a time: with `LOAD DATA` those of a file, and so of a transaction; with fewer or many
more it was no faster."""

ORIGIN_COLUMNS = ("modified_on", "event_time", "event_id", "kafka_offset", "kafka_partition", "loaded_on")

Row = tuple[Any, ...]


class Origin(NamedTuple):
    """A record and the event in it."""

    partition: int
    record: Record
    event: Event


def topic_origins(ground: Ground, workload: Workload) -> Iterator[list[Origin]]:
    """All records of the workload's topic, some at a time."""
    readers = workload.readers()
    pending: list[Origin] = []
    for partition, records in workload.read(ground):
        accepted, _ = decode(records, readers)
        pending += [Origin(partition, record, event) for record, event, _ in accepted]
        if len(pending) >= PART_RECORDS:
            yield pending
            pending = []
    if pending:
        yield pending


def row_columns(feed: Feed) -> tuple[str, ...]:
    """The columns of a feed's rows."""
    return (*feed.columns, *ORIGIN_COLUMNS)


def row_values(feed: Feed, origin: Origin) -> Row:
    """The values of a row in the order of `row_columns`: moments as microseconds, bytes as hexadecimal digits."""
    partition, record, event = origin
    moments = (event.occurred_at, event.occurred_at)
    return (*feed.values(event), *moments, event.event_id, record.offset, partition, record.timestamp_ms * 1000)
