"""Whoever is erased is gone from every table of every stream, whichever comes first: the event or the erasure.

No stream is named here: the events are the examples of `schemas/`, about persons whose ids stand out, with words that
stand out wherever they may say anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import pytest
from sqlalchemy import Table

from stream.catalog import METADATA, STREAMS
from stream.declaration.persons import OnErasure, Person, PersonColumn, PersonKind
from stream.declaration.routes import Route
from stream.declaration.service_tables import SUPPRESSED_RECORD
from stream.declaration.tables import persons_of
from stream.declaration.types import extra_of, python_type_of
from stream.mysql.erasure import sweep
from stream.mysql.markers import mark
from stream.records import Record
from stream.stages.compact import TableRows, compact
from stream.stages.decode import decode
from stream.stages.values import sent_names
from tests.databases import Database
from tests.events import NOON, encode, key_of
from tests.examples import Example, datum_of, valid_examples
from tests.sql.applying import READERS, Applier
from tests.stores import HASHER

pytestmark = pytest.mark.usefixtures("loads_each_row")

WORD = "Planted"
NUMBER = 4_012_345_000
"""Like no other number of the examples, and near the greatest that an id can be."""

OURS = {"erasure", "erasure_removal"}
"""The tables in which the bare id stays for good."""


class Planted(NamedTuple):
    """An event about persons whose ids stand out."""

    topic: str
    record: Record
    tables: list[TableRows]


def all_routes() -> Iterator[Any]:
    for topic, stream in STREAMS.items():
        for route in stream.bound_routes:
            yield pytest.param(topic, route, id=route.record_name)


def routes() -> Iterator[Any]:
    """Every route that feeds a table about persons."""
    for parameters in all_routes():
        _, route = parameters.values
        if any(persons_of(feed.table) for feed in route.feeds):
            yield parameters


def planted(topic: str, route: Route) -> Planted:
    """The example that says most, with other persons and words in it."""
    told = [(example, datum_of(example)) for example in _examples(topic, route)]
    example, datum = max(told, key=lambda pair: sum(value is not None for value in pair[1].values()))
    for number, field in enumerate(msgspec.structs.fields(route.event)):
        if datum.get(field.name) is not None:
            datum[field.name] = _instead(route, field, datum[field.name], NUMBER + 20 * number)
    value = encode(route.record_name, datum)
    record = Record(0, example.record.timestamp_ms, key_of(route.record_name, datum), value)
    accepted, rejected = decode([record], READERS[topic])
    assert not rejected, rejected
    return Planted(topic, record, compact(accepted, 0).tables)


def _examples(topic: str, route: Route) -> list[Example]:
    """Those of the newest version."""
    written = [
        (example, example.version)
        for example in valid_examples()
        if example.topic == topic and example.version and example.version.record_name == route.record_name
    ]
    newest = max(version.version for _, version in written)
    return [example for example, version in written if version.version == newest]


def _instead(route: Route, field: Any, value: Any, number: int) -> Any:
    """The value that takes the place of the example's value in a field."""
    if isinstance(value, list):
        return [{**item, "user_id": number + place} for place, item in enumerate(value)]
    if field.name in _names_of_persons(route):
        is_number = isinstance(value, int)
        return number if is_number else f"user_{WORD}{number}" if "clerk" in _kinds(route) else str(number)
    return f"{WORD} {number}" if _says_anything(field) else value


def _names_of_persons(route: Route) -> set[str]:
    """The fields whose values name persons; values made of a name, as text or a hash, are made of `user_id`."""
    fields = {field.name for field in msgspec.structs.fields(route.event)}
    sources = {
        dict(zip(sent_names(feed.table), feed.sources, strict=False)).get(person.column, person.column)
        for feed in route.feeds
        for person in persons_of(feed.table)
    }
    return {name if name in fields else "user_id" for name in sources}


def _kinds(route: Route) -> set[str]:
    return {person.kind.value for feed in route.feeds for person in persons_of(feed.table)}


def _says_anything(field: Any) -> bool:
    """Whether it is a text without rules."""
    try:
        extra = extra_of(field.type)
        return python_type_of(field.type) is str and "check" not in extra and "is_json" not in extra
    except TypeError:
        return False


def persons_in(event: Planted) -> dict[Person, list[tuple[Table, PersonColumn]]]:
    """The persons whom its rows are about, each with where and how."""
    persons: dict[Person, list[tuple[Table, PersonColumn]]] = {}
    for rows in event.tables:
        table = rows.feed.table
        for about in persons_of(table):
            position = sent_names(table).index(about.column)
            for person_id in {str(row[position]) for row in rows.rows if row[position] not in (None, "")}:
                persons.setdefault(Person(about.kind, person_id), []).append((table, about))
    return persons


@pytest.mark.parametrize(("topic", "route"), list(all_routes()))
def test_a_key_names_the_person_whom_the_event_is_about_and_nobody_where_it_is_another_id(
    topic: str, route: Route
) -> None:
    """By it the dead letters of an erased person are found."""
    event = planted(topic, route)
    key = (event.record.key or b"").decode()
    persons = set(persons_in(event)) | named_at_their_end_or_return(event)
    named = STREAMS[topic].person_of_key(key.encode(), route.record_name)
    assert {named} - {None} == {person for person in persons if key in (person.person_id, str(person))}
    assert named is None or STREAMS[topic].key_of_person(named) == key.encode()


def named_at_their_end_or_return(event: Planted) -> set[Person]:
    (accepted,), _ = decode([event.record], READERS[event.topic])
    compacted = compact([accepted], 0)
    return {person for person, _ in (*compacted.erased, *compacted.returned)}


def erase(database: Database, person: Person) -> None:
    with database.engine().connect() as connection:
        with connection.begin():
            mark(connection, [(person, NOON)])
        sweep(connection, [person], HASHER)


@pytest.mark.parametrize("comes_first", ["event", "erasure"])
@pytest.mark.parametrize(("topic", "route"), list(routes()))
def test_an_erased_persons_values_are_nowhere(database: Database, topic: str, route: Route, comes_first: str) -> None:
    event = planted(topic, route)
    persons = persons_in(event)
    assert any(int("".join(filter(str.isdecimal, person.person_id)) or 0) >= NUMBER for person in persons)
    for person, tables in persons.items():
        database.empty()
        applier = Applier(database)
        if comes_first == "erasure":
            erase(database, person)
        applier.write(applier.slice(topic, [event.record]))
        if comes_first == "event":
            assert_is_there(database, tables)
            erase(database, person)
        for table, about in tables:
            assert_is_forgotten(database, table, about, person)
        assert_id_is_nowhere(database, person)
        applier.close()


def assert_is_there(database: Database, tables: list[tuple[Table, PersonColumn]]) -> None:
    """Otherwise it would be easy to forget."""
    for table, about in tables:
        assert database.rows(table.name), table.name
        for name in about.emptied:
            assert any(row[name] is not None for row in database.rows(table.name)), (table.name, name)


def assert_is_forgotten(database: Database, table: Table, about: PersonColumn, person: Person) -> None:
    rows = database.rows(table.name)
    if about.on_erasure is OnErasure.DELETE_ROW:
        left = [row for row in rows if not about.is_stored or str(row[about.column]) == person.person_id]
        assert not left, table.name
        if table.info["set_of"] is None:  # of a set only this person's row goes
            assert WORD not in str(rows), table.name
    else:
        assert rows, table.name
        assert [row[name] for row in rows for name in about.emptied] == [None] * len(rows) * len(about.emptied)


def assert_id_is_nowhere(database: Database, person: Person) -> None:
    """In no column, but where a ledger keeps it bare, or a note that it may be let in by a return."""
    kept = {(SUPPRESSED_RECORD.name, "person_id")} | {
        (table.name, about.column)
        for table in METADATA.tables.values()
        for about in persons_of(table)
        if about.kind is person.kind and about.on_erasure is OnErasure.EMPTY_COLUMNS
        if about.column not in about.emptied
    }
    remaining = [
        (table.name, name)
        for table in METADATA.tables.values()
        if table.name not in OURS
        for row in database.rows(table.name)
        for name, value in row.items()
        if person.person_id in str(value) and (table.name, name) not in kept
    ]
    assert not remaining or person.kind is PersonKind.RESEARCH
