"""Dead letters: rejected records with why, kept as rows in the transaction that moves progress past them.

So each exists exactly once, however often its record is read, and it outlives the topic's retention.

    waiting ──redrive──▶ resolved     its event is in the tables
       │ ╰────discard──▶ discarded    somebody decided, and said why
       │ ╰────────days─▶ expired      nobody did, and what was kept of it is too old
       ╰────an erasure─▶ erased       its key names a person of whom nothing may be kept

Of all but those that wait nothing is left but where they were and why, and after a long time not even that. A record
that is read and rejected again waits again, unless it was discarded.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    delete,
    func,
    literal_column,
    null,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.mysql import insert

from stream.catalog import STREAMS
from stream.declaration.service_tables import DEAD_LETTER, ERASURE
from stream.errors import Reason, Rejection
from stream.mysql.progress import moment_of
from stream.records import Headers, Record, Slice, TopicPartition


class Status(StrEnum):
    """What became of a dead letter; see above."""

    WAITING = "waiting"
    RESOLVED = "resolved"
    DISCARDED = "discarded"
    ERASED = "erased"
    EXPIRED = "expired"


PERSONAL_COLUMNS = ("record_key", "record_value", "record_headers")
EMPTIED: dict[str, Any] = dict.fromkeys(PERSONAL_COLUMNS)
"""What is assigned to leave nothing of a record."""

CHANGED_ROWS_MAX = 1000
"""Rows changed in one transaction where many are: nobody waits long for their locks."""

IS_WAITING = DEAD_LETTER.c.status == literal_column(f"'{Status.WAITING}'")
HAS_CONTENT: ColumnElement[bool] = DEAD_LETTER.c.record_headers.is_not(None)
"""Key, value and headers are kept. The headers tell: key and value may have come as null."""

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
    the coordinates and the reason. What somebody discarded stays so.
    """
    if not letters:
        return
    erased = _erased_among(connection, [person for letter in letters if (person := letter.person)])
    statement = insert(DEAD_LETTER)
    is_discarded = DEAD_LETTER.c.status == literal_column(f"'{Status.DISCARDED}'")
    renewed = [(name, statement.inserted[name]) for name in ("stage", "reason", "field", "last_rejected_on")]
    unless_discarded: list[tuple[str, Any]] = [
        *((name, func.if_(is_discarded, null(), statement.inserted[name])) for name in PERSONAL_COLUMNS),
        # Assigned from left to right: those above look at the status as it was.
        ("status", func.if_(is_discarded, DEAD_LETTER.c.status, statement.inserted.status)),
    ]
    # A list of rows goes to the driver's executemany, which sends them in statements of bounded size.
    connection.execute(
        statement.on_duplicate_key_update([*renewed, *unless_discarded, ("attempts", DEAD_LETTER.c.attempts + ONE)]),
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
        "status": Status.ERASED if is_erased else Status.WAITING,
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


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant; what is not given selects all."""

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
            wanted.append(or_(*(_is_at(one) for one in self.coordinates)))
        return and_(true(), *wanted)


@dataclass(frozen=True)
class Waiting:
    """How many dead letters of a topic wait for one reason."""

    topic: str
    stage: str
    reason: str
    records: int
    coordinates_only: int
    """Those of which nothing else is kept."""
    first_rejected_on: datetime
    last_rejected_on: datetime


def waiting(connection: Connection, selection: Selection) -> list[Waiting]:
    """What waits among the selected, by topic and reason."""
    topic, stage, reason = DEAD_LETTER.c.topic, DEAD_LETTER.c.stage, DEAD_LETTER.c.reason
    query = (
        select(
            topic,
            stage,
            reason,
            func.count().label("records"),
            func.sum(func.if_(HAS_CONTENT, 0, 1)).label("coordinates_only"),
            func.min(DEAD_LETTER.c.first_rejected_on).label("first_rejected_on"),
            func.max(DEAD_LETTER.c.last_rejected_on).label("last_rejected_on"),
        )
        .where(IS_WAITING, selection.condition())
        .group_by(topic, stage, reason)
        .order_by(topic, stage, reason)
    )
    rows = connection.execute(query).mappings()
    return [Waiting(**{**row, "coordinates_only": int(row["coordinates_only"])}) for row in rows]


def count_waiting(connection: Connection) -> dict[tuple[str, str], int]:
    """How many dead letters wait, by topic and reason. An index answers it alone."""
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


@dataclass(frozen=True, order=True)
class LogPart:
    """One partition of one topic, which another that takes its name later is not."""

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


def parts_waiting(connection: Connection, selection: Selection) -> list[LogPart]:
    """Where the selected ones that wait lie in the log."""
    columns = (DEAD_LETTER.c.topic_id, DEAD_LETTER.c.topic, DEAD_LETTER.c.kafka_partition)
    rows = connection.execute(select(*columns).where(IS_WAITING, selection.condition()).distinct())
    return sorted(LogPart(*row) for row in rows)


def offsets_waiting(
    connection: Connection,
    selection: Selection,
    part: LogPart,
    *,
    after: int,
    records_max: int,
    bytes_max: int,
    also: ColumnElement[bool] | None = None,
) -> list[int]:
    """The next of a partition's selected ones that wait, as many as hold at most so much, but at least one.

    `also` is asked of them as well.
    """
    query = (
        select(DEAD_LETTER.c.kafka_offset, func.coalesce(func.length(DEAD_LETTER.c.record_value), 0))
        .where(part.holds(), DEAD_LETTER.c.kafka_offset > after, IS_WAITING, selection.condition())
        .where(true() if also is None else also)
        .order_by(DEAD_LETTER.c.kafka_offset)
        .limit(records_max)
    )
    offsets: list[int] = []
    held = 0
    for offset, value_bytes in connection.execute(query):
        held += value_bytes
        if offsets and held > bytes_max:
            break
        offsets.append(offset)
    return offsets


def lock_waiting(connection: Connection, part: LogPart, offsets: Sequence[int]) -> list[RowMapping]:
    """Those of the dead letters that still wait, theirs alone to the transaction until it ends."""
    query = select(DEAD_LETTER).where(part.holds(), DEAD_LETTER.c.kafka_offset.in_(offsets), IS_WAITING)
    return list(connection.execute(query.order_by(DEAD_LETTER.c.kafka_offset).with_for_update()).mappings())


def record_of(row: RowMapping) -> Record:
    """The record as it came."""
    timestamp_ms = round(row["record_time"].replace(tzinfo=UTC).timestamp() * 1000)
    headers = headers_from_text(row["record_headers"])
    return Record(row["kafka_offset"], timestamp_ms, row["record_key"], row["record_value"], headers)


def resolve(connection: Connection, part: LogPart, offsets: Sequence[int]) -> None:
    """Note that the records' events are in the tables; nothing else of them is needed any more."""
    if offsets:
        theirs = and_(part.holds(), DEAD_LETTER.c.kafka_offset.in_(offsets))
        connection.execute(update(DEAD_LETTER).where(theirs).values(status=Status.RESOLVED, **EMPTIED))


def resolve_slice(connection: Connection, one: Slice, rejected: Collection[int]) -> None:
    """Note that the records of a slice passed, where they were rejected before; `rejected` are the offsets that were
    again."""
    passed = and_(
        LogPart(one.claim.topic_id, *one.topic_partition).holds(),
        DEAD_LETTER.c.kafka_offset >= one.start_offset,
        DEAD_LETTER.c.kafka_offset < one.next_offset,
        DEAD_LETTER.c.kafka_offset.not_in(rejected),
        IS_WAITING,
    )
    connection.execute(update(DEAD_LETTER).where(passed).values(status=Status.RESOLVED, **EMPTIED))


def note_published(connection: Connection, part: LogPart, offsets: Sequence[int]) -> None:
    """Note that copies of dead letters are in their topic."""
    copied = and_(part.holds(), DEAD_LETTER.c.kafka_offset.in_(offsets))
    now = datetime.now(UTC).replace(tzinfo=None)
    connection.execute(update(DEAD_LETTER).where(copied).values(published_on=now))


def discard_some(connection: Connection, selection: Selection, because: str) -> int:
    """Discard some of the selected ones that wait, within the caller's transaction; how many: 0 when none is left."""
    values = {"status": Status.DISCARDED, "discarded_because": because, **EMPTIED}
    return _change_some(connection, and_(IS_WAITING, selection.condition()), values)


def expire_some(connection: Connection, before: datetime) -> dict[str, int]:
    """Empty some of those that were rejected last before a moment; how many, by table: 0 when none is left."""
    is_old = and_(IS_WAITING, DEAD_LETTER.c.last_rejected_on < before, HAS_CONTENT)
    return {DEAD_LETTER.name: _change_some(connection, is_old, {"status": Status.EXPIRED, **EMPTIED})}


def remove_settled(connection: Connection, before: datetime) -> dict[str, int]:
    """Remove some of those that don't wait and were rejected last before a moment; how many, by table: 0 when none
    is left."""
    settled = [status for status in Status if status is not Status.WAITING]
    is_old = and_(DEAD_LETTER.c.status.in_(settled), DEAD_LETTER.c.last_rejected_on < before)
    statement = delete(DEAD_LETTER).where(is_old).with_dialect_options(mysql_limit=CHANGED_ROWS_MAX)
    return {DEAD_LETTER.name: int(connection.execute(statement).rowcount)}


def _change_some(connection: Connection, which: ColumnElement[bool], values: dict[str, Any]) -> int:
    statement = update(DEAD_LETTER).where(which).values(values).with_dialect_options(mysql_limit=CHANGED_ROWS_MAX)
    return int(connection.execute(statement).rowcount)


def _is_at(where: Coordinates) -> ColumnElement[bool]:
    return and_(
        DEAD_LETTER.c.topic == where.topic,
        DEAD_LETTER.c.kafka_partition == where.partition,
        DEAD_LETTER.c.kafka_offset == where.offset,
    )
