"""Markers: who is erased, and who of them came back. A row of `erasure` each, which every write looks at.

An erasure is absorbing: of who is erased nothing is stored again, whatever the time of an event. Only a return, of an
id that doesn't change, lets in what occurred after it. A marker is a function of the events, in any order: the latest
erasure counts, and of the returns the first one after that. So an erasure later than the return erases again, and a
return that comes before its erasure waits in `person_return`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, literal_column, or_, select, tuple_, update
from sqlalchemy.dialects.mysql import Insert, insert

from stream import moments
from stream.counts import RowCounts
from stream.declaration.persons import RETURNING_KINDS, Person
from stream.declaration.service_tables import ERASURE, PERSON_RETURN
from stream.errors import TransactionConflict, Trouble

PERSONS_MAX = 1_000
"""Persons whom one statement names: an id has up to 300 characters, and a packet at least 16 MiB."""

Marks = Sequence[tuple[Person, int]]
"""Persons, each with a moment (microseconds)."""


class Marker(NamedTuple):
    """An erased person's marker; its moments are UTC, without a zone."""

    erased_on: datetime
    returned_on: datetime | None

    def covers(self, moment: datetime) -> bool:
        """Whether what occurred at the moment is never to be stored."""
        return self.returned_on is None or moment <= self.returned_on


def mark(connection: Connection, erased: Marks, returned: Marks = ()) -> dict[str, RowCounts]:
    """Write markers of who was erased and who came back, each with when that occurred; the counts by table. Raises
    TransactionConflict where another transaction marks the same persons."""
    rows: dict[str, RowCounts] = {}
    if erased:
        rows[ERASURE.name] = _mark_erased(connection, erased)
    if returned:
        rows[PERSON_RETURN.name] = _keep_returns(connection, returned)
    _settle_returns(connection, {person for person, _ in (*erased, *returned) if person.kind in RETURNING_KINDS})
    return rows


def _mark_erased(connection: Connection, erased: Marks) -> RowCounts:
    latest: dict[Person, datetime] = {}
    for person, micros in erased:
        latest[person] = max(moments.from_micros(micros), latest.get(person, datetime.min))
    known = markers(connection, latest, is_locking=True)
    # In the order of the persons, so that two lanes don't wait for each other crosswise.
    rows = [
        row_of(person, erased_on)
        for person, erased_on in sorted(latest.items())
        if person not in known or erased_on > known[person].erased_on
    ]
    updated = sum((row["person_kind"], row["person_id"]) in known for row in rows)
    inserted = len(rows) - updated
    if rows and connection.execute(erasing(), rows).rowcount != inserted + 2 * updated:
        raise TransactionConflict(Trouble.ROW_CAME_BETWEEN, 0)
    return RowCounts(len(erased), inserted, updated, len(erased) - len(rows), 0)


def erasing() -> Insert:
    """The statement that writes markers of erasures. A later one erases again: what was stored since has to go."""
    statement = insert(ERASURE)
    is_later = ERASURE.c.erased_on < statement.inserted.erased_on
    nothing: ColumnElement[Any] = literal_column("NULL")
    return statement.on_duplicate_key_update(
        [  # assigned from left to right: the first looks at the moment as it was
            ("swept_on", func.if_(is_later, nothing, ERASURE.c.swept_on)),
            ("erased_on", func.greatest(ERASURE.c.erased_on, statement.inserted.erased_on)),
        ]
    )


def row_of(person: Person, erased_on: datetime) -> dict[str, Any]:
    """The values of a person's marker."""
    return {"person_kind": person.kind, "person_id": person.person_id, "erased_on": erased_on}


def _keep_returns(connection: Connection, returned: Marks) -> RowCounts:
    rows = [
        {"person_kind": person.kind, "person_id": person.person_id, "returned_on": moments.from_micros(micros)}
        for person, micros in sorted(set(returned))
    ]
    statement = insert(PERSON_RETURN)
    kept = statement.on_duplicate_key_update(returned_on=PERSON_RETURN.c.returned_on)
    inserted = connection.execute(kept, rows).rowcount
    return RowCounts(len(returned), inserted, 0, len(returned) - inserted, 0)


def _settle_returns(connection: Connection, persons: Collection[Person]) -> None:
    """Have the first return after the latest erasure count, and forget those before. Both looks lock, and whoever marks
    writes its own rows first: so of two transactions the later one sees both."""
    marked = markers(connection, persons, is_locking=True)
    if not marked:
        return
    query = select(PERSON_RETURN).where(are(marked, PERSON_RETURN)).with_for_update()
    returns = [(Person(row.person_kind, row.person_id), row.returned_on) for row in connection.execute(query)]
    # Backwards: of several the first stays.
    later = {person: moment for person, moment in sorted(returns, reverse=True) if moment > marked[person].erased_on}
    for person, marker in marked.items():
        first = later.get(person)
        if marker.returned_on != first:
            connection.execute(update(ERASURE).where(is_marker(person)).values(returned_on=first))
    over = [(*person, returned_on) for person, returned_on in returns if returned_on <= marked[person].erased_on]
    if over:
        connection.execute(delete(PERSON_RETURN).where(tuple_(*PERSON_RETURN.primary_key).in_(over)))


def markers(connection: Connection, persons: Collection[Person], *, is_locking: bool = False) -> dict[Person, Marker]:
    """The markers of those of the persons who are erased; locked, if wanted, until the transaction ends."""
    known: dict[Person, Marker] = {}
    wanted = sorted(persons)
    for start in range(0, len(wanted), PERSONS_MAX):
        query = select(ERASURE).where(are(wanted[start : start + PERSONS_MAX]))
        rows = connection.execute(query.with_for_update() if is_locking else query)
        known.update({Person(row.person_kind, row.person_id): Marker(row.erased_on, row.returned_on) for row in rows})
    return known


def note_swept(connection: Connection, swept: Mapping[Person, datetime]) -> None:
    """Note that the last of persons was removed, as of their erasures at these moments: who was erased again meanwhile
    has to be swept again."""
    if swept:
        seen = tuple_(ERASURE.c.person_kind, ERASURE.c.person_id, ERASURE.c.erased_on)
        is_as_seen = seen.in_([(*person, erased_on) for person, erased_on in swept.items()])
        connection.execute(update(ERASURE).where(are(swept), is_as_seen).values(swept_on=func.utc_timestamp(6)))


def is_marker(person: Person) -> ColumnElement[bool]:
    """Whether a row of `erasure` is the person's."""
    return and_(ERASURE.c.person_kind == person.kind, ERASURE.c.person_id == person.person_id)


def are(persons: Collection[Person], table: Table = ERASURE) -> ColumnElement[bool]:
    """Whether a row is of any of the persons."""
    # Not by pairs: MariaDB finds no range of an index by these.
    ids: dict[str, list[str]] = {}
    for person in persons:
        ids.setdefault(person.kind, []).append(person.person_id)
    kind, person_id = table.c.person_kind, table.c.person_id
    return or_(*(and_(kind == name, person_id.in_(some)) for name, some in ids.items()))
