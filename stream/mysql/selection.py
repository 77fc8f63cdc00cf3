"""Dead letters as operators select them: by topic, reason, time or place, to be listed, redriven or discarded."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, and_, case, func, literal, or_, select, true

from stream.catalog import STREAMS
from stream.declaration.service_tables import DEAD_LETTER
from stream.errors import Reason
from stream.mysql.connection import read_connection
from stream.mysql.dead_letters import EMPTIED, IS_WAITING, LogPart, Status, change_some
from stream.records import RECORD_BYTES_MAX

ALL: ColumnElement[bool] = true()

RECORDS_MAX = 500
"""Dead letters taken at once: whoever locks them holds the locks for a few dozen milliseconds."""
BYTES_MAX = 16 * 1024 * 1024
"""The most that these hold, unless a single one is larger."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The place of a record in the log, as people type it: `topic/partition/offset`."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError where the text has another form."""
        topic, *numbers = text.rsplit("/", 2)
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            raise ValueError(f"{text} is not topic/partition/offset, as in trip/3/1045")
        return cls(topic, int(numbers[0]), int(numbers[1]))


@dataclass(frozen=True)
class Selection:
    """A choice of dead letters; what is not given selects all."""

    topic: str | None = None
    reason: Reason | None = None
    status: Status | None = None
    since: datetime | None = None
    """Rejected last at this moment (UTC, without a zone) or later."""
    until: datetime | None = None
    """Rejected last before this moment."""
    coordinates: tuple[Coordinates, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing narrows it but the status."""
        return self.topic is None and self.reason is None and not (self.since or self.until or self.coordinates)

    def condition(self) -> ColumnElement[bool]:
        """As SQL has it."""
        wanted: list[ColumnElement[bool]] = [
            DEAD_LETTER.c[name] == value
            for name, value in (("topic", self.topic), ("reason", self.reason), ("status", self.status))
            if value is not None
        ]
        if self.since is not None:
            wanted.append(DEAD_LETTER.c.last_rejected_on >= self.since)
        if self.until is not None:
            wanted.append(DEAD_LETTER.c.last_rejected_on < self.until)
        if self.coordinates:
            wanted.append(or_(*(_is_at(place) for place in self.coordinates)))
        return and_(ALL, *wanted)


@dataclass(frozen=True)
class Waiting:
    """Dead letters of a topic that wait for one reason."""

    topic: str
    stage: str
    reason: str
    records: int
    coordinates_only: int
    """Those of which nothing else is kept."""
    first_rejected_on: datetime
    last_rejected_on: datetime


def waiting(connection: Connection, selection: Selection) -> list[Waiting]:
    """The selected dead letters that wait, counted by topic and reason."""
    labels = (DEAD_LETTER.c.topic, DEAD_LETTER.c.stage, DEAD_LETTER.c.reason)
    query = (
        select(
            *labels,
            func.count().label("records"),
            (func.count() - func.count(DEAD_LETTER.c.record_headers)).label("coordinates_only"),
            func.min(DEAD_LETTER.c.first_rejected_on).label("first_rejected_on"),
            func.max(DEAD_LETTER.c.last_rejected_on).label("last_rejected_on"),
        )
        .where(IS_WAITING, selection.condition())
        .group_by(*labels)
        .order_by(*labels)
    )
    return [Waiting(**row) for row in connection.execute(query).mappings()]


def count_waiting(connection: Connection) -> dict[tuple[str, str], int]:
    """The number of dead letters that wait, by topic and reason. An index answers it alone."""
    labels = (DEAD_LETTER.c.topic, DEAD_LETTER.c.reason)
    rows = connection.execute(select(*labels, func.count()).where(IS_WAITING).group_by(*labels))
    return {(topic, reason): count for topic, reason, count in rows}


def find(connection: Connection, selection: Selection, limit: int) -> list[RowMapping]:
    """The latest dead letters first, without key, value and headers, which may be personal."""
    columns = [column for column in DEAD_LETTER.columns if not column.name.startswith("record_")]
    query = select(*columns, DEAD_LETTER.c.record_time, func.length(DEAD_LETTER.c.record_value).label("value_bytes"))
    query = query.where(selection.condition())
    query = query.order_by(DEAD_LETTER.c.last_rejected_on.desc(), DEAD_LETTER.c.kafka_offset.desc()).limit(limit)
    return list(connection.execute(query).mappings())


def get(connection: Connection, where: Coordinates) -> RowMapping | None:
    """One dead letter, whole; of a recreated topic's two with the same coordinates the latest."""
    query = select(DEAD_LETTER).where(_is_at(where))
    return connection.execute(query.order_by(DEAD_LETTER.c.last_rejected_on.desc())).mappings().first()


def parts_waiting(connection: Connection, selection: Selection) -> list[LogPart]:
    """The parts of the log in which selected dead letters that wait lie."""
    columns = (DEAD_LETTER.c.topic_id, DEAD_LETTER.c.topic, DEAD_LETTER.c.kafka_partition)
    rows = connection.execute(select(*columns).where(IS_WAITING, selection.condition()).distinct())
    return sorted(LogPart(*row) for row in rows)


def offsets_waiting(
    database: Engine,
    selection: Selection,
    part: LogPart,
    *,
    records_max: int = sys.maxsize,
    also: ColumnElement[bool] = ALL,
) -> Iterator[list[int]]:
    """The offsets of a partition's selected dead letters that wait and fulfil `also`, some at a time. Each is looked at
    once, and no connection is held meanwhile. Raises DatabaseUnavailable."""
    left, after = records_max, -1
    while left:
        query = (
            select(DEAD_LETTER.c.kafka_offset, _record_bytes(part))
            .where(part.holds(), DEAD_LETTER.c.kafka_offset > after, IS_WAITING, selection.condition(), also)
            .order_by(DEAD_LETTER.c.kafka_offset)
            .limit(min(left, RECORDS_MAX))
        )
        offsets: list[int] = []
        held = 0
        with read_connection(database) as connection:
            for offset, record_bytes in connection.execute(query):
                held += record_bytes
                if offsets and held > BYTES_MAX:
                    break
                offsets.append(offset)
        if not offsets:
            return
        yield offsets
        left, after = left - len(offsets), offsets[-1]


def _record_bytes(part: LogPart) -> ColumnElement[int]:
    """The size of a dead letter's record. One of which nothing is kept was too large, unless its topic hides values."""
    kept = (DEAD_LETTER.c.record_key, DEAD_LETTER.c.record_value, DEAD_LETTER.c.record_headers)
    size = sum((func.coalesce(func.length(column), 0) for column in kept), literal(0))
    hides_values = part.topic in STREAMS and STREAMS[part.topic].has_hidden_values
    return size if hides_values else case((DEAD_LETTER.c.record_headers.is_(None), RECORD_BYTES_MAX), else_=size)


def discard_some(connection: Connection, selection: Selection, because: str) -> int:
    """Discard some of the selected dead letters that wait, and return their number: 0 when none is left."""
    values = {"status": Status.DISCARDED, "discarded_because": because, **EMPTIED}
    return change_some(connection, and_(IS_WAITING, selection.condition()), values)


def _is_at(where: Coordinates) -> ColumnElement[bool]:
    return and_(
        DEAD_LETTER.c.topic == where.topic,
        DEAD_LETTER.c.kafka_partition == where.partition,
        DEAD_LETTER.c.kafka_offset == where.offset,
    )
