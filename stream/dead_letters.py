"""Dead letters: rejected records with why, kept as rows in the transaction that moves progress past them.

So each exists exactly once, however often its record is read, and it outlives the topic's retention.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, literal_column, select, tuple_
from sqlalchemy.dialects.mysql import insert

from stream.catalog import STREAMS
from stream.errors import Rejection
from stream.progress import moment_of
from stream.records import Headers, Record, TopicPartition
from stream.tables import DEAD_LETTER, ERASURE

WAITING = "waiting"
ERASED = "erased"
"""Nothing is left of it but where it was and why: its key named a person who is erased."""

PERSONAL_COLUMNS = ("record_key", "record_value", "record_headers")

ONE: ColumnElement[int] = literal_column("1")
"""A parameter behind VALUES would break PyMySQL's executemany."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected record, where it is in the log, and why it was rejected."""

    topic_id: str
    topic_partition: TopicPartition
    record: Record
    rejection: Rejection

    @property
    def person(self) -> NamedPerson | None:
        """Whom the record's key names."""
        key = self.record.key
        return STREAMS[self.topic_partition.topic].person_of_key(key) if key else None

    @property
    def has_hidden_values(self) -> bool:
        return STREAMS[self.topic_partition.topic].has_hidden_values


NamedPerson = tuple[str, str]
"""Kind and id."""


def keep(connection: Connection, letters: Sequence[DeadLetter]) -> None:
    """Write dead letters. One that is there already (its record was read again) counts another attempt.

    Of those whose key names an erased person, and of topics whose values are never stored, nothing is written but
    the coordinates and the reason.
    """
    if not letters:
        return
    erased = _erased_among(connection, [person for letter in letters if (person := letter.person)])
    statement = insert(DEAD_LETTER)
    renewed = ["stage", "reason", "field", "status", "last_rejected_on", *PERSONAL_COLUMNS]
    # A list of rows goes to the driver's executemany, which sends them in statements of bounded size.
    connection.execute(
        statement.on_duplicate_key_update(
            [*((name, statement.inserted[name]) for name in renewed), ("attempts", DEAD_LETTER.c.attempts + ONE)]
        ),
        [_row(letter, is_erased=letter.person in erased) for letter in letters],
    )


def _erased_among(connection: Connection, persons: Sequence[NamedPerson]) -> set[NamedPerson | None]:
    """Those of the persons who are erased."""
    if not persons:
        return set()
    columns = (ERASURE.c.person_kind, ERASURE.c.person_id)
    found = connection.execute(select(*columns).where(tuple_(*columns).in_(set(persons))))
    return {(row.person_kind, row.person_id) for row in found}


def _row(letter: DeadLetter, *, is_erased: bool) -> dict[str, Any]:
    record, rejection = letter.record, letter.rejection
    now = datetime.now(UTC).replace(tzinfo=None)
    is_emptied = is_erased or letter.has_hidden_values
    return {
        "topic_id": letter.topic_id,
        "topic": letter.topic_partition.topic,
        "kafka_partition": letter.topic_partition.partition,
        "kafka_offset": record.offset,
        "stage": rejection.stage,
        "reason": rejection.reason,
        "field": rejection.field,
        "status": ERASED if is_erased else WAITING,
        "attempts": 1,
        "record_time": moment_of(record.timestamp_ms),
        "first_rejected_on": now,
        "last_rejected_on": now,
        "record_key": None if is_emptied else record.key,
        "record_value": None if is_emptied else record.value,
        "record_headers": None if is_emptied else headers_to_text(record.headers),
    }


def headers_to_text(headers: Headers) -> str:
    """Headers as JSON, their values in base64, for they are bytes."""
    return json.dumps([[name, None if value is None else base64.b64encode(value).decode()] for name, value in headers])


def headers_from_text(text: str | None) -> list[tuple[str, bytes | None]]:
    """What `headers_to_text` wrote."""
    return [(name, None if value is None else base64.b64decode(value)) for name, value in json.loads(text or "[]")]


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a record is in the log, as people type it: `topic/partition/offset`."""

    topic: str
    partition: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Coordinates:
        """Raises ValueError where the text has another form."""
        topic, *numbers = text.rsplit("/", 2)
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            raise ValueError(f"{text} is not topic/partition/offset, as in trip/3/1045")
        return cls(topic, int(numbers[0]), int(numbers[1]))


def find(
    connection: Connection,
    *,
    topic: str | None = None,
    reason: str | None = None,
    status: str | None = None,
    limit: int,
) -> list[RowMapping]:
    """The latest dead letters first, without key, value and headers, which may be personal."""
    columns = [column for column in DEAD_LETTER.columns if not column.name.startswith("record_")]
    query = select(*columns, DEAD_LETTER.c.record_time, func.length(DEAD_LETTER.c.record_value).label("value_bytes"))
    for name, wanted in (("topic", topic), ("reason", reason), ("status", status)):
        if wanted is not None:
            query = query.where(DEAD_LETTER.c[name] == wanted)
    query = query.order_by(DEAD_LETTER.c.last_rejected_on.desc(), DEAD_LETTER.c.kafka_offset.desc()).limit(limit)
    return list(connection.execute(query).mappings())


def get(connection: Connection, where: Coordinates) -> RowMapping | None:
    """One dead letter, whole; of a recreated topic's two with the same coordinates the latest."""
    query = select(DEAD_LETTER).where(
        DEAD_LETTER.c.topic == where.topic,
        DEAD_LETTER.c.kafka_partition == where.partition,
        DEAD_LETTER.c.kafka_offset == where.offset,
    )
    return connection.execute(query.order_by(DEAD_LETTER.c.last_rejected_on.desc())).mappings().first()
