"""Erasing persons: the removal of what was stored of them before their markers were there (`sweep`).

A marker is written in the transaction of the event that asks for it; from then on whoever writes rows leaves that
person's rows out. What is older is removed afterwards, of many persons together, in steps that can be repeated:

1. mark the persons' other names too: the hashes under which they take part in studies
2. remove the persons' rows, empty the columns of those that stay, empty dead letters under the persons' keys
3. wait for each write that is under way: it may have looked before the markers could be seen
4. where such a write brought a study that nobody knew of, begin again with it
5. remove again what such a write left behind
6. only then note the markers as swept; the receipts are final

Of who came back only what occurred until then is removed. Each removal locks their markers first, so that a return
comes either before it, and is seen, or after it, and nothing is stored yet that it lets in.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    Table,
    and_,
    delete,
    false,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.mysql import insert

from stream import moments
from stream.catalog import STREAMS
from stream.declaration.persons import RETURNING_KINDS, OnErasure, Person, PersonColumn, PersonKind
from stream.declaration.service_tables import DEAD_LETTER, ERASURE, ERASURE_REMOVAL, PROGRESS
from stream.declaration.streams import Stream
from stream.declaration.tables import business_time_of, persons_of
from stream.hashing import Hasher
from stream.mysql import dead_letters, returns, touched
from stream.mysql.dead_letters import CHANGED_ROWS_MAX, LogPart
from stream.mysql.markers import Marker, erasing, markers, note_swept, row_of
from stream.mysql.returns import LeftOut
from stream.mysql.touched import NEVER_LATE

Owners = Mapping[Person, Person]
"""By each name of some persons, their hashes among them, the person whose receipt tells what was removed under it."""


def unswept(connection: Connection) -> list[Person]:
    """The persons whose older rows may still be there. A kind that is not ours (somebody's own entry, or a newer
    version's) has no tables here: it is left alone."""
    is_left = and_(ERASURE.c.swept_on.is_(None), ERASURE.c.person_kind.in_(list(PersonKind)))
    rows = connection.execute(select(ERASURE.c.person_kind, ERASURE.c.person_id).where(is_left))
    return [Person(*row) for row in rows]


def sweep(
    connection: Connection, persons: Sequence[Person], hasher: Hasher | None = None, late_before: int = NEVER_LATE
) -> None:
    """Remove what is stored of persons whose markers are committed. Can be interrupted and repeated. Business dates are
    late before `late_before` (microseconds). Each step commits by itself. Raises what the database raises; the caller
    tries again."""
    with connection.begin():
        studies = known_studies(connection)
        seen = markers(connection, persons)
    while True:
        owners = _marked_names(connection, seen, studies, hasher)
        _remove(connection, owners, late_before)
        _wait_for_writers(connection)
        with connection.begin():
            known = known_studies(connection)
        if known <= studies:
            break
        studies |= known
    _remove(connection, owners, late_before)
    # A study that came meanwhile: somebody with a key has to look.
    is_half_done = hasher is None and bool(studies)
    with connection.begin():
        returns.forget_erased(connection, seen)
        note_swept(
            connection,
            {
                name: seen[owner].erased_on
                for name, owner in owners.items()
                if not (is_half_done and owner.kind == PersonKind.APP)
            },
        )


def _marked_names(
    connection: Connection, seen: Mapping[Person, Marker], studies: set[str], hasher: Hasher | None
) -> Owners:
    """The persons' own names, and those that app users have in studies by each of our keys: markers from now on."""
    hashes = {
        Person(PersonKind.RESEARCH, name): person
        for person in seen
        if hasher is not None and person.kind == PersonKind.APP
        for study in studies
        for name in hasher.known_hash_ids(study, person.person_id)
    }
    if hashes:
        rows = [row_of(name, seen[person].erased_on) for name, person in sorted(hashes.items())]
        with connection.begin():
            connection.execute(erasing(), rows)
    return {**{person: person for person in seen}, **hashes}


def _remove(connection: Connection, owners: Owners, late_before: int) -> None:
    """Remove the rows of persons, those under their hashes as well, from every table; note how many went from where."""
    for kind in PersonKind:
        names = [name for name in owners if name.kind == kind]
        for table, about in tables_about(kind) if names else ():
            _until_none(connection, owners, table, partial(_remove_rows, connection, table, about, names, late_before))
    for stream in STREAMS.values():
        keys = {key: name for name in owners if (key := stream.key_of_person(name)) is not None}
        if keys:
            _until_none(connection, owners, DEAD_LETTER, partial(_empty_letters, connection, stream, keys))


def _wait_for_writers(connection: Connection) -> None:
    """Wait until the writes that are under way have ended, each of which has locked its progress row. Whoever locks one
    later sees the markers, and is not held up: at most one row is locked at a time, but for a moment."""
    own = list(PROGRESS.primary_key)
    with connection.begin():
        # A row that is about to be added has a writer, too.
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"))
        rows = {tuple(row) for row in connection.execute(select(*own))}
        free = {tuple(row) for row in connection.execute(select(*own).with_for_update(skip_locked=True))}
    for row in sorted(rows - free):
        with connection.begin():
            is_it = and_(*(column == value for column, value in zip(own, row, strict=True)))
            connection.execute(select(PROGRESS.c.topic).where(is_it).with_for_update()).all()


def tables_about(kind: str) -> list[tuple[Table, PersonColumn]]:
    """The tables that have rows about persons of this kind, and how."""
    return [
        (table, about)
        for stream in STREAMS.values()
        for table in stream.tables
        for about in persons_of(table)
        if about.kind == kind and about.is_stored and about.is_joined
    ]


def known_studies(connection: Connection) -> set[str]:
    """The studies in which anybody takes part."""
    tables = [table for table, _ in tables_about(PersonKind.RESEARCH)]
    return {study for table in tables for study in connection.execute(select(table.c.study_id).distinct()).scalars()}


def is_about(table: Table, about: PersonColumn, persons: Sequence[Person]) -> ColumnElement[bool]:
    """Whether a row is about any of the persons."""
    column: Column[Any] = table.c[about.column]
    # Compared in the type of its column: as another type, no index would serve.
    is_number = column.type.python_type is int
    return column.in_([int(person.person_id) if is_number else person.person_id for person in persons])


def _until_none(
    connection: Connection, owners: Owners, table: Table, remove_some: Callable[[], Counter[Person]]
) -> None:
    """Remove some after the other, a transaction each, until none is left, and note whose they were."""
    removed = CHANGED_ROWS_MAX
    while removed == CHANGED_ROWS_MAX:
        with connection.begin():
            names = remove_some()
            removed = names.total()
            by_person: Counter[Person] = Counter()
            for name, rows in names.items():
                by_person[owners[name]] += rows
            _note_removed(connection, table, by_person)


def _note_removed(connection: Connection, table: Table, by_person: Counter[Person]) -> None:
    rows = [
        {"person_kind": person.kind, "person_id": person.person_id, "table_name": table.name, "rows_removed": removed}
        for person, removed in sorted(by_person.items())
    ]
    if rows:
        statement = insert(ERASURE_REMOVAL)
        added = ERASURE_REMOVAL.c.rows_removed + statement.inserted.rows_removed
        connection.execute(statement.on_duplicate_key_update(rows_removed=added), rows)


def _remove_rows(
    connection: Connection, table: Table, about: PersonColumn, names: Sequence[Person], late_before: int
) -> Counter[Person]:
    """Remove some rows, or empty them; how many of whom. They are locked first: the business times noted have to be
    theirs."""
    is_left = _is_gone(connection, names, partial(is_about, table, about), table.c.event_time)
    removal: Any = delete(table)
    if about.on_erasure is OnErasure.EMPTY_COLUMNS:
        is_left = and_(is_left, or_(*(table.c[name].is_not(None) for name in about.emptied)))
        removal = update(table).values(dict.fromkeys(about.emptied))
    keys, moment, person_id = list(table.primary_key), business_time_of(table), table.c[about.column]
    lineage = (table.c.event_time, table.c.kafka_partition, table.c.kafka_offset)
    columns = dict.fromkeys([*keys, person_id, *lineage, *([] if moment is None else [moment])])
    some = select(*columns).where(is_left).limit(CHANGED_ROWS_MAX).with_for_update()
    rows = list(connection.execute(some).mappings())
    if rows:
        # Both conditions: MariaDB finds rows of a key with two columns by an index of the first one only.
        connection.execute(removal.where(is_left, tuple_(*keys).in_([tuple(row[key] for key in keys) for row in rows])))
    if moment is not None:
        micros = [moments.to_micros(row[moment]) for row in rows]
        touched.note(connection, [touched.of_rows(table, micros, late_before)])
    persons = [Person(about.kind, str(row[person_id])) for row in rows]
    if rows and about.kind in RETURNING_KINDS:
        returns.note_left_out(connection, _records_of(connection, table, persons, rows))
    return Counter(persons)


def _records_of(
    connection: Connection, table: Table, persons: Sequence[Person], rows: Sequence[RowMapping]
) -> list[LeftOut]:
    """The records that rows came from: a return that nobody knows of yet may let them in again."""
    topic = next(stream.topic for stream in STREAMS.values() if table in stream.tables)
    logs = returns.logs_of(connection, topic)
    return [
        LeftOut(part, row["kafka_offset"], person, row["event_time"])
        for person, row in zip(persons, rows, strict=True)
        for part in logs.get(row["kafka_partition"], ())
    ]


def _empty_letters(connection: Connection, stream: Stream, keys: Mapping[bytes, Person]) -> Counter[Person]:
    """Empty some dead letters under the keys of persons; how many of whom."""
    key_of = {name: key for key, name in keys.items()}

    def is_under(names: Sequence[Person]) -> ColumnElement[bool]:
        return DEAD_LETTER.c.record_key.in_([key_of[name] for name in names])

    is_left = _is_gone(connection, list(key_of), is_under, DEAD_LETTER.c.record_time)
    rows = dead_letters.erase_some(connection, stream, is_left)
    returns.note_left_out(
        connection,
        [
            LeftOut(
                LogPart(row["topic_id"], row["topic"], row["kafka_partition"]),
                row["kafka_offset"],
                keys[row["record_key"]],
                row["record_time"],
            )
            for row in rows
            if keys[row["record_key"]].kind in RETURNING_KINDS
        ],
    )
    return Counter(keys[row["record_key"]] for row in rows)


def _is_gone(
    connection: Connection,
    names: Sequence[Person],
    is_about_any: Callable[[Sequence[Person]], ColumnElement[bool]],
    moment: Column[datetime],
) -> ColumnElement[bool]:
    """Whether something is about any of the persons, and of before their return where they came back."""
    returning = [name for name in names if name.kind in RETURNING_KINDS]
    marked = markers(connection, returning, is_locking=True)
    back = {name: marker.returned_on for name, marker in marked.items() if marker.returned_on is not None}
    gone = [name for name in names if name not in back]
    returned = list(back.items())
    # Repeated up to a power of two: SQLAlchemy keeps a statement for each number of parts.
    returned += returned[-1:] * ((1 << (len(returned) - 1).bit_length()) - len(returned))
    parts = [and_(is_about_any([name]), moment <= returned_on) for name, returned_on in returned]
    return or_(is_about_any(gone) if gone else false(), *parts)
