"""Erasing persons: the marker that outlasts everything, and the removal of what was stored before it.

An erasure is absorbing. Its marker, a row of `erasure`, is written in the transaction of the event that asks for it;
from then on the statement that writes rows joins with the markers and leaves that person's rows out. What is older
is removed afterwards, in steps that can be repeated (`sweep`):

1. mark the person's other names too: the hashes under which they take part in studies
2. remove the person's rows, empty the columns of those that stay, remove dead letters under the person's key
3. lock every progress row once: that waits for each write whose statement began before the marker was seen
4. where such a write brought a study that nobody knew of, begin again with it
5. remove again what such a write left behind
6. only then note the marker as swept; the receipt is final
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.mysql import insert

from stream import moments
from stream.catalog import STREAMS
from stream.counts import RowCounts
from stream.declaration.persons import OnErasure, Person, PersonColumn, PersonKind
from stream.declaration.service_tables import DEAD_LETTER, ERASURE, ERASURE_REMOVAL, PROGRESS
from stream.declaration.tables import business_time_of, persons_of
from stream.hashing import Hasher
from stream.mysql import dead_letters, touched
from stream.mysql.dead_letters import CHANGED_ROWS_MAX
from stream.mysql.touched import NEVER_LATE


def mark(connection: Connection, persons: Iterable[tuple[Person, int]]) -> RowCounts:
    """Write the markers of persons, each with when (microseconds) the erasing event occurred; the earliest stays. In
    the order of their keys, so that two lanes don't wait for each other crosswise."""
    counts = RowCounts()
    for person, micros in sorted(persons):
        erased_on = moments.from_micros(micros)
        statement = insert(ERASURE).values(person_kind=person.kind, person_id=person.person_id, erased_on=erased_on)
        statement = statement.on_duplicate_key_update(erased_on=func.least(ERASURE.c.erased_on, erased_on))
        affected = connection.execute(statement).rowcount
        counts += RowCounts(1, int(affected == 1), int(affected == 2), int(affected == 0), 0)
    return counts


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
    while True:
        hashes = _marked_hashes(connection, persons, studies, hasher)
        for person in persons:
            _remove(connection, person, hashes[person], late_before)
        with connection.begin():
            connection.execute(select(PROGRESS.c.topic).with_for_update()).all()
        with connection.begin():
            known = known_studies(connection)
        if known <= studies:
            break
        studies |= known
    for person in persons:
        _remove(connection, person, hashes[person], late_before)
        if hasher is None and person.kind == PersonKind.APP and studies:
            continue  # a study came meanwhile: somebody with a key has to look
        with connection.begin():
            is_swept = or_(*(is_marker(name) for name in (person, *hashes[person])))
            connection.execute(update(ERASURE).where(is_swept).values(swept_on=func.utc_timestamp(6)))


def _marked_hashes(
    connection: Connection, persons: Sequence[Person], studies: set[str], hasher: Hasher | None
) -> dict[Person, list[Person]]:
    """The names that app users have in studies, by each of our keys: markers from now on."""
    hashes: dict[Person, list[Person]] = {person: [] for person in persons}
    with connection.begin():
        for person, hashed in hashes.items():
            if hasher is not None and studies and person.kind == PersonKind.APP:
                names = (name for study in studies for name in hasher.known_hash_ids(study, person.person_id))
                hashed += [Person(PersonKind.RESEARCH, name) for name in names]
                erased_on = connection.execute(select(ERASURE.c.erased_on).where(is_marker(person))).scalar_one()
                mark(connection, [(name, moments.to_micros(erased_on)) for name in hashed])
    return hashes


def _remove(connection: Connection, person: Person, hashes: Sequence[Person], late_before: int) -> None:
    """Remove a person's rows, those under their hashes as well, from every table; note how many went from where."""
    for name in (person, *hashes):
        for table, about in tables_about(name.kind):
            some = partial(_remove_rows, connection, table, *_removal(table, about, name), late_before)
            _until_none(connection, person, table.name, some)
    emptied = {**dead_letters.EMPTIED, "status": dead_letters.Status.ERASED}
    for stream in STREAMS.values():
        if (key := stream.key_of_person(person)) is not None:
            is_theirs_too = and_(DEAD_LETTER.c.topic == stream.topic, DEAD_LETTER.c.record_key == key)
            some = partial(dead_letters.change_some, connection, is_theirs_too, emptied)
            _until_none(connection, person, DEAD_LETTER.name, some)


def tables_about(kind: str) -> list[tuple[Table, PersonColumn]]:
    """The tables that have rows about persons of this kind, and how."""
    return [
        (table, about)
        for stream in STREAMS.values()
        for table in stream.tables
        for about in persons_of(table)
        if about.kind == kind and about.is_stored and about.is_joined
    ]


def needs_key(connection: Connection, person: Person) -> bool:
    """Whether the person may take part in a study, under a hash that only a key can tell."""
    return person.kind == PersonKind.APP and bool(known_studies(connection))


def known_studies(connection: Connection) -> set[str]:
    """The studies in which anybody takes part."""
    tables = [table for table, _ in tables_about(PersonKind.RESEARCH)]
    return {study for table in tables for study in connection.execute(select(table.c.study_id).distinct()).scalars()}


def is_theirs(table: Table, about: PersonColumn, person: Person) -> ColumnElement[bool]:
    """Whether a row is about the person."""
    column: Column[Any] = table.c[about.column]
    # Compared in the type of its column: as another type, no index would serve.
    return column == (int(person.person_id) if column.type.python_type is int else person.person_id)


def _removal(table: Table, about: PersonColumn, person: Person) -> tuple[ColumnElement[bool], Any]:
    """The rows of the person that are left to be removed, or emptied, and the statement that does so to any rows."""
    if about.on_erasure is OnErasure.DELETE_ROW:
        return is_theirs(table, about, person), delete(table)
    is_left = or_(*(table.c[name].is_not(None) for name in about.emptied))
    return and_(is_theirs(table, about, person), is_left), update(table).values(dict.fromkeys(about.emptied))


def _until_none(connection: Connection, person: Person, table_name: str, some: Callable[[], int]) -> None:
    """Remove some after the other, a transaction each, until none is left."""
    removed = CHANGED_ROWS_MAX
    while removed == CHANGED_ROWS_MAX:
        with connection.begin():
            removed = some()
            if removed:
                removal = {"person_kind": person.kind, "person_id": person.person_id, "table_name": table_name}
                statement = insert(ERASURE_REMOVAL).values(**removal, rows_removed=removed)
                added = ERASURE_REMOVAL.c.rows_removed + statement.inserted.rows_removed
                connection.execute(statement.on_duplicate_key_update(rows_removed=added))


def _remove_rows(connection: Connection, table: Table, left: ColumnElement[bool], removal: Any, late: int) -> int:
    """Remove some rows, and return their number. They are locked first: the business times noted have to be theirs."""
    keys = list(table.primary_key)
    moment = business_time_of(table)
    columns = keys if moment is None else [*keys, moment]
    rows = connection.execute(select(*columns).where(left).limit(CHANGED_ROWS_MAX).with_for_update()).all()
    if rows:
        # Both conditions: MariaDB finds rows of a key with two columns by an index of the first one only.
        connection.execute(removal.where(left, tuple_(*keys).in_([tuple(row[: len(keys)]) for row in rows])))
    if moment is not None:
        touched.note(connection, [touched.of_rows(table, [moments.to_micros(row[-1]) for row in rows], late)])
    return len(rows)


def is_marker(person: Person) -> ColumnElement[bool]:
    """Whether a row of `erasure` is the person's."""
    return and_(ERASURE.c.person_kind == person.kind, ERASURE.c.person_id == person.person_id)
