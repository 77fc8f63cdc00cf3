"""Erasing persons: the marker that outlasts everything, and the removal of what was stored before it.

An erasure is absorbing. Its marker, a row of `erasure`, is written in the transaction of the event that asks for it;
from then on the statement that writes rows joins with the markers and leaves that person's rows out. What is older
is removed afterwards, in steps that can be repeated (`sweep`):

1. remove the person's rows, empty the columns of those that stay, remove dead letters under the person's key
2. lock every progress row once: that waits for each write whose statement began before the marker was seen
3. remove again what such a write left behind
4. only then note the marker as swept; the receipt is final
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, or_, select, update
from sqlalchemy.dialects.mysql import insert

from stream import dead_letters
from stream.catalog import STREAMS
from stream.catalog.declaration import OnErasure, Person, PersonKind, persons_of
from stream.catalog.types import MICROS_MAX
from stream.compact import ErasedPerson
from stream.tables import DEAD_LETTER, ERASURE, ERASURE_REMOVAL, PROGRESS
from stream.upsert import RowCounts

REMOVE_ROWS_MAX = 1000
"""Rows removed in one transaction: a person with many must not hold up the lanes."""


def mark(connection: Connection, persons: Iterable[tuple[ErasedPerson, int]]) -> RowCounts:
    """Write the markers of persons, each with when (microseconds) the erasing event occurred; the earliest stays.

    In the order of their keys, so that two lanes don't wait for each other crosswise.
    """
    counts = RowCounts()
    for person, micros in sorted(persons):
        erased_on = _moment(micros)
        statement = insert(ERASURE).values(person_kind=person.kind, person_id=person.person_id, erased_on=erased_on)
        statement = statement.on_duplicate_key_update(erased_on=func.least(ERASURE.c.erased_on, erased_on))
        affected = connection.execute(statement).rowcount
        counts += RowCounts(1, int(affected == 1), int(affected == 2), int(affected == 0), 0)
    return counts


def unswept(connection: Connection) -> list[ErasedPerson]:
    """The persons whose older rows may still be there.

    A kind that is not ours (somebody's own entry, or a newer version's) has no tables here: it is left alone.
    """
    query = select(ERASURE.c.person_kind, ERASURE.c.person_id).where(
        ERASURE.c.swept_on.is_(None), ERASURE.c.person_kind.in_(list(PersonKind))
    )
    return [ErasedPerson(PersonKind(row.person_kind), row.person_id) for row in connection.execute(query)]


def sweep(connection: Connection, persons: Sequence[ErasedPerson]) -> None:
    """Remove what is stored of persons whose markers are committed. Can be interrupted and repeated.

    Each step commits by itself. Raises what the database raises; the caller tries again.
    """
    for person in persons:
        remove(connection, person)
    with connection.begin():
        connection.execute(select(PROGRESS.c.topic).with_for_update()).all()
    for person in persons:
        remove(connection, person)
        with connection.begin():
            connection.execute(update(ERASURE).where(_is_marker(person)).values(swept_on=func.utc_timestamp(6)))


def remove(connection: Connection, person: ErasedPerson) -> None:
    """Remove a person's rows from every table, and note how many went from where."""
    for table, about in tables_about(person.kind):
        _until_none(connection, person, table.name, _removal(table, about, person))
    for topic in _topics_keyed_by_persons():
        under_their_key = and_(DEAD_LETTER.c.topic == topic, DEAD_LETTER.c.record_key == person.key.encode())
        emptied = {**dict.fromkeys(dead_letters.PERSONAL_COLUMNS), "status": dead_letters.ERASED}
        _until_none(connection, person, DEAD_LETTER.name, update(DEAD_LETTER).where(under_their_key).values(emptied))


def tables_about(kind: PersonKind) -> list[tuple[Table, Person]]:
    """The tables that have rows about persons of this kind, and how."""
    return [
        (table, about)
        for stream in STREAMS.values()
        for table in stream.tables
        for about in persons_of(table)
        if about.kind is kind
    ]


def is_theirs(table: Table, about: Person, person: ErasedPerson) -> ColumnElement[bool]:
    """Whether a row is about the person."""
    theirs: ColumnElement[bool] = table.c[about.column] == _as_stored(table, about, person)
    return theirs


def _removal(table: Table, about: Person, person: ErasedPerson) -> Any:
    theirs = is_theirs(table, about, person)
    if about.on_erasure is OnErasure.DELETE_ROW:
        return delete(table).where(theirs)
    still_there = [table.c[name].is_not(None) for name in about.emptied]
    return update(table).where(theirs, or_(*still_there)).values(dict.fromkeys(about.emptied))


def _as_stored(table: Table, about: Person, person: ErasedPerson) -> int | str:
    """The id in the type of its column: compared as another type, no index would serve."""
    return int(person.person_id) if table.c[about.column].type.python_type is int else person.person_id


def _until_none(connection: Connection, person: ErasedPerson, table_name: str, statement: Any) -> None:
    limited = statement.with_dialect_options(mysql_limit=REMOVE_ROWS_MAX)
    removed = REMOVE_ROWS_MAX
    while removed == REMOVE_ROWS_MAX:
        with connection.begin():
            removed = connection.execute(limited).rowcount
            if removed:
                _note(connection, person, table_name, removed)


def _note(connection: Connection, person: ErasedPerson, table_name: str, removed: int) -> None:
    statement = insert(ERASURE_REMOVAL).values(
        person_kind=person.kind, person_id=person.person_id, table_name=table_name, rows_removed=removed
    )
    added = ERASURE_REMOVAL.c.rows_removed + statement.inserted.rows_removed
    connection.execute(statement.on_duplicate_key_update(rows_removed=added))


def _topics_keyed_by_persons() -> list[str]:
    return [stream.topic for stream in STREAMS.values() if stream.has_tombstones]


def _is_marker(person: ErasedPerson) -> Any:
    return and_(ERASURE.c.person_kind == person.kind, ERASURE.c.person_id == person.person_id)


def _moment(micros: int) -> datetime:
    seconds, rest = divmod(min(micros, MICROS_MAX), 1_000_000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=rest, tzinfo=None)
