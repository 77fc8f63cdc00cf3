"""Returns: what was left out of an erased person before it was known that they had come back.

Somebody who may come back under the same id is erased; what occurred later is left out, for no return is known. Should
one come that is older than the event, the event has to be stored, as if the return had come first. Nothing of such an
event may be kept: its coordinates are noted, in the transaction that leaves it out, and once a return is there, the
record is read from the log again (`operate/restore.py`). What a later erasure covers is forgotten.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, delete, exists, select, tuple_
from sqlalchemy.dialects.mysql import insert

from stream import moments
from stream.declaration.persons import RETURNING_KINDS, Person
from stream.declaration.service_tables import ERASURE, PROGRESS, SUPPRESSED_RECORD
from stream.mysql.dead_letters import CHANGED_ROWS_MAX, DeadLetter, LogPart
from stream.mysql.erased import persons_in
from stream.mysql.markers import are, markers
from stream.mysql.rows import WrittenSlice
from stream.stages.values import places_of

RECORDS_MAX = 500
"""Records that are read again at a time."""


class LeftOut(NamedTuple):
    """A record that was left out, or emptied as a dead letter, with the person and the time of its event."""

    part: LogPart
    offset: int
    person: Person
    event_time: datetime


def note(
    connection: Connection, written: Sequence[WrittenSlice], emptied: Sequence[DeadLetter], *, is_restoring: bool
) -> None:
    """Note what a transaction leaves out, and the dead letters that it empties, of persons who may come back.

    A return may have come since: to apply a record again does no harm. `is_restoring` says that this is done now: then
    only letters are noted that are covered, or it would never end."""
    note_left_out(connection, list(_rows_left_out(written)))
    note_left_out(connection, list(_letters_left_out(emptied)), is_restoring=is_restoring)


def logs_of(connection: Connection, topic: str) -> Mapping[int, Sequence[LogPart]]:
    """The parts of the log from which a topic's rows may be, by partition: a row doesn't say which incarnation it is
    from, and what isn't in the log will not be found there."""
    ids = select(PROGRESS.c.topic_id, PROGRESS.c.topic, PROGRESS.c.kafka_partition).where(PROGRESS.c.topic == topic)
    parts: dict[int, list[LogPart]] = {}
    for row in connection.execute(ids.distinct()):
        parts.setdefault(row.kafka_partition, []).append(LogPart(*row))
    return parts


def note_left_out(connection: Connection, left_out: Sequence[LeftOut], *, is_restoring: bool = False) -> None:
    """Note those of the records that occurred after their persons' latest erasure."""
    marked = markers(connection, {each.person for each in left_out})
    rows = [
        {
            "topic_id": each.part.topic_id,
            "topic": each.part.topic,
            "kafka_partition": each.part.partition,
            "kafka_offset": each.offset,
            "person_kind": each.person.kind,
            "person_id": each.person.person_id,
            "event_time": each.event_time,
            "noted_on": moments.now(),
        }
        for each in dict.fromkeys(left_out)
        if (marker := marked.get(each.person)) is not None
        and each.event_time > marker.erased_on
        and (marker.covers(each.event_time) or not is_restoring)
    ]
    if rows:
        statement = insert(SUPPRESSED_RECORD)
        connection.execute(statement.on_duplicate_key_update(noted_on=statement.inserted.noted_on), rows)


def _rows_left_out(written: Sequence[WrittenSlice]) -> Iterator[LeftOut]:
    for each in written:
        part = LogPart(each.slice.claim.topic_id, *each.slice.topic_partition)
        for table in each.upserted.left_out:
            event_time, offset = places_of(table.feed.table, "event_time", "kafka_offset")
            for person, row in persons_in(table):
                if person.kind in RETURNING_KINDS:
                    yield LeftOut(part, row[offset], person, moments.from_micros(row[event_time]))


def _letters_left_out(emptied: Sequence[DeadLetter]) -> Iterator[LeftOut]:
    for letter in emptied:
        person = letter.person
        if person is not None and person.kind in RETURNING_KINDS:
            part = LogPart(letter.topic_id, *letter.topic_partition)
            yield LeftOut(part, letter.record.offset, person, moments.from_millis(letter.record.timestamp_ms))


def due(connection: Connection, topics: Collection[str]) -> tuple[LogPart, list[RowMapping]] | None:
    """Some of the notes on records of these topics that a return lets in, those of one part of the log; None where
    there are none."""
    rows = list(connection.execute(_due(topics).limit(RECORDS_MAX)).mappings())
    if not rows:
        return None
    parts = [LogPart(row["topic_id"], row["topic"], row["kafka_partition"]) for row in rows]
    return parts[0], [row for row, part in zip(rows, parts, strict=True) if part == parts[0]]


def are_due(connection: Connection, topics: Collection[str], noted_until: datetime) -> bool:
    """Whether there are any that were noted by then (UTC, without a zone)."""
    noted = _due(topics).where(SUPPRESSED_RECORD.c.noted_on <= noted_until)
    return connection.execute(noted.limit(1)).first() is not None


def _due(topics: Collection[str]) -> Select[Any]:
    is_let_in = SUPPRESSED_RECORD.c.event_time > ERASURE.c.returned_on
    joined = SUPPRESSED_RECORD.join(ERASURE, and_(_is_person_of_note(), is_let_in))
    keys = list(SUPPRESSED_RECORD.primary_key)
    return select(*keys).select_from(joined).where(SUPPRESSED_RECORD.c.topic.in_(list(topics))).order_by(*keys)


def _is_person_of_note() -> ColumnElement[bool]:
    return and_(
        ERASURE.c.person_kind == SUPPRESSED_RECORD.c.person_kind, ERASURE.c.person_id == SUPPRESSED_RECORD.c.person_id
    )


def forget(connection: Connection, notes: Sequence[RowMapping]) -> None:
    """Forget these very notes: of the same records others may wait, about somebody else."""
    keys = list(SUPPRESSED_RECORD.primary_key)
    connection.execute(delete(SUPPRESSED_RECORD).where(tuple_(*keys).in_([tuple(note.values()) for note in notes])))


def forget_erased(connection: Connection, persons: Collection[Person]) -> None:
    """Forget what the latest erasure of these persons covers: no return can let it in any more."""
    returning = [person for person in persons if person.kind in RETURNING_KINDS]
    if returning:
        is_covered = exists().where(_is_person_of_note(), SUPPRESSED_RECORD.c.event_time <= ERASURE.c.erased_on)
        connection.execute(delete(SUPPRESSED_RECORD).where(are(returning, SUPPRESSED_RECORD), is_covered))


def remove_old(connection: Connection, before: datetime) -> dict[str, int]:
    """Remove some notes of before a moment; how many, by table: the log no longer has their records."""
    statement = delete(SUPPRESSED_RECORD).where(SUPPRESSED_RECORD.c.noted_on < before)
    done = connection.execute(statement.with_dialect_options(mysql_limit=CHANGED_ROWS_MAX))
    return {SUPPRESSED_RECORD.name: int(done.rowcount)}
