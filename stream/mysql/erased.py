"""Rows about erased persons: left out of what is written, or emptied where their erasure keeps the row.

The markers are read in the transaction that writes the rows, after its own were written; a marker that is committed
later is swept only once this transaction has ended (`erasure`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, Table

from stream import moments
from stream.declaration.persons import OnErasure, Person, PersonColumn
from stream.declaration.service_tables import ERASURE
from stream.declaration.tables import persons_of
from stream.declaration.types import BINARY_COLLATION
from stream.mysql.connection import answers
from stream.mysql.markers import Marker
from stream.stages.compact import Row, TableRows
from stream.stages.values import OR_ERROR, places_of, with_json

PERSONS_MAX = 10_000
"""Persons whom one statement names: an id has up to 256 characters of 4 bytes, and a packet at least 16 MiB."""


def persons_in(table: TableRows) -> Iterator[tuple[Person, Row]]:
    """The persons whose erasure leaves out rows of a table, each with a row."""
    for about in persons_of(table.feed.table):
        if about.on_erasure is OnErasure.DELETE_ROW:
            (place,) = places_of(table.feed.table, about.column)
            for row in table.rows:
                yield Person(about.kind, str(row[place])), row


class Erased:
    """The markers of those whom some tables' rows are about."""

    def __init__(self, connection: Connection, tables: Iterable[TableRows]) -> None:
        named: dict[str, set[str]] = {}
        for table in tables:
            for about in _looked_up(table.feed.table):
                (place,) = places_of(table.feed.table, about.column)
                ids = set(map(itemgetter(place), table.rows)) - {None}
                named.setdefault(about.kind, set()).update(map(str, ids))
        self._markers = {kind: _markers(connection, kind, sorted(ids)) for kind, ids in named.items() if ids}

    def spare(self, table: TableRows) -> tuple[TableRows, TableRows]:
        """The rows of a table that may be written, without the values that may not; and those that are left out."""
        left_out = TableRows(table.feed)
        for about in _looked_up(table.feed.table):
            if markers := self._markers.get(about.kind):
                table = _spared(table, about, markers, left_out)
        return table, left_out


def _looked_up(table: Table) -> list[PersonColumn]:
    return [about for about in persons_of(table) if about.is_joined]


def _markers(connection: Connection, kind: str, ids: Sequence[str]) -> dict[str, Marker]:
    """The markers of persons of a kind, by their ids."""
    known: dict[str, Marker] = {}
    for start in range(0, len(ids), PERSONS_MAX):
        told = answers(connection, markers_statement(kind, ids[start : start + PERSONS_MAX]))
        known |= {name: Marker(*moments_) for name, *moments_ in told}
    return known


def markers_statement(kind: str, ids: Sequence[str]) -> bytes:
    """Reads the markers of those of the persons who are erased."""
    statement = (
        "SELECT e.person_id, e.erased_on, e.returned_on FROM JSON_TABLE(%s, '$[*]' COLUMNS ("  # noqa: S608
        f"p VARCHAR(256) CHARACTER SET utf8mb4 PATH '$' {OR_ERROR})) j STRAIGHT_JOIN `{ERASURE.name}` e "
        f"ON e.person_kind = '{kind}' AND e.person_id = j.p COLLATE {BINARY_COLLATION}"
    )
    return with_json(statement, msgspec.json.encode(ids))


def _spared(table: TableRows, about: PersonColumn, markers: Mapping[str, Marker], left_out: TableRows) -> TableRows:
    """The rows with the columns of erased persons emptied, or without their rows, which are added to those left out."""
    person, event_time = places_of(table.feed.table, about.column, "event_time")
    emptied = places_of(table.feed.table, *about.emptied)
    spared = TableRows(table.feed)
    for row, record in zip(table.rows, table.records, strict=True):
        marker = markers.get(str(row[person]))
        is_covered = marker is not None and marker.covers(moments.from_micros(row[event_time]))
        kept = left_out if is_covered and about.on_erasure is OnErasure.DELETE_ROW else spared
        kept.rows.append(_emptied(row, emptied) if is_covered else row)
        kept.records.append(record)
    return spared


def _emptied(row: Row, places: Sequence[int]) -> Row:
    values: list[Any] = list(row)
    for place in places:
        values[place] = None
    return tuple(values)
