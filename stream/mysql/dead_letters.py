"""Dead letters: rejected records with why, kept as rows in the transaction that moves progress past them.

So each exists exactly once, however often its record is read, and it outlives the topic's retention.

    waiting ──redrive──▶ resolved     its event is in the tables
       │ ╰────discard──▶ discarded    somebody decided, and said why
       │ ╰────────days─▶ expired      nobody did, and what was kept of it is too old
       ╰────an erasure─▶ erased       its key names a person of whom nothing may be kept

Of all but those that wait nothing is left but where they were and why, and after a long time not even that. A record
that is read and rejected again waits again, unless it was discarded.
"""

import base64
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import compress
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.mysql import insert

from stream import moments
from stream.catalog import STREAMS
from stream.declaration.persons import Person
from stream.declaration.service_tables import DEAD_LETTER
from stream.declaration.streams import Stream
from stream.errors import Rejection
from stream.mysql.markers import Marker, markers
from stream.records import RECORD_BYTES_MAX, Headers, Record, Slice, TopicPartition


class Status(StrEnum):
    """The state of a dead letter; see above."""

    WAITING = "waiting"
    RESOLVED = "resolved"
    DISCARDED = "discarded"
    ERASED = "erased"
    EXPIRED = "expired"


PERSONAL_COLUMNS = ("record_key", "record_value", "record_headers")
EMPTIED: dict[str, Any] = dict.fromkeys(PERSONAL_COLUMNS)
"""The values that leave nothing of a record."""

CHANGED_ROWS_MAX = 1000
"""Rows changed in one transaction where many are: nobody waits long for their locks."""

IS_WAITING = DEAD_LETTER.c.status == literal_column(f"'{Status.WAITING}'")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A rejected record, where it is in the log, and why it was rejected."""

    topic_id: str
    topic_partition: TopicPartition
    record: Record
    rejection: Rejection

    @property
    def person(self) -> Person | None:
        """The person whom the record's key names."""
        key, name = self.record.key, self.rejection.event_name
        return STREAMS[self.topic_partition.topic].person_of_key(key, name) if key else None


def keep(connection: Connection, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Write dead letters. One that is there already (its record was read again) counts another attempt. Of those whose
    key names an erased person, which are returned, of topics whose values are never stored, and of records that are too
    large, nothing is written but the coordinates and the reason. What somebody discarded stays so."""
    if not letters:
        return []
    marked = markers(connection, {person for letter in letters if (person := letter.person) is not None})
    are_erased = [_is_covered(letter, marked) for letter in letters]
    statement = insert(DEAD_LETTER)
    is_discarded = DEAD_LETTER.c.status == literal_column(f"'{Status.DISCARDED}'")
    nothing: ColumnElement[Any] = literal_column("NULL")
    renewed = [
        (name, statement.inserted[name]) for name in ("stage", "reason", "field", "event_name", "last_rejected_on")
    ]
    unless_discarded: list[tuple[str, Any]] = [
        *((name, func.if_(is_discarded, nothing, statement.inserted[name])) for name in PERSONAL_COLUMNS),
        # Assigned from left to right: those above look at the status as it was.
        ("status", func.if_(is_discarded, DEAD_LETTER.c.status, statement.inserted.status)),
    ]
    # A list of rows goes to the driver's executemany, which sends them in statements of bounded size, and which a
    # parameter behind VALUES would break.
    counted: tuple[str, Any] = ("attempts", DEAD_LETTER.c.attempts + literal_column("1"))
    connection.execute(
        statement.on_duplicate_key_update([*renewed, *unless_discarded, counted]),
        [_row(letter, is_erased=is_erased) for letter, is_erased in zip(letters, are_erased, strict=True)],
    )
    return list(compress(letters, are_erased))


def _is_covered(letter: DeadLetter, marked: Mapping[Person, Marker]) -> bool:
    """Whether the letter's person is erased, and did not come back before Kafka got the record."""
    marker = None if letter.person is None else marked.get(letter.person)
    return marker is not None and marker.covers(moments.from_millis(letter.record.timestamp_ms))


def _row(letter: DeadLetter, *, is_erased: bool) -> dict[str, Any]:
    record, rejection = letter.record, letter.rejection
    now = moments.now()
    is_hidden = is_erased or STREAMS[letter.topic_partition.topic].has_hidden_values
    kept = (None, None, None) if is_hidden else content(record)
    return {
        "topic_id": letter.topic_id,
        "topic": letter.topic_partition.topic,
        "kafka_partition": letter.topic_partition.partition,
        "kafka_offset": record.offset,
        "stage": rejection.stage,
        "reason": rejection.reason,
        "field": rejection.field,
        "event_name": rejection.event_name,
        "status": Status.ERASED if is_erased else Status.WAITING,
        "attempts": 1,
        "record_time": moments.from_millis(record.timestamp_ms),
        "first_rejected_on": now,
        "last_rejected_on": now,
        **dict(zip(PERSONAL_COLUMNS, kept, strict=True)),
    }


def content(record: Record) -> tuple[bytes | None, bytes | None, str | None]:
    """The kept part of a record: its key, its value and the text of its headers, or nothing where they are too large
    together. Escaping at most doubles them, and then they still fit into the smallest packet that we work with."""
    raw_bytes = len(record.key or b"") + len(record.value or b"")
    if raw_bytes + sum(len(name) + len(value or b"") for name, value in record.headers) <= RECORD_BYTES_MAX:
        headers = headers_to_text(record.headers)
        if raw_bytes + len(headers) <= RECORD_BYTES_MAX:
            return record.key, record.value, headers
    return None, None, None


def headers_to_text(headers: Headers) -> str:
    """Headers as JSON, their values in base64, for they are bytes."""
    return json.dumps([[name, None if value is None else base64.b64encode(value).decode()] for name, value in headers])


def headers_from_text(text: str | None) -> list[tuple[str, bytes | None]]:
    """The headers of a text that `headers_to_text` wrote."""
    return [(name, None if value is None else base64.b64decode(value)) for name, value in json.loads(text or "[]")]


@dataclass(frozen=True, order=True)
class LogPart:
    """A partition of one incarnation of a topic: a topic recreated under the same name is another log."""

    topic_id: str
    topic: str
    partition: int

    @property
    def topic_partition(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def holds(self) -> ColumnElement[bool]:
        """Whether a dead letter's record lies in it."""
        return and_(
            DEAD_LETTER.c.topic_id == self.topic_id,
            DEAD_LETTER.c.topic == self.topic,
            DEAD_LETTER.c.kafka_partition == self.partition,
        )

    def holds_at(self, offsets: Collection[int]) -> ColumnElement[bool]:
        """Whether a dead letter's record lies in it, at one of these offsets."""
        return and_(self.holds(), DEAD_LETTER.c.kafka_offset.in_(offsets))


def waiting(connection: Connection, part: LogPart, offsets: Sequence[int], *, is_locking: bool) -> list[RowMapping]:
    """Those of the dead letters that still wait; if wanted, theirs alone to the transaction until it ends."""
    query = select(DEAD_LETTER).where(part.holds_at(offsets), IS_WAITING).order_by(DEAD_LETTER.c.kafka_offset)
    return list(connection.execute(query.with_for_update() if is_locking else query).mappings())


def without_content(connection: Connection, part: LogPart, offsets: Collection[int]) -> list[int]:
    """Those of the offsets of whose records nothing but the coordinates is kept."""
    is_bare = and_(part.holds_at(offsets), DEAD_LETTER.c.record_headers.is_(None))
    return list(connection.execute(select(DEAD_LETTER.c.kafka_offset).where(is_bare)).scalars())


def record_of(row: RowMapping) -> Record | None:
    """The record as it came; None where only its coordinates are kept."""
    if row["record_headers"] is None:
        return None
    millis, headers = moments.to_millis(row["record_time"]), headers_from_text(row["record_headers"])
    return Record(row["kafka_offset"], millis, row["record_key"], row["record_value"], headers)


def resolve_records(connection: Connection, slice_: Slice, rejected: Collection[int]) -> None:
    """Resolve exactly the dead letters that were redriven, but for those at the offsets `rejected`: others between them
    may wait, and were not selected."""
    offsets = [record.offset for record in slice_.records if record.offset not in rejected]
    if offsets:
        _resolve(connection, LogPart(slice_.claim.topic_id, *slice_.topic_partition).holds_at(offsets))


def resolve_span(connection: Connection, slice_: Slice, rejected: Collection[int]) -> None:
    """Resolve what waits from the slice's beginning to its end, but for what is at the offsets `rejected`."""
    offset = DEAD_LETTER.c.kafka_offset
    is_in = and_(offset >= slice_.start_offset, offset < slice_.next_offset, offset.not_in(rejected))
    _resolve(connection, and_(LogPart(slice_.claim.topic_id, *slice_.topic_partition).holds(), is_in, IS_WAITING))


def _resolve(connection: Connection, which: ColumnElement[bool]) -> None:
    """Note that records' events are in the tables; nothing else of them is needed any more."""
    connection.execute(update(DEAD_LETTER).where(which).values(status=Status.RESOLVED, **EMPTIED))


def note_published(connection: Connection, part: LogPart, offsets: Collection[int]) -> None:
    """Note that a topic of dead letters has copies of these."""
    connection.execute(update(DEAD_LETTER).where(part.holds_at(offsets)).values(published_on=moments.now()))


def expire_some(connection: Connection, before: datetime) -> dict[str, int]:
    """Empty some of those that were rejected last before a moment; how many, by table: 0 when none is left."""
    has_content = DEAD_LETTER.c.record_headers.is_not(None)  # the headers tell: key and value may have come as null
    is_old = and_(IS_WAITING, DEAD_LETTER.c.last_rejected_on < before, has_content)
    return {DEAD_LETTER.name: change_some(connection, is_old, {"status": Status.EXPIRED, **EMPTIED})}


def remove_settled(connection: Connection, before: datetime) -> dict[str, int]:
    """Remove some of those that don't wait and were rejected last before a moment; how many, by table."""
    settled = [status for status in Status if status is not Status.WAITING]
    is_old = and_(DEAD_LETTER.c.status.in_(settled), DEAD_LETTER.c.last_rejected_on < before)
    statement = delete(DEAD_LETTER).where(is_old).with_dialect_options(mysql_limit=CHANGED_ROWS_MAX)
    return {DEAD_LETTER.name: int(connection.execute(statement).rowcount)}


def erase_some(connection: Connection, stream: Stream, which: ColumnElement[bool]) -> list[RowMapping]:
    """Empty some dead letters of a topic, but for events whose key names nobody; their coordinates, times and keys."""
    name = DEAD_LETTER.c.event_name
    is_about_anybody = or_(name.is_(None), name.not_in(stream.events_of_nobody))
    is_left = and_(DEAD_LETTER.c.topic == stream.topic, which, is_about_anybody)
    keys = list(DEAD_LETTER.primary_key)
    query = select(*keys, DEAD_LETTER.c.record_time, DEAD_LETTER.c.record_key).where(is_left).limit(CHANGED_ROWS_MAX)
    rows = list(connection.execute(query.with_for_update()).mappings())
    if rows:
        erased = and_(is_left, tuple_(*keys).in_([tuple(row[key] for key in keys) for row in rows]))
        connection.execute(update(DEAD_LETTER).where(erased).values(status=Status.ERASED, **EMPTIED))
    return rows


def change_some(connection: Connection, which: ColumnElement[bool], values: dict[str, Any]) -> int:
    """Change at most CHANGED_ROWS_MAX of the dead letters, in the caller's transaction; how many it were."""
    statement = update(DEAD_LETTER).where(which).values(values).with_dialect_options(mysql_limit=CHANGED_ROWS_MAX)
    return int(connection.execute(statement).rowcount)
